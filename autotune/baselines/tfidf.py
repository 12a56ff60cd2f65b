"""TF-IDF of words and of characters with logistic or ridge regression: hard to beat with few rows.

Characters (`char_wb`) bring what words lack: inflections, misspellings, negations and emoticons.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autotune.baselines.vectors import Text, Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, CHARACTERS = 20_000, 2_000_000
"""Rows, and characters in all of them, from which it learns at most: about half a minute of one CPU core."""


class TfidfRidge:
    """Predicts numbers of texts, or pairs of texts, by ridge regression on TF-IDF weights; deterministic."""

    def __init__(self) -> None:
        self._vectors = Vectors()
        self._model: Any = None

    def fit(self, texts: Sequence[Text], numbers: "NDArray[np.float64]") -> Self:
        """Learns from texts with their numbers: (texts, targets)."""
        from sklearn.linear_model import Ridge

        self._model = Ridge(solver="sparse_cg")
        self._model.fit(self._vectors.fit(texts).transform(texts), numbers)
        return self

    def predict(self, texts: Sequence[Text]) -> "NDArray[np.float64]":
        """Returns the numbers of each text: (texts, targets)."""
        numbers = np.asarray(self._model.predict(self._vectors.transform(texts)), dtype=np.float64)
        return numbers.reshape(len(texts), -1)


class TfidfClassifier:
    """Classifies texts, or pairs of texts, by a linear model of TF-IDF weights; deterministic.

    Args:
        balanced: whether rows of rare classes count more, as a score that is a mean over classes wants it; else
            probabilities follow how frequent the classes are.
    """

    def __init__(self, *, balanced: bool = True) -> None:
        self._class_weight = "balanced" if balanced else None
        self.classes: list[str] = []
        self._vectors = Vectors()
        self._model: Any = None

    def fit(self, texts: Sequence[Text], labels: Sequence[str]) -> Self:
        """Learns from texts with their classes, of which there are at least two."""
        self._model = _regression(self._class_weight)
        self._model.fit(self._vectors.fit(texts).transform(texts), list(labels))
        self.classes = [str(name) for name in self._model.classes_]
        return self

    def predict_proba(self, texts: Sequence[Text]) -> "NDArray[np.float64]":
        """Returns the probability of each of `classes` for each text: (texts, classes)."""
        probabilities: NDArray[np.float64] = self._model.predict_proba(self._vectors.transform(texts))
        return probabilities

    def predict(self, texts: Sequence[Text]) -> list[str]:
        """Returns the most probable class of each text."""
        return [self.classes[index] for index in self.predict_proba(texts).argmax(axis=1)]


class TfidfLabels:
    """Gives texts any number of labels: one such model for each label against all others (one-vs-rest).

    Args:
        labels: names of the labels.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._vectors = Vectors()
        self._models: dict[str, Any] = {}
        self._always: set[str] = set()

    def fit(self, texts: Sequence[Text], labels: Sequence[Sequence[str]]) -> Self:
        """Learns from texts with their labels. A label of every text or of none has nothing to learn, and stays so."""
        vectors = self._vectors.fit(texts).transform(texts)
        for name in self.labels:
            has_label = np.array([name in of_text for of_text in labels])
            if has_label.all():
                self._always.add(name)
            elif has_label.any():
                self._models[name] = _regression("balanced").fit(vectors, has_label)
        return self

    def predict(self, texts: Sequence[Text]) -> list[list[str]]:
        """Returns the labels of each text in the order of `labels`."""
        vectors = self._vectors.transform(texts)
        columns = {name: model.predict(vectors) for name, model in self._models.items()}
        columns |= {name: np.ones(len(texts), dtype=np.bool_) for name in self._always}
        return [
            [name for name in self.labels if name in columns and columns[name][number]]
            for number in range(len(texts))
        ]


def _regression(class_weight: str | None) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10, class_weight=class_weight, max_iter=1000)
