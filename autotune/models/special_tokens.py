"""Special tokens that occur in a text: those that shape an input are read as text, all others as words.

"</s>", "[SEP]" or T5's "<extra_id_0>" in a text would end, split or mask the input. "[URL]", "@USUARIO" or "<e1>", which
authors of a model have added to its vocabulary as special tokens, keep their ids.
"""

import json
import re

from tokenizers import Regex, Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerBase

SENTINEL = re.compile(r"<(extra_id|unk|mask|madeupword)_?\d+>")
"""Placeholders of pre-training: T5's <extra_id_0>, Pegasus's <mask_1> and <unk_2>."""
LANGUAGE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}|__\w+__")
"""Language codes of translation models, such as pt_XX and por_Latn, at the start or end of an input."""


def shaping_tokens(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """Returns the special tokens that shape an input: those with a role (bos, eos, pad, sep, cls, mask, unk), those that
    the template adds, sentinels and language codes."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= {*tokenizer.all_special_tokens}
    shaping = {*tokenizer.special_tokens_map.values()} & special
    shaping |= {*tokenizer.convert_ids_to_tokens(tokenizer("a")["input_ids"])} & special
    is_translator = hasattr(tokenizer, "src_lang")
    return shaping | {
        token
        for token in special
        if SENTINEL.fullmatch(token) or (is_translator and LANGUAGE.fullmatch(token))
    }


def read_as_text(tokenizer: PreTrainedTokenizerBase) -> None:
    """Changes a tokenizer so that it reads special tokens in texts as this module describes, for every caller.

    Special tokens that are words become added tokens that are not special: they are saved as such, and decoding does not
    skip them. Unigram vocabularies also contain the shaping tokens as pieces of text; these are split before the lookup.
    Some tokenizer classes of transformers ignore this part of a saved tokenizer, so call this again after loading one.
    """
    shaping = shaping_tokens(tokenizer)
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    words = special - shaping
    if words:
        state = json.loads(tokenizer.backend_tokenizer.to_str())
        for token in state["added_tokens"]:
            token["special"] = token["special"] and token["content"] not in words
        # Changed in the JSON of the backend, which is also the content of the saved tokenizer.json.
        tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))
        tokenizer.extra_special_tokens = [
            token for token in tokenizer.extra_special_tokens if token not in words
        ]
    tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = True
    if is_unigram(tokenizer):
        _split_in_texts(tokenizer, shaping)


def is_unigram(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Returns whether pieces of a text are looked up in a vocabulary that also holds the special tokens (T5, XLM-R)."""
    return type(tokenizer.backend_tokenizer.model).__name__ == "Unigram"


def _split_in_texts(tokenizer: PreTrainedTokenizerBase, tokens: set[str]) -> None:
    """Splits each token after its first character wherever it occurs in a text."""
    backend = tokenizer.backend_tokenizer
    first_characters = "|".join(
        f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in sorted(tokens) if token[1:]
    )
    split = pre_tokenizers.Split(Regex(first_characters), "isolated")
    # A loaded tokenizer may already have the split.
    if first_characters not in repr(backend.pre_tokenizer):
        existing = [] if backend.pre_tokenizer is None else [backend.pre_tokenizer]
        backend.pre_tokenizer = pre_tokenizers.Sequence([*existing, split])
