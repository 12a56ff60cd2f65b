"""TF-IDF of words and of characters with logistic or ridge regression: hard to beat with few rows.

Characters (`char_wb`) bring what words lack: inflections, misspellings, negations and emoticons.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, CHARACTERS = 20_000, 2_000_000
"""Rows, and characters in all of them, from which it learns at most: about half a minute of one CPU core."""
TEXT = 5000
"""Characters of a text that are read."""
RARE = 1000
"""Rows from which n-grams that occur in a single text are left out: they cost time and change little."""


def vectors(rows: int) -> Any:
    """Returns what makes TF-IDF weights of words and characters from texts.

    Args:
        rows: number of texts that it learns from.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    least = 2 if rows >= RARE else 1
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True, min_df=least)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=least)
    return make_union(words, characters)


class TfidfRidge:
    """Predicts numbers of texts by ridge regression on TF-IDF weights; deterministic."""

    def __init__(self) -> None:
        self._model: Any = None

    def fit(self, texts: Sequence[str], numbers: "NDArray[np.float64]") -> Self:
        """Learns from texts with their numbers: (texts, targets)."""
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline

        self._model = make_pipeline(vectors(len(texts)), Ridge(solver="sparse_cg"))
        self._model.fit([text[:TEXT] for text in texts], numbers)
        return self

    def predict(self, texts: Sequence[str]) -> "NDArray[np.float64]":
        """Returns the numbers of each text: (texts, targets)."""
        numbers = np.asarray(self._model.predict([text[:TEXT] for text in texts]), dtype=np.float64)
        return numbers.reshape(len(texts), -1)


class TfidfClassifier:
    """Classifies texts by a linear model of TF-IDF weights; deterministic.

    Args:
        balanced: whether rows of rare classes count more, as a score that is a mean over classes wants it; else
            probabilities follow how frequent the classes are.
    """

    def __init__(self, *, balanced: bool = True) -> None:
        self._class_weight = "balanced" if balanced else None
        self.classes: list[str] = []
        self._model: Any = None

    def fit(self, texts: Sequence[str], labels: Sequence[str]) -> Self:
        """Learns from texts with their classes, of which there are at least two."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        regression = LogisticRegression(C=10, class_weight=self._class_weight, max_iter=1000)
        self._model = make_pipeline(vectors(len(texts)), regression)
        self._model.fit([text[:TEXT] for text in texts], list(labels))
        self.classes = [str(name) for name in regression.classes_]
        return self

    def predict_proba(self, texts: Sequence[str]) -> "NDArray[np.float64]":
        """Returns the probability of each of `classes` for each text: (texts, classes)."""
        probabilities: NDArray[np.float64] = self._model.predict_proba([text[:TEXT] for text in texts])
        return probabilities

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Returns the most probable class of each text."""
        return [self.classes[index] for index in self.predict_proba(texts).argmax(axis=1)]
