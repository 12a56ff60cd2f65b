"""TF-IDF vectors of words and of characters, for texts and for pairs of texts; the same as scikit-learn's, without it."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field

from autotune.baselines.saved import Names
from autotune.runtime.records import Record

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

Text = str | tuple[str, str]
"""A text, or a pair of texts."""
Ngrams = Sequence[str]

LONGEST = 5000
"""Characters of a text that are read."""
RARE = 1000
"""Rows from which n-grams that occur in a single text are left out: they cost time and change little."""
MOST = 500_000
"""Most n-grams of words, and of characters; of more, those that occur in most texts."""
SIZES = range(2, 6)
"""Characters of an n-gram."""
TOKEN, WORD = re.compile(r"\w+|[^\w\s]"), re.compile(r"\w+")
OVERLAPS = 4
"""Numbers that say how much two texts share."""


class SideRecord(Record):
    """The n-grams of the first or of the second texts, in the order of their numbers."""

    words: Annotated[Names, Field(max_length=MOST)]
    characters: Annotated[Names, Field(max_length=MOST)]


class VectorsRecord(Record):
    """The part of vocabulary.json that says which number of a vector belongs to which n-gram."""

    sides: Annotated[list[SideRecord], Field(min_length=1, max_length=2)]
    """One of texts, two of pairs of texts."""


def texts_of(rows: "Dataset") -> "Iterator[Text]":
    """Yields the text of each row, or its pair of texts."""
    from autotune.data.cache import iter_column

    texts = iter_column(rows, "text")
    if "text_pair" not in rows.column_names:
        return texts
    return zip(texts, iter_column(rows, "text_pair"), strict=True)


class Vectors:
    """TF-IDF vectors of texts; of pairs, those of each text, what they share, and how much they overlap.

    Frequencies are sublinear (1 + log), documents are counted as if each n-gram was in one more (smoothed), and the words'
    and the characters' part of a vector both have the length 1.

    Args:
        sides: the n-grams of each side, by the names in `CUTS`.
        idf: inverse document frequency of each: float64 (n-grams,).
    """

    def __init__(
        self, sides: Sequence[Mapping[str, Ngrams]] = (), idf: "NDArray[np.float64] | None" = None
    ) -> None:
        self.sides = sides
        self.idf = np.zeros(0) if idf is None else idf
        ngrams = [side[name] for side in sides for name in CUTS]
        starts = [0, *np.cumsum([len(names) for names in ngrams]).tolist()]
        self._numbers = [
            {ngram: number for number, ngram in enumerate(names, start)}
            for names, start in zip(ngrams, starts, strict=False)
        ]
        self.ngrams = starts[-1]
        """Number of n-grams."""
        self.size = self.ngrams + (OVERLAPS if len(sides) == 2 else 0)
        """Numbers of a vector."""

    @classmethod
    def fit(cls, texts: Sequence[Text]) -> Self:
        """Learns the n-grams of texts."""
        least = 2 if len(texts) >= RARE else 1
        sides, idf = [], []
        for side in zip(*map(_parts, texts), strict=True):
            ngrams = {}
            for name, cut in CUTS.items():
                counts = Counter[str]()
                for text in side:
                    counts.update(set(cut(text)))
                ngrams[name] = _frequent(counts, least)
                frequencies = np.array([counts[ngram] for ngram in ngrams[name]], dtype=np.float64)
                idf.append(np.log((1 + len(side)) / (1 + frequencies)) + 1)
            sides.append(ngrams)
        return cls(sides, np.concatenate(idf))

    def vector(self, text: Text) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
        """Returns the vector of a text: where it is not 0, and the values there, both (entries,)."""
        parts = _parts(text)
        cuts = [cut(part) for part in parts for cut in CUTS.values()]
        blocks = [self._weights(ngrams, numbers) for ngrams, numbers in zip(cuts, self._numbers, strict=True)]
        if len(parts) == 2:
            blocks.append((np.arange(self.size - OVERLAPS, self.size), _overlap(*parts)))
        indices, values = zip(*blocks, strict=True)
        return np.concatenate(indices), np.concatenate(values)

    def matrix(self, texts: Sequence[Text]) -> Any:
        """Returns the vectors of texts: scipy's csr_matrix of float64 (texts, size)."""
        from scipy.sparse import csr_matrix

        indices, values = zip(*map(self.vector, texts), strict=True)
        ends = np.cumsum([0, *map(len, indices)])
        shape = (len(texts), self.size)
        return csr_matrix((np.concatenate(values), np.concatenate(indices), ends), shape=shape)

    def _weights(
        self, ngrams: "Iterator[str]", numbers: dict[str, int]
    ) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
        """Returns the numbers of those n-grams that are known, and the weight of each."""
        counts = Counter(map(numbers.get, ngrams))
        counts.pop(None, None)
        indices = np.fromiter(counts, dtype=np.int64, count=len(counts))
        weights = np.fromiter(counts.values(), dtype=np.float64, count=len(counts))
        weights = (1 + np.log(weights)) * self.idf[indices]
        return indices, weights / (np.linalg.norm(weights) or 1)


def _parts(text: Text) -> tuple[str, ...]:
    return (text[:LONGEST],) if isinstance(text, str) else (text[0][:LONGEST], text[1][:LONGEST])


def _words(text: str) -> Iterator[str]:
    """Yields the words and the pairs of neighbouring words."""
    words = TOKEN.findall(text.lower())
    return chain(words, map(" ".join, pairwise(words)))


def _characters(text: str) -> Iterator[str]:
    """Yields the n-grams of characters, of each word with a blank before and after it."""
    return chain.from_iterable(map(_inside, text.lower().split()))


CUTS: Mapping[str, Callable[[str], Iterator[str]]] = {"words": _words, "characters": _characters}
"""The two ways to cut a text."""


@lru_cache(maxsize=20_000)
def _inside(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple(padded[start : start + size] for size in SIZES for start in range(len(padded) - size + 1))


def _frequent(counts: "Counter[str]", least: int) -> list[str]:
    """Returns the n-grams that occur in that many texts, in the order of their letters."""
    frequent = [ngram for ngram, count in counts.items() if count >= least]
    if len(frequent) > MOST:
        frequent = sorted(frequent, key=lambda ngram: (-counts[ngram], ngram))[:MOST]
    return sorted(frequent)


def _overlap(first: str, second: str) -> "NDArray[np.float64]":
    """Returns the Jaccard similarity of the words of two texts, the share of each that is in the other, and their lengths'
    ratio: (4,)."""
    left, right = (set(WORD.findall(text.lower())) for text in (first, second))
    shared = len(left & right)
    lengths = sorted((len(first), len(second)))
    return np.array(
        [
            shared / max(1, len(left | right)),
            shared / max(1, len(left)),
            shared / max(1, len(right)),
            lengths[0] / max(1, lengths[1]),
        ]
    )
