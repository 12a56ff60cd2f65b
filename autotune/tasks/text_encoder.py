"""Encodes texts as token ids, with the special tokens that a tokenizer adds to whole texts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from autotune.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


T = TypeVar("T")


def chunks(rows: Iterable[T], size: int = 512) -> Iterator[list[T]]:
    """Yields rows in lists, because a tokenizer is faster on many texts at once."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, size)):
        yield chunk


class PairTemplate(NamedTuple):
    """What a tokenizer adds to two texts."""

    parts: tuple[list[int], list[int], list[int]]
    """Special tokens before, between and behind them."""
    types: tuple[list[int], int, list[int], int, list[int]] | None
    """`token_type_ids` of these and of the tokens of both texts, in the order of the input; None if the tokenizer has none, or
    the same for all."""


class TextEncoder:
    """Turns texts into token ids and adds the special tokens that the tokenizer's own template adds.

    The template is read from an encoded example: windows are cut from token ids, and each must still look like a
    whole text to the model.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.tokenizer = tokenizer
        bare = self.ids(["a"])[0]
        with_special_tokens = list(tokenizer("a")["input_ids"])
        start = _place(bare, with_special_tokens, 0)
        self.prefix, self.suffix = with_special_tokens[:start], with_special_tokens[start + len(bare) :]
        self.num_special_tokens = len(self.prefix) + len(self.suffix)
        added = [token.content for token in tokenizer.added_tokens_decoder.values() if not token.special]
        self.added_words = sorted(added, key=len, reverse=True)
        """Added tokens that are words of texts, such as [URL]; the longest first."""
        # An alternation takes the first alternative that matches, hence the order; `(?!)` matches nothing.
        self._added_word_pattern = re.compile("|".join(map(re.escape, self.added_words)) or r"(?!)")

    @cached_property
    def pair_template(self) -> PairTemplate:
        """What the tokenizer adds to two texts, read from an encoded example."""
        first, second = self.ids(["a", "b"])
        encoded = self.tokenizer("a", "b")
        whole = list(encoded["input_ids"])
        start = _place(first, whole, 0)
        middle = start + len(first)
        begin = _place(second, whole, middle)
        end = begin + len(second)
        types = list(encoded.get("token_type_ids") or ())
        return PairTemplate(
            (whole[:start], whole[middle:begin], whole[end:]),
            (types[:start], types[start], types[middle:begin], types[begin], types[end:])
            if any(types)
            else None,
        )

    def special_tokens(self, texts: int) -> int:
        """Returns how many special tokens an input of one or two texts has."""
        return self.num_special_tokens if texts == 1 else sum(map(len, self.pair_template.parts))

    def max_content_tokens(self, max_length: int, texts: int = 1) -> int:
        """Returns how many tokens of one or two texts fit next to the special tokens.

        Raises:
            ConfigError: not a token of each text fits.
        """
        special = self.special_tokens(texts)
        if max_length < special + texts:
            raise ConfigError(
                f"there is no room for text: {special} tokens of each input are special tokens",
                where="task.max_length",
                found=str(max_length),
                fix=f"task.max_length={special + 64}",
            )
        return max_length - special

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token ids of each text, uncut, without special tokens."""
        if not texts:
            return []
        # "</s>" in a text is text: read as a special token it would end the input.
        encoded = self.tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        return list(encoded["input_ids"])

    def ids_and_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Returns the token ids of a text as `ids` does, and where each token begins and ends in it."""
        encoded = self.tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            verbose=False,
        )
        return list(encoded["input_ids"]), list(encoded["offset_mapping"])

    def split_units(self, text: str, words: Sequence[str], starts: Sequence[int]) -> list[tuple[int, str]]:
        """Splits a text into units that are tokenized separately: a word, or several words that form one added token
        ([, URL, ]).

        Args:
            text: the whole text.
            words: the words of the text, in order.
            starts: words[i] begins at text[starts[i]].

        Returns:
            The number of the first word of each unit, and its text.
        """
        units = list(enumerate(words))
        if not self.added_words:
            return units
        word_at_start = {start: number for number, start in enumerate(starts)}
        word_at_end = {
            start + len(word): number for number, (word, start) in enumerate(zip(words, starts, strict=True))
        }
        # From the last match to the first: replacing a slice shifts only the units after it.
        for match in reversed(list(self._added_word_pattern.finditer(text))):
            first, last = word_at_start.get(match.start()), word_at_end.get(match.end())
            if first is not None and last is not None and first < last:
                units[first : last + 1] = [(first, match[0])]
        return units

    def wrap(self, ids: Sequence[int]) -> list[int]:
        """Adds the special tokens around ids; the result is never empty."""
        return [*self.prefix, *ids, *self.suffix] or [self.tokenizer.pad_token_id]

    def encoded(self, first: Sequence[int], second: Sequence[int] | None = None) -> dict[str, list[int]]:
        """Returns the `input_ids` of one or two texts with special tokens, and of two texts perhaps `token_type_ids`."""
        if second is None:
            return {"input_ids": self.wrap(first)}
        (before, between, behind), types = self.pair_template
        ids = {"input_ids": [*before, *first, *between, *second, *behind] or [self.tokenizer.pad_token_id]}
        if types is None:
            return ids
        start, of_first, middle, of_second, end = types
        both = [*start, *[of_first] * len(first), *middle, *[of_second] * len(second), *end]
        return {**ids, "token_type_ids": both}


def _place(ids: Sequence[int], whole: Sequence[int], start: int) -> int:
    """Returns where the tokens of a text are in those of a whole input, from a position on.

    Raises:
        ModelError: they are not in it.
    """
    for place in range(start, len(whole) + 1):
        if whole[place : place + len(ids)] == ids:
            return place
    raise ModelError(
        "the tokenizer splits a text differently when it adds its special tokens",
        where="tokenizer.json",
        found=f"{ids} and {whole} for 'a'",
        fix="download or copy the model's folder again",
    )
