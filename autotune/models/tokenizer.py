"""Opens a tokenizer and sets what its files leave open: case, spaces before words, padding, special tokens."""

import logging
from collections.abc import Mapping
from typing import Any

from tokenizers import normalizers
from transformers import AutoTokenizer, BertweetTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from autotune.errors import ModelError
from autotune.models.bertweet import fast_form
from autotune.models.repository import quiet, read_json, translate_errors
from autotune.models.special_tokens import read_as_text

logger = logging.getLogger(__name__)

CASED_PIECES = 0.01
"""Share of tokens with capitals above which a vocabulary is cased: 18 % in BERTimbau, none in uncased vocabularies."""


def open_tokenizer(
    name: str,
    path: str,
    revision: str | None,
    config: PretrainedConfig,
    *,
    kwargs: Mapping[str, Any],
    pretokenized: bool,
) -> PreTrainedTokenizerBase:
    """Opens the model's fast tokenizer, with a padding token; case is kept if the vocabulary is cased.

    Args:
        name: the user's name for the model, for messages.
        path: Hub id or folder.
        revision: commit on the Hub.
        config: config of the model; its type determines the tokenizer class.
        kwargs: `model.tokenizer_kwargs`; they take precedence over every correction made here.
        pretokenized: whether the task passes words instead of text. Byte-level vocabularies then get a space before
            every word, as in running text; without it "São" "Paulo" would be read as "SãoPaulo".

    Raises:
        ModelError: no tokenizer, a missing package, or no token that can pad.
    """

    def load(**options: Any) -> PreTrainedTokenizerBase:
        with translate_errors(name), quiet():
            loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                path, revision=revision, config=config, trust_remote_code=False, **{**options, **kwargs}
            )
        return fast_form(loaded, name) if isinstance(loaded, BertweetTokenizer) else loaded

    tokenizer = load()
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        # transformers creates an empty tokenizer for a repository that has none.
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
    case_options = _case_options(tokenizer, path, revision, kwargs)
    if case_options:
        tokenizer = load(**case_options)
    if pretokenized and "add_prefix_space" not in kwargs and _ignores_word_boundaries(tokenizer):
        tokenizer = load(**case_options, add_prefix_space=True)
        if _ignores_word_boundaries(tokenizer):
            _prepend_space(tokenizer)
    _set_pad_token(tokenizer, config, name)
    # The saved tokenizer must truncate as training did: at the end.
    tokenizer.truncation_side = tokenizer.init_kwargs["truncation_side"] = "right"
    read_as_text(tokenizer)
    return tokenizer


def _case_options(
    tokenizer: PreTrainedTokenizerBase, path: str, revision: str | None, kwargs: Mapping[str, Any]
) -> dict[str, bool]:
    """Returns the arguments that stop a tokenizer from lower-casing text for a cased vocabulary; empty if none are needed.

    BertTokenizer lower-cases by default if a repository has vocab.txt but does not set `do_lower_case`.
    """
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
    options = {"do_lower_case": False}
    return {**options, "keep_accents": True} if hasattr(tokenizer, "keep_accents") else options


def _ignores_word_boundaries(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Returns whether a byte-level tokenizer reads the second of two words as if there were no space before it."""
    if "ByteLevel" not in repr(tokenizer.backend_tokenizer.pre_tokenizer):
        return False
    from_text = tokenizer("a a", add_special_tokens=False)["input_ids"]
    from_words = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return bool(from_text[-1] != from_words[-1])


def _prepend_space(tokenizer: PreTrainedTokenizerBase) -> None:
    """Puts a space before every word if the tokenizer class has no option for it (ModernBERT, Llama 3).

    The normalizer is part of tokenizer.json, and therefore of the saved model.
    """
    backend = tokenizer.backend_tokenizer
    space = normalizers.Prepend(" ")
    backend.normalizer = (
        space if backend.normalizer is None else normalizers.Sequence([space, backend.normalizer])
    )


def _set_pad_token(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, name: str) -> None:
    """Sets a missing padding token to an existing token, because a new one would resize the embedding table."""
    if tokenizer.pad_token is not None:
        return
    config_pad_id = config.get_text_config().pad_token_id
    vocabulary = tokenizer.get_vocab()
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    candidates = [
        tokenizer.convert_ids_to_tokens(config_pad_id)
        if config_pad_id is not None and 0 <= config_pad_id < len(vocabulary)
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
