"""What the metrics share: `evaluate`'s interface over a tally."""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import evaluate
from datasets import Features

from autotune.errors import DataError
from autotune.metrics.accumulator import MetricState

Counts = TypeVar("Counts", bound=MetricState)


class OfflineMetric(evaluate.Metric, Generic[Counts]):
    """An `evaluate.Metric` (add, add_batch, compute, combine) that works in memory and asks the Hub nothing.

    Rows are counted as they come and not kept, so memory does not grow with them.

    Args:
        cache_dir: `evaluate` makes an empty folder in it, which may be removed at once.
    """

    row: ClassVar[Any]
    """Feature type of a prediction, which is also that of a reference."""
    source: ClassVar[str]
    """Publication that defines the figures."""

    def __init__(self, cache_dir: Path | str) -> None:
        super().__init__(keep_in_memory=True, cache_dir=str(cache_dir))
        self.tally = self.empty()

    @abstractmethod
    def empty(self) -> Counts:
        """A tally of no row."""

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Counts one row.

        Args:
            prediction: of the row.
            reference: of the row.
            kwargs: `predictions` and `references` instead, as `evaluate.combine` calls them.

        Raises:
            DataError: it cannot be scored.
        """
        self.tally.add(kwargs.get("references", reference), kwargs.get("predictions", prediction))

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Counts rows.

        Raises:
            DataError: one of them cannot be scored.
            ValueError: there are more of the one than of the other.
        """
        if len(predictions) != len(references):
            raise ValueError(
                f"Mismatch in the number of predictions ({len(predictions)}) and references ({len(references)})"
            )
        for prediction, reference in zip(predictions, references, strict=True):
            self.add(prediction=prediction, reference=reference)

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Figures by name as floats, and under `per_class`, `confusion` and `counts` what is a table.

        They are those of all rows since the last call; the next begin anew.

        Raises:
            DataError: there are no rows, or one of them cannot be scored.
        """
        if predictions is not None:
            self.add_batch(predictions=predictions, references=references)
        tally, self.tally = self.tally, self.empty()
        if not tally.rows:
            raise DataError("there are no rows to score", fix="check the file or dataset.splits")
        return tally.figures()

    def merge(self, tallies: Iterable[Counts]) -> None:
        """Puts what several processes have counted in place of what this one has."""
        self.tally = self.empty()
        for tally in tallies:
            self.tally.merge(tally)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation=self.source,
            features=Features({"predictions": self.row, "references": self.row}),
        )
