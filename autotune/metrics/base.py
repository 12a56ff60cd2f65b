"""The base class of the metrics: the interface of `evaluate` over a `MetricState`."""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import evaluate
from datasets import Features

from autotune.errors import DataError
from autotune.metrics.accumulator import MetricState

State = TypeVar("State", bound=MetricState)


class OfflineMetric(evaluate.Metric, Generic[State]):
    """An `evaluate.Metric` (add, add_batch, compute, combine) that works in memory and does not access the Hub.

    Rows are counted as they come and not kept, so memory does not grow with them.

    Args:
        cache_dir: `evaluate` makes an empty folder in it, which may be removed at once.
    """

    row: ClassVar[Any]
    """Feature type of a prediction and of a reference."""
    source: ClassVar[str]
    """Publication that defines the metric."""

    def __init__(self, cache_dir: Path | str) -> None:
        super().__init__(keep_in_memory=True, cache_dir=str(cache_dir))
        self.state = self.empty()

    @abstractmethod
    def empty(self) -> State:
        """Returns a state without rows."""

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Counts one row.

        Args:
            prediction: prediction of the row.
            reference: reference of the row.
            kwargs: `predictions` and `references` instead, as `evaluate.combine` names them.

        Raises:
            DataError: the row cannot be scored.
        """
        self.state.add(kwargs.get("references", reference), kwargs.get("predictions", prediction))

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Counts rows.

        Raises:
            DataError: a row cannot be scored.
            ValueError: the numbers of predictions and references differ.
        """
        if len(predictions) != len(references):
            raise ValueError(
                f"Mismatch in the number of predictions ({len(predictions)}) and references ({len(references)})"
            )
        for prediction, reference in zip(predictions, references, strict=True):
            self.add(prediction=prediction, reference=reference)

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Returns the metric values of all rows since the last call; see `MetricState.figures`.

        Raises:
            DataError: there are no rows, or a row cannot be scored.
        """
        if predictions is not None:
            self.add_batch(predictions=predictions, references=references)
        state, self.state = self.state, self.empty()
        if not state.rows:
            raise DataError("there are no rows to score", fix="check the file or dataset.splits")
        return state.figures()

    def merge(self, states: Iterable[State]) -> None:
        """Replaces the state with the sum of those of several processes, this one included."""
        self.state = self.empty()
        for state in states:
            self.state.merge(state)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation=self.source,
            features=Features({"predictions": self.row, "references": self.row}),
        )
