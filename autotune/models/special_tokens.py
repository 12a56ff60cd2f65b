"""Special tokens that a text holds: those that shape an input are text there, all others are words.

"</s>", "[SEP]" or T5's "<extra_id_0>" in a text would end, part or mask the input. "[URL]", "@USUARIO" or "<e1>", which
somebody has added to a vocabulary as special tokens, keep their ids.
"""

import json
import re

from tokenizers import Regex, Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerBase

SENTINEL = re.compile(r"<(extra_id|unk|mask|madeupword)_?\d+>")
"""Placeholders of pre-training: T5's <extra_id_0>, Pegasus's <mask_1> and <unk_2>."""
LANGUAGE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}|__\w+__")
"""Language codes of translation models, such as pt_XX and por_Latn, with which an input begins or ends."""


def shaping_tokens(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """The special tokens that shape an input: those with a role (bos, eos, pad, sep, cls, mask, unk), those that the
    template adds, sentinels and language codes."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= {*tokenizer.all_special_tokens}
    shaping = {*tokenizer.special_tokens_map.values()} & special
    shaping |= {*tokenizer.convert_ids_to_tokens(tokenizer("a")["input_ids"])} & special
    translates = hasattr(tokenizer, "src_lang")
    return shaping | {
        token for token in special if SENTINEL.fullmatch(token) or (translates and LANGUAGE.fullmatch(token))
    }


def read_as_text(tokenizer: PreTrainedTokenizerBase) -> None:
    """Makes a tokenizer read the special tokens of texts as this module says, whoever calls it.

    What is a word becomes an added token that is not special; it is saved as such, and not left out of what a model
    writes. The vocabularies of Unigram models hold the shaping tokens as pieces of text; these are cut apart before
    they are looked up. Some classes of transformers do not read that part of a saved tokenizer, so it is done again
    where one is opened.
    """
    shaping = shaping_tokens(tokenizer)
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    words = special - shaping
    if words:
        state = json.loads(tokenizer.backend_tokenizer.to_str())
        for token in state["added_tokens"]:
            token["special"] = token["special"] and token["content"] not in words
        tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))
        tokenizer.extra_special_tokens = [
            token for token in tokenizer.extra_special_tokens if token not in words
        ]
    tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = True
    if is_unigram(tokenizer):
        _cut_apart(tokenizer, shaping)


def is_unigram(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text's pieces are looked up in a vocabulary that holds the special tokens, too (T5, XLM-R)."""
    return type(tokenizer.backend_tokenizer.model).__name__ == "Unigram"


def _cut_apart(tokenizer: PreTrainedTokenizerBase, tokens: set[str]) -> None:
    """Parts the first character of each token from the others wherever a text holds it."""
    backend = tokenizer.backend_tokenizer
    first = "|".join(
        f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in sorted(tokens) if token[1:]
    )
    cut = pre_tokenizers.Split(Regex(first), "isolated")
    if first not in repr(backend.pre_tokenizer):
        before = [] if backend.pre_tokenizer is None else [backend.pre_tokenizer]
        backend.pre_tokenizer = pre_tokenizers.Sequence([*before, cut])
