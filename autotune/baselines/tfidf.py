"""TF-IDF of words and of characters with logistic or ridge regression: hard to beat with few rows.

Characters bring what words lack: inflections, misspellings, negations and emoticons. scikit-learn fits the weights, which
are then rounded to float32; predictions need numpy alone, and are the same after saving and loading.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field

from autotune.baselines.saved import VOCABULARY, Names, read_json, read_tensors, write
from autotune.baselines.vectors import Text, Vectors, VectorsRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.baselines.saved import Tensors

    Numbers = NDArray[np.float64]

ROWS, CHARACTERS = 20_000, 2_000_000
"""Rows, and characters in all of them, from which it learns at most: about half a minute of one CPU core."""


class ClassesRecord(VectorsRecord):
    """Schema of the vocabulary.json of a `TfidfClassifier`."""

    classes: Annotated[Names, Field(min_length=2)]
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LabelsRecord(VectorsRecord):
    """Schema of the vocabulary.json of `TfidfLabels`."""

    labels: Annotated[Names, Field(min_length=1)]


class TargetsRecord(VectorsRecord):
    """Schema of the vocabulary.json of a `TfidfRidge`."""

    targets: Annotated[int, Field(gt=0, le=10_000)]


class _Tfidf:
    """A linear model: each output of a text is the sum of the weights of its vector, and an intercept."""

    def __init__(self) -> None:
        self._set(Vectors(), np.zeros((0, 0)), np.zeros(0))

    def _set(self, vectors: Vectors, coefficients: "Numbers", intercept: "Numbers") -> None:
        """Sets what was fitted: coefficients (size of a vector, outputs) and intercept (outputs,)."""
        self._vectors = vectors
        self._coefficients = np.ascontiguousarray(coefficients, dtype=np.float32)
        self._intercept = np.asarray(intercept, dtype=np.float64)

    def _outputs(self, texts: Sequence[Text]) -> "Numbers":
        """Returns the outputs of each text: (texts, outputs)."""
        outputs = np.empty((len(texts), len(self._intercept)))
        for row, text in enumerate(texts):
            indices, values = self._vectors.vector(text)
            outputs[row] = values @ self._coefficients[indices] + self._intercept
        return outputs

    def _write(self, folder: Path, **names: Any) -> None:
        """Writes both files; vocabulary.json gets the names beside the n-grams."""
        tensors: Tensors = {
            "idf": self._vectors.idf, "coefficients": self._coefficients, "intercept": self._intercept,
        }  # fmt: skip
        write(folder, {**names, "sides": self._vectors.sides}, tensors)

    def _read(self, folder: Path, vocabulary: Mapping[str, Any], outputs: int) -> None:
        """Reads model.safetensors, which has to fit the vocabulary and the number of outputs."""
        vectors = Vectors(vocabulary["sides"])
        layout = {
            "idf": ("F64", (vectors.ngrams,)),
            "coefficients": ("F32", (vectors.size, outputs)),
            "intercept": ("F64", (outputs,)),
        }
        tensors = read_tensors(folder, layout)
        vectors.idf = tensors["idf"]
        self._set(vectors, tensors["coefficients"], tensors["intercept"])


class TfidfRidge(_Tfidf):
    """Predicts numbers of texts, or pairs of texts, by ridge regression on TF-IDF weights; deterministic.

    Args:
        alpha: scikit-learn's strength of regularization.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self._alpha = alpha

    def fit(self, texts: Sequence[Text], numbers: "Numbers") -> Self:
        """Learns from texts with their numbers: (texts, targets)."""
        from sklearn.linear_model import Ridge

        vectors = Vectors.fit(texts)
        model = Ridge(self._alpha, solver="sparse_cg").fit(vectors.matrix(texts), numbers)
        self._set(vectors, np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_))
        return self

    def predict(self, texts: Sequence[Text]) -> "Numbers":
        """Returns the numbers of each text: (texts, targets)."""
        return self._outputs(texts)

    @property
    def targets(self) -> int:
        """How many numbers of a text it predicts."""
        return len(self._intercept)

    def save(self, folder: Path) -> None:
        """Writes model.safetensors and vocabulary.json into an existing folder.

        Raises:
            DiskError: a file cannot be written.
        """
        self._write(folder, targets=self.targets)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` has written.

        Raises:
            ModelError: a file is missing or damaged.
        """
        model = cls()
        vocabulary = read_json(folder / VOCABULARY, TargetsRecord)
        model._read(folder, vocabulary, vocabulary["targets"])
        return model


class TfidfClassifier(_Tfidf):
    """Classifies texts, or pairs of texts, by a linear model of TF-IDF weights; deterministic.

    Args:
        C: scikit-learn's inverse strength of regularization.
        balanced: whether rows of rare classes count more, as a score that is a mean over classes wants it; else
            probabilities follow how frequent the classes are.
    """

    def __init__(self, C: float = 10.0, *, balanced: bool = True) -> None:
        super().__init__()
        self.classes: list[str] = []
        self.temperature = 1.0
        """Divides the log-odds."""
        self._settings = {"C": C, "class_weight": "balanced" if balanced else None}

    def fit(self, texts: Sequence[Text], labels: Sequence[str]) -> Self:
        """Learns from texts with their classes, of which there are at least two."""
        vectors = Vectors.fit(texts)
        model = _regression(self._settings).fit(vectors.matrix(texts), list(labels))
        self.classes = [str(name) for name in model.classes_]
        coefficients, intercept = model.coef_.T, model.intercept_
        if len(self.classes) == 2:
            # One output became two, as of more classes: the softmax of both is the same probability.
            halves = np.array([-0.5, 0.5])
            coefficients, intercept = coefficients * halves, intercept * halves
        self._set(vectors, coefficients, intercept)
        return self

    def log_odds(self, texts: Sequence[Text]) -> "Numbers":
        """Returns the logits of `classes` for each text, divided by the temperature: (texts, classes)."""
        return self._outputs(texts) / self.temperature

    def predict_proba(self, texts: Sequence[Text]) -> "Numbers":
        """Returns the probability of each of `classes` for each text: (texts, classes)."""
        logits = self.log_odds(texts)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def predict(self, texts: Sequence[Text]) -> list[str]:
        """Returns the most probable class of each text."""
        return [self.classes[index] for index in self._outputs(texts).argmax(axis=1)]

    def save(self, folder: Path) -> None:
        """Writes model.safetensors and vocabulary.json into an existing folder.

        Raises:
            DiskError: a file cannot be written.
        """
        self._write(folder, classes=self.classes, temperature=self.temperature)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` has written.

        Raises:
            ModelError: a file is missing or damaged.
        """
        model = cls()
        vocabulary = read_json(folder / VOCABULARY, ClassesRecord)
        model.classes, model.temperature = vocabulary["classes"], vocabulary["temperature"]
        model._read(folder, vocabulary, len(model.classes))
        return model


class TfidfLabels(_Tfidf):
    """Gives texts any number of labels: one such model for each label against all others (one-vs-rest).

    Args:
        labels: names of the labels.
        C: scikit-learn's inverse strength of regularization.
        balanced: whether the texts with a rare label count more.
    """

    def __init__(self, labels: Sequence[str], C: float = 10.0, *, balanced: bool = True) -> None:
        super().__init__()
        self.labels = list(labels)
        self._settings = {"C": C, "class_weight": "balanced" if balanced else None}

    def fit(self, texts: Sequence[Text], labels: Sequence[Sequence[str]]) -> Self:
        """Learns from texts with their labels. Of a label of every text or of none, only how frequent it is is learned."""
        vectors = Vectors.fit(texts)
        matrix = vectors.matrix(texts)
        coefficients, intercept = np.zeros((vectors.size, len(self.labels))), np.zeros(len(self.labels))
        for number, name in enumerate(self.labels):
            has_label = np.array([name in of_text for of_text in labels])
            count = int(has_label.sum())
            if 0 < count < len(texts):
                model = _regression(self._settings).fit(matrix, has_label)
                coefficients[:, number], intercept[number] = model.coef_[0], model.intercept_[0]
            else:
                intercept[number] = np.log((count + 0.5) / (len(texts) - count + 0.5))
        self._set(vectors, coefficients, intercept)
        return self

    def log_odds(self, texts: Sequence[Text]) -> "Numbers":
        """Returns the log-odds of each of `labels` for each text: (texts, labels)."""
        return self._outputs(texts)

    def divide(self, temperature: float) -> None:
        """Divides the log-odds by a number."""
        self._coefficients /= np.float32(temperature)
        self._intercept /= temperature

    def predict_proba(self, texts: Sequence[Text]) -> "Numbers":
        """Returns the probability of each of `labels` for each text: (texts, labels)."""
        return 0.5 + 0.5 * np.tanh(0.5 * self._outputs(texts))

    def predict(self, texts: Sequence[Text]) -> list[list[str]]:
        """Returns the labels of each text in the order of `labels`."""
        return [
            [name for name, output in zip(self.labels, outputs, strict=True) if output > 0]
            for outputs in self._outputs(texts)
        ]

    def save(self, folder: Path) -> None:
        """Writes model.safetensors and vocabulary.json into an existing folder.

        Raises:
            DiskError: a file cannot be written.
        """
        self._write(folder, labels=self.labels)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` has written.

        Raises:
            ModelError: a file is missing or damaged.
        """
        vocabulary = read_json(folder / VOCABULARY, LabelsRecord)
        model = cls(vocabulary["labels"])
        model._read(folder, vocabulary, len(model.labels))
        return model


def _regression(settings: Mapping[str, Any]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**settings, max_iter=1000)
