"""Opens a tokenizer and corrects what repositories leave unsaid: case, word borders, padding, special tokens."""

import logging
from collections.abc import Mapping
from typing import Any

from tokenizers import normalizers
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from autotune.errors import ModelError
from autotune.models.repository import quiet, read_json, translate_errors
from autotune.models.special_tokens import read_as_text

logger = logging.getLogger(__name__)

CASED_PIECES = 0.01
"""Share of pieces with capitals from which a vocabulary is cased. BERTimbau's has 18 %, uncased ones none."""


def open_tokenizer(
    name: str,
    path: str,
    revision: str | None,
    config: PretrainedConfig,
    *,
    kwargs: Mapping[str, Any],
    words: bool,
) -> PreTrainedTokenizerBase:
    """The model's fast tokenizer, with a padding token, and case kept where the vocabulary is cased.

    Args:
        name: as the user called the model, for messages.
        path: Hub id or folder.
        revision: commit on the Hub.
        config: of the model; its kind chooses the tokenizer class.
        kwargs: `model.tokenizer_kwargs`; what stands there is never second-guessed.
        words: whether the task gives words instead of text. Byte-level vocabularies then get a space before
            every word, as in running text; without one "São" "Paulo" would read "SãoPaulo".

    Raises:
        ModelError: no tokenizer, a missing package, or no token that could pad.
    """

    def load(**more: Any) -> PreTrainedTokenizerBase:
        with translate_errors(name), quiet():
            loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                path, revision=revision, config=config, trust_remote_code=False, **{**more, **kwargs}
            )
        return loaded

    tokenizer = load()
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        # transformers makes an empty one where a repository has none.
        raise ModelError(
            "the model has no tokenizer: its vocabulary is empty",
            where=f"model.name_or_path={name}",
            fix="a folder or repository with tokenizer.json, vocab.txt or a sentencepiece file",
        )
    if not tokenizer.is_fast:
        raise ModelError(
            "the tokenizer has no fast form, so words and tokens cannot be aligned",
            where=f"model.name_or_path={name}",
            found=type(tokenizer).__name__,
            fix="choose a model with a tokenizer.json, vocab.txt or sentencepiece file",
        )
    case = _case_kept(tokenizer, path, revision, kwargs)
    if case:
        tokenizer = load(**case)
    if words and "add_prefix_space" not in kwargs and _glues_words(tokenizer):
        tokenizer = load(**case, add_prefix_space=True)
        if _glues_words(tokenizer):
            _prepend_space(tokenizer)
    _set_pad_token(tokenizer, config, name)
    # As windows are cut: what is too long loses its end.
    tokenizer.truncation_side = tokenizer.init_kwargs["truncation_side"] = "right"
    read_as_text(tokenizer)
    return tokenizer


def _case_kept(
    tokenizer: PreTrainedTokenizerBase, path: str, revision: str | None, kwargs: Mapping[str, Any]
) -> dict[str, bool]:
    """Arguments that stop a tokenizer from lower-casing into a cased vocabulary, as BertTokenizer does by
    default when a repository has vocab.txt but does not say `do_lower_case`; empty where all is well."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    if "do_lower_case" in kwargs or normalizer is None or normalizer.normalize_str("São") == "São":
        return {}
    pieces = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)
    if sum(piece != piece.lower() for piece in pieces) < CASED_PIECES * len(pieces):
        return {}
    settings = read_json(path, "tokenizer_config.json", revision) or {}
    if "do_lower_case" in settings:
        logger.warning(
            "the tokenizer turns 'São' into %r although its vocabulary has capitals; to keep them: "
            "'model.tokenizer_kwargs={do_lower_case: false}'",
            normalizer.normalize_str("São"),
        )
        return {}
    logger.info("the vocabulary is cased and its repository does not say so: capitals and accents are kept")
    case = {"do_lower_case": False}
    return {**case, "keep_accents": True} if hasattr(tokenizer, "keep_accents") else case


def _glues_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a byte-level vocabulary reads the second of two words as if no space stood before it."""
    if "ByteLevel" not in repr(tokenizer.backend_tokenizer.pre_tokenizer):
        return False
    running = tokenizer("a a", add_special_tokens=False)["input_ids"]
    split = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return bool(running[-1] != split[-1])


def _prepend_space(tokenizer: PreTrainedTokenizerBase) -> None:
    """Puts a space before every word where the tokenizer's class has no say (ModernBERT, Llama 3): the
    normalizer is part of tokenizer.json and so of the saved model."""
    backend = tokenizer.backend_tokenizer
    space = normalizers.Prepend(" ")
    backend.normalizer = (
        space if backend.normalizer is None else normalizers.Sequence([space, backend.normalizer])
    )


def _set_pad_token(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, name: str) -> None:
    """Chooses a token that exists already, so that the embedding table keeps its size."""
    if tokenizer.pad_token is not None:
        return
    stated = config.get_text_config().pad_token_id
    vocabulary = tokenizer.get_vocab()
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    candidates = [
        tokenizer.convert_ids_to_tokens(stated)
        if stated is not None and 0 <= stated < len(vocabulary)
        else None,
        *(token for token in special if "pad" in token.lower()),
        tokenizer.eos_token,
        tokenizer.unk_token,
    ]
    pad_token = next((token for token in candidates if token is not None and token in vocabulary), None)
    if pad_token is None:
        raise ModelError(
            "the tokenizer has no token to pad with",
            where=f"model.name_or_path={name}",
            fix="name one that it has: 'model.tokenizer_kwargs={pad_token: TOKEN}'",
        )
    logger.info("the tokenizer has no padding token: %s is used, masked out", pad_token)
    tokenizer.pad_token = pad_token
