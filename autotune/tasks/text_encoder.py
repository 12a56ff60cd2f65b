"""Texts to token ids, with the special tokens that a tokenizer adds to whole texts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from autotune.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


T = TypeVar("T")


def chunks(rows: Iterable[T], size: int = 512) -> Iterator[list[T]]:
    """Rows in lists, so that the tokenizer can work on many texts at once."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, size)):
        yield chunk


class TextEncoder:
    """Turns texts into token ids and adds the special tokens that the tokenizer's own template adds.

    The template is read off an example, so that windows can be cut by us and still look to the model like
    whole texts.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.tokenizer = tokenizer
        bare = self.ids(["a"])[0]
        with_special_tokens = list(tokenizer("a")["input_ids"])
        at = next(
            (
                i
                for i in range(len(with_special_tokens) + 1)
                if with_special_tokens[i : i + len(bare)] == bare
            ),
            None,
        )
        if at is None:
            raise ModelError(
                "the tokenizer reads a text in another way when it adds its special tokens",
                where="tokenizer.json",
                found=f"{bare} and {with_special_tokens} for 'a'",
                fix="download or copy the model's folder again",
            )
        self.prefix, self.suffix = with_special_tokens[:at], with_special_tokens[at + len(bare) :]
        self.specials = len(self.prefix) + len(self.suffix)
        added = [token.content for token in tokenizer.added_tokens_decoder.values() if not token.special]
        self.words = sorted(added, key=len, reverse=True)
        """Added tokens that are words of texts, such as [URL]; the longest first."""
        self._words = re.compile("|".join(map(re.escape, self.words)) or r"(?!)")

    def max_content_tokens(self, max_length: int) -> int:
        """Tokens of text that fit beside the special tokens.

        Raises:
            ConfigError: none fit.
        """
        if max_length <= self.specials:
            raise ConfigError(
                f"no room is left for text: {self.specials} tokens of each input are special tokens",
                where="task.max_length",
                found=str(max_length),
                fix=f"task.max_length={self.specials + 64}",
            )
        return max_length - self.specials

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, uncut, without special tokens."""
        if not texts:
            return []
        # "</s>" in a text is text: read as the special token it would end the input.
        encoded = self.tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        return list(encoded["input_ids"])

    def count_units(self, text: str, words: Sequence[str], starts: Sequence[int]) -> list[tuple[int, str]]:
        """What is tokenised by itself: each word of a text, or the words together that are one token ([, URL, ]).

        Args:
            text: whole.
            words: of the text, in order.
            starts: words[i] begins at text[starts[i]].

        Returns:
            The number of the first word of each unit, and its text.
        """
        units = list(enumerate(words))
        if not self.words:
            return units
        begins = {start: number for number, start in enumerate(starts)}
        ends = {
            start + len(word): number for number, (word, start) in enumerate(zip(words, starts, strict=True))
        }
        for match in reversed(list(self._words.finditer(text))):
            first, last = begins.get(match.start()), ends.get(match.end())
            if first is not None and last is not None and first < last:
                units[first : last + 1] = [(first, match[0])]
        return units

    def wrap(self, ids: Sequence[int]) -> list[int]:
        """The ids with special tokens around them; never empty."""
        return [*self.prefix, *ids, *self.suffix] or [self.tokenizer.pad_token_id]
