"""Figures of single-label classification, by scikit-learn."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Value
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from autotune.errors import DataError
from autotune.evaluation.metrics.base import OfflineMetric

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Classification(OfflineMetric):
    """Macro-F1, accuracy and weighted F1; precision, recall, F1 and support of each class; confusion matrix.

    Args:
        labels: names of the classes in the order of their ids. All of them are listed in `per_class` and
            `confusion`; those that occur in neither references nor predictions do not count in macro_f1.
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = Value("int64")
    source = "Sokolova and Lapalme 2009, A systematic analysis of performance measures for classification"

    def __init__(self, labels: Sequence[str], cache_dir: Path | str) -> None:
        self.labels = list(labels)
        super().__init__(cache_dir)

    def figures(self, references: list[int], predictions: list[int]) -> dict[str, Any]:
        """Scores class ids.

        Raises:
            DataError: an id that no class has.
        """
        golden, predicted = np.array(references), np.array(predictions)
        self._check(golden, "reference")
        self._check(predicted, "prediction")
        columns = precision_recall_fscore_support(
            golden, predicted, labels=range(len(self.labels)), zero_division=0
        )
        pairs = Counter(zip(references, predictions, strict=True))
        return {
            "macro_f1": float(f1_score(golden, predicted, average="macro", zero_division=0)),
            "accuracy": float(accuracy_score(golden, predicted)),
            "weighted_f1": float(f1_score(golden, predicted, average="weighted", zero_division=0)),
            "per_class": {
                label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(support)}
                for label, p, r, f, support in zip(self.labels, *columns, strict=True)
            },
            "confusion": {
                gold: {label: pairs[row, column] for column, label in enumerate(self.labels)}
                for row, gold in enumerate(self.labels)
            },
            "counts": {"rows": len(references)},
        }

    def _check(self, ids: "NDArray[np.int64]", role: str) -> None:
        unknown = np.flatnonzero((ids < 0) | (ids >= len(self.labels)))
        if len(unknown):
            raise DataError(
                f"a {role} is no class id",
                where=f"row {unknown[0]}",
                found=str(ids[unknown[0]]),
                fix=f"an id from 0 to {len(self.labels) - 1}",
            )
