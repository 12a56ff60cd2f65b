"""Figures of single-label classification, by scikit-learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from datasets import Value
from sklearn.metrics import precision_recall_fscore_support

from autotune.errors import DataError
from autotune.metrics.accumulator import MetricState
from autotune.metrics.base import OfflineMetric


class ClassificationState(MetricState):
    """Rows by gold class and predicted class.

    Args:
        labels: names of the classes in the order of their ids. All of them are listed in `per_class` and
            `confusion`; those that occur in neither references nor predictions do not count in macro_f1.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self.pairs = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)

    def add(self, reference: int, prediction: int) -> None:
        """Counts one row of class ids.

        Raises:
            DataError: an id that no class has.
        """
        for role, number in (("reference", reference), ("prediction", prediction)):
            if not 0 <= number < len(self.labels):
                raise DataError(
                    f"a {role} is no class id",
                    where=f"row {self.rows}",
                    found=str(number),
                    fix=f"an id from 0 to {len(self.labels) - 1}",
                )
        self.pairs[reference, prediction] += 1
        self.rows += 1

    def merge(self, other: Self) -> None:
        """Adds the rows of another process."""
        self.pairs += other.pairs
        self.rows += other.rows

    def figures(self) -> dict[str, Any]:
        """Macro-F1, accuracy and weighted F1; precision, recall, F1 and support of each class; confusion matrix."""
        golden, predicted = np.nonzero(self.pairs)
        # A pair with the weight of its rows gives scikit-learn the counts of all rows.
        columns = precision_recall_fscore_support(
            golden, predicted, labels=range(len(self.labels)), zero_division=0,
            sample_weight=self.pairs[golden, predicted],
        )  # fmt: skip
        f1, support = columns[2:]
        occurs = self.pairs.sum(axis=0) + self.pairs.sum(axis=1) > 0
        return {
            "macro_f1": float(f1[occurs].mean()),
            "accuracy": float(self.pairs.trace() / self.pairs.sum()),
            "weighted_f1": float(np.average(f1, weights=support)),
            "per_class": {
                label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(support)}
                for label, p, r, f, support in zip(self.labels, *columns, strict=True)
            },
            "confusion": {
                gold: {label: int(self.pairs[row, column]) for column, label in enumerate(self.labels)}
                for row, gold in enumerate(self.labels)
            },
            "counts": {"rows": self.rows},
        }

    def values(self) -> dict[str, float]:
        """Macro-F1, accuracy and weighted F1 by scikit-learn's own formula, without what it checks each time."""
        right, golden, predicted = self.pairs.diagonal(), self.pairs.sum(axis=1), self.pairs.sum(axis=0)
        both = golden + predicted
        f1 = np.divide(2.0 * right, both, out=np.zeros(len(both)), where=both > 0)
        return {
            "macro_f1": float(f1[both > 0].mean()),
            "accuracy": float(right.sum() / golden.sum()),
            "weighted_f1": float(np.average(f1, weights=golden)),
        }


class Classification(OfflineMetric[ClassificationState]):
    """Macro-F1, accuracy and weighted F1; precision, recall, F1 and support of each class; confusion matrix.

    Args:
        labels: names of the classes in the order of their ids.
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = Value("int64")
    source = "Sokolova and Lapalme 2009, A systematic analysis of performance measures for classification"

    def __init__(self, labels: Sequence[str], cache_dir: Path | str) -> None:
        self.labels = list(labels)
        super().__init__(cache_dir)

    def empty(self) -> ClassificationState:
        """Counts of no row."""
        return ClassificationState(self.labels)
