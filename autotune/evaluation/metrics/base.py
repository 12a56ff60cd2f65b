"""What the metrics share: the constructor and the description that `evaluate` asks for."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import evaluate
from datasets import Features

from autotune.errors import DataError


class OfflineMetric(evaluate.Metric):
    """An `evaluate.Metric` (add, add_batch, compute, combine) that works in memory and asks the Hub nothing.

    It is computed where all predictions are, on the main process.

    Args:
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row: ClassVar[Any]
    """Feature type of a prediction, which is also that of a reference."""
    source: ClassVar[str]
    """Publication that defines the figures."""

    def __init__(self, cache_dir: Path | str) -> None:
        super().__init__(keep_in_memory=True, cache_dir=str(cache_dir))

    @abstractmethod
    def figures(self, references: list[Any], predictions: list[Any]) -> dict[str, Any]:
        """Figures by name as floats, and under `per_class`, `confusion` and `counts` what is a table.

        Args:
            references: gold value of each row; at least one row.
            predictions: predicted value of each row.
        """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation=self.source,
            features=Features({"predictions": self.row, "references": self.row}),
        )

    def _compute(self, predictions: list[Any], references: list[Any]) -> dict[str, Any]:
        if not references:
            raise DataError("there are no rows to score", fix="check the file or dataset.splits")
        return self.figures(references, predictions)
