"""Metrics of several labels per row, as scikit-learn defines them for indicator matrices."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from datasets import List, Value

from autotune.errors import DataError
from autotune.metrics.accumulator import CountTable, MetricState, Numbers
from autotune.metrics.base import OfflineMetric


class MultiLabelState(MetricState):
    """Counts of each label, and of rows whose labels are all right.

    Args:
        labels: names of the labels in the order of their ids. All of them are in `per_class`; those that occur in neither
            references nor predictions do not count in macro_f1.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self.counts = np.zeros((3, len(self.labels)), dtype=np.int64)
        """Rows that rightly have the label, that have it in the reference, and in the prediction: (3, labels)."""
        self.exact = 0
        """Rows whose labels are all right."""

    def add(self, reference: Sequence[int], prediction: Sequence[int]) -> None:
        """Counts one row of label ids, which may be empty.

        Raises:
            DataError: an id is not that of a label.
        """
        gold, predicted = set(reference), set(prediction)
        strange = [number for number in gold | predicted if not 0 <= number < len(self.labels)]
        if strange:
            raise DataError(
                "a reference or a prediction is not a label id",
                where=f"row {self.rows}",
                found=str(strange[0]),
                fix=f"an id from 0 to {len(self.labels) - 1}",
            )
        for line, numbers in enumerate((gold & predicted, gold, predicted)):
            self.counts[line, list(numbers)] += 1
        self.exact += gold == predicted
        self.rows += 1

    def merge(self, other: Self) -> None:
        """Adds the rows of another process."""
        self.counts += other.counts
        self.exact += other.exact
        self.rows += other.rows

    def figures(self) -> dict[str, Any]:
        """Returns macro-F1, micro-F1, subset accuracy and Hamming loss; precision, recall, F1 and support of each label."""
        correct, gold, predicted = self.counts.astype(np.float64)
        precision, recall = _ratio(correct, predicted), _ratio(correct, gold)
        f1 = _f1(correct, gold, predicted)
        sums = np.concatenate([correct, gold, predicted, [self.exact, self.rows]])
        return {
            **{name: float(values[0]) for name, values in _values(sums[None]).items()},
            "per_class": {
                label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(support)}
                for label, p, r, f, support in zip(self.labels, precision, recall, f1, gold, strict=True)
            },
            "counts": {"rows": self.rows, "labels": int(gold.sum()), "predicted": int(predicted.sum())},
        }

    @classmethod
    def table(cls, states: Sequence[Self]) -> CountTable:
        """Returns correct, gold and predicted rows of each label, exact rows and rows: (rows, 3 · labels + 2)."""
        counts = [[*state.counts.ravel(), state.exact, state.rows] for state in states]
        labels = states[0].labels
        return CountTable(
            np.array(counts, dtype=np.float64),
            _values,
            lambda sums: dict(zip(labels, _f1(*np.split(sums[:, :-2], 3, axis=1)).T, strict=True)),
        )


def _ratio(over: Numbers, under: Numbers) -> Numbers:
    """Returns a quotient, 0 where it has no denominator."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def _f1(correct: Numbers, gold: Numbers, predicted: Numbers) -> Numbers:
    return _ratio(2 * correct, gold + predicted)


def _values(sums: Numbers) -> dict[str, Numbers]:
    """Returns every metric of each line of sums: (lines,)."""
    correct, gold, predicted = np.split(sums[:, :-2], 3, axis=1)
    exact, rows = sums[:, -2], sums[:, -1]
    occurs = (gold + predicted > 0).sum(axis=1).astype(np.float64)
    wrong = (gold + predicted - 2 * correct).sum(axis=1)
    return {
        "macro_f1": _ratio(_f1(correct, gold, predicted).sum(axis=1), occurs),
        "micro_f1": _f1(correct.sum(axis=1), gold.sum(axis=1), predicted.sum(axis=1)),
        "subset_accuracy": exact / rows,
        "hamming_loss": wrong / (rows * correct.shape[1]),
    }


class MultiLabel(OfflineMetric[MultiLabelState]):
    """Computes macro-F1, micro-F1, subset accuracy and Hamming loss; precision, recall, F1 and support of each label.

    Args:
        labels: names of the labels in the order of their ids.
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = List(Value("int64"))
    source = "Tsoumakas, Katakis and Vlahavas 2010, Mining multi-label data"

    def __init__(self, labels: Sequence[str], cache_dir: Path | str) -> None:
        self.labels = list(labels)
        super().__init__(cache_dir)

    def empty(self) -> MultiLabelState:
        """Returns a state without rows."""
        return MultiLabelState(self.labels)
