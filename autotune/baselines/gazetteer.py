"""A gazetteer: the entities of train, found again word by word, the longest first."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Self

from autotune.data.words import entities, tags_of

Phrase = tuple[str, ...]


class Gazetteer:
    """Finds the entities of train in other rows.

    An entity is left out if its words are mostly something else in train, as the month in `Maio` or a common word.
    """

    def __init__(self) -> None:
        self._types: dict[Phrase, str] = {}
        self._lengths: dict[str, list[int]] = {}
        """Lengths of the phrases that begin with a word, longest first."""

    def fit(self, rows: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> Self:
        """Collects the entities of rows of words with IOB2 tags; each gets its most frequent type."""
        types: dict[Phrase, Counter[str]] = {}
        for words, of_row in zip(rows, tags, strict=True):
            for name, start, end in entities(of_row):
                types.setdefault(tuple(words[start:end]), Counter())[name] += 1
        self._set({phrase: counts.most_common(1)[0][0] for phrase, counts in types.items()})
        occurrences, right = Counter[Phrase](), Counter[Phrase]()
        for words, of_row in zip(rows, tags, strict=True):
            gold = set(entities(of_row))
            for name, start, end in self._matches(words):
                phrase = tuple(words[start:end])
                occurrences[phrase] += 1
                right[phrase] += (name, start, end) in gold
        self._set(
            {phrase: name for phrase, name in self._types.items() if 2 * right[phrase] >= occurrences[phrase]}
        )
        return self

    def predict(self, rows: Sequence[Sequence[str]]) -> list[list[str]]:
        """Returns the IOB2 tag of each word of each row."""
        return [tags_of(self._matches(words), len(words)) for words in rows]

    def _set(self, types: dict[Phrase, str]) -> None:
        lengths: dict[str, set[int]] = {}
        for phrase in types:
            lengths.setdefault(phrase[0], set()).add(len(phrase))
        self._types = types
        self._lengths = {word: sorted(sizes, reverse=True) for word, sizes in lengths.items()}

    def _matches(self, words: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """Yields (type, first word, exclusive end word) from left to right; of several, the longest."""
        at = 0
        while at < len(words):
            for size in self._lengths.get(words[at], ()):
                phrase = tuple(words[at : at + size])
                name = self._types.get(phrase)
                if name is not None and len(phrase) == size:
                    yield name, at, at + size
                    at += size - 1
                    break
            at += 1
