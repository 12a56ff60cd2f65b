"""TF-IDF vectors of words and of characters, for texts and for pairs of texts."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

Text = str | tuple[str, str]
"""A text, or a pair of texts."""

LONGEST = 5000
"""Characters of a text that are read."""
RARE = 1000
"""Rows from which n-grams that occur in a single text are left out: they cost time and change little."""
WORD = re.compile(r"\w+")


def texts_of(rows: "Dataset") -> "Iterator[Text]":
    """Yields the text of each row, or its pair of texts."""
    from autotune.data.cache import iter_column

    texts = iter_column(rows, "text")
    if "text_pair" not in rows.column_names:
        return texts
    return zip(texts, iter_column(rows, "text_pair"), strict=True)


class Vectors:
    """TF-IDF vectors of texts; of pairs, those of each text, what they share, and how much they overlap."""

    def __init__(self) -> None:
        self._unions: list[Any] = []

    def fit(self, texts: Sequence[Text]) -> Self:
        """Learns the n-grams of the first and of the second texts."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        least = 2 if len(texts) >= RARE else 1
        for side in _sides(texts):
            words = TfidfVectorizer(
                ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True, min_df=least
            )
            characters = TfidfVectorizer(
                analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=least
            )
            self._unions.append(make_union(words, characters).fit(side))
        return self

    def transform(self, texts: Sequence[Text]) -> Any:
        """Returns the vectors: sparse (texts, features)."""
        from scipy.sparse import csr_matrix, hstack

        sides = _sides(texts)
        vectors = [union.transform(side) for union, side in zip(self._unions, sides, strict=True)]
        if len(sides) == 1:
            return vectors[0]
        overlaps = np.array([_overlap(first, second) for first, second in zip(*sides, strict=True)])
        return hstack([*vectors, csr_matrix(overlaps)], format="csr")


def _sides(texts: Sequence[Text]) -> list[list[str]]:
    if texts and not isinstance(texts[0], str):
        return [[text[side][:LONGEST] for text in texts] for side in (0, 1)]
    return [[str(text)[:LONGEST] for text in texts]]


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
