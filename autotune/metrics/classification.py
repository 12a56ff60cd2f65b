"""Metrics of single-label classification, by scikit-learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from datasets import Value
from sklearn.metrics import precision_recall_fscore_support

from autotune.errors import DataError
from autotune.metrics.accumulator import CountTable, MetricState, Numbers
from autotune.metrics.base import OfflineMetric


class ClassificationState(MetricState):
    """The confusion matrix: rows by gold class and predicted class.

    Args:
        labels: names of the classes in the order of their ids. All of them are listed in `per_class` and
            `confusion`; those that occur in neither references nor predictions do not count in macro_f1.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self.matrix = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)

    def add(self, reference: int, prediction: int) -> None:
        """Counts one row of class ids.

        Raises:
            DataError: an id is not that of a class.
        """
        for role, number in (("reference", reference), ("prediction", prediction)):
            if not 0 <= number < len(self.labels):
                raise DataError(
                    f"a {role} is not a class id",
                    where=f"row {self.rows}",
                    found=str(number),
                    fix=f"an id from 0 to {len(self.labels) - 1}",
                )
        self.matrix[reference, prediction] += 1
        self.rows += 1

    def merge(self, other: Self) -> None:
        """Adds the rows of another process."""
        self.matrix += other.matrix
        self.rows += other.rows

    def figures(self) -> dict[str, Any]:
        """Returns macro-F1, accuracy and weighted F1; precision, recall, F1 and support of each class; confusion matrix."""
        gold, predicted = np.nonzero(self.matrix)
        # scikit-learn wants rows, and gets one row per non-empty cell, weighted by the count of the cell.
        columns = precision_recall_fscore_support(
            gold, predicted, labels=range(len(self.labels)), zero_division=0,
            sample_weight=self.matrix[gold, predicted],
        )  # fmt: skip
        f1, support = columns[2:]
        occurs = self.matrix.sum(axis=0) + self.matrix.sum(axis=1) > 0
        return {
            "macro_f1": float(f1[occurs].mean()),
            "accuracy": float(self.matrix.trace() / self.matrix.sum()),
            "weighted_f1": float(np.average(f1, weights=support)),
            "per_class": {
                label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(support)}
                for label, p, r, f, support in zip(self.labels, *columns, strict=True)
            },
            "confusion": {
                gold_label: {label: int(self.matrix[row, column]) for column, label in enumerate(self.labels)}
                for row, gold_label in enumerate(self.labels)
            },
            "counts": {"rows": self.rows},
        }

    @classmethod
    def table(cls, states: Sequence[Self]) -> CountTable:
        """Returns correct, gold and predicted rows of each class: (rows, 3 · classes)."""
        counts = [
            [*state.matrix.diagonal(), *state.matrix.sum(axis=1), *state.matrix.sum(axis=0)]
            for state in states
        ]
        labels = states[0].labels
        return CountTable(
            np.array(counts, dtype=np.float64),
            _values,
            lambda sums: dict(zip(labels, _f1(sums).T, strict=True)),
        )


def _f1(sums: Numbers) -> Numbers:
    """Returns the F1 of each class for each line of sums, 0 for a class that does not occur: (lines, classes)."""
    correct, gold, predicted = np.split(sums, 3, axis=1)
    return np.divide(2 * correct, gold + predicted, out=np.zeros_like(correct), where=gold + predicted > 0)


def _values(sums: Numbers) -> dict[str, Numbers]:
    """Returns macro-F1, accuracy and weighted F1 by scikit-learn's own formula, without its checks of the input."""
    correct, gold, predicted = np.split(sums, 3, axis=1)
    total, f1, rows = gold + predicted, _f1(sums), gold.sum(axis=1)
    return {
        "macro_f1": f1.sum(axis=1) / (total > 0).sum(axis=1),
        "accuracy": correct.sum(axis=1) / rows,
        "weighted_f1": (f1 * gold).sum(axis=1) / rows,
    }


class Classification(OfflineMetric[ClassificationState]):
    """Computes macro-F1, accuracy and weighted F1; precision, recall, F1 and support of each class; confusion matrix.

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
        """Returns a state without rows."""
        return ClassificationState(self.labels)
