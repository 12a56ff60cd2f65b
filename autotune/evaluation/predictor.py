"""Predicts and scores rows with a model of any kind, and with one that has no neural network. Imports no torch."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autotune.config.enums import Precision
from autotune.data.cache import iter_rows
from autotune.runtime import signals
from autotune.tasks.base import FeatureOutput, Prediction, Scores, Task
from autotune.tasks.cheap import CheapModel
from autotune.tasks.text_encoder import chunks

if TYPE_CHECKING:
    from datasets import Dataset

    from autotune.metrics.base import OfflineMetric


class Predictor(ABC):
    """A model and its task."""

    task: Task
    precision: Precision | None
    """Of the computations; None without a neural network."""
    device: str
    """On which it computes, for messages."""

    @abstractmethod
    def stream(self, rows: "Dataset") -> Iterator[Prediction]:
        """Yields a prediction for each row, in order."""

    def predict_and_score(self, metric: "OfflineMetric[Any]", rows: "Dataset") -> Iterator[Prediction]:
        """Yields a prediction for each row, in order, and adds it to the metric.

        Args:
            metric: of the task.
            rows: with gold values.
        """
        for row, prediction in zip(iter_rows(rows), self.stream(rows), strict=True):
            reference, compared = self.task.to_metric_inputs(row, prediction)
            metric.add(reference=reference, prediction=compared)
            metric.state.add_extra(prediction)
            yield prediction

    def score(self, rows: "Dataset") -> Scores:
        """Returns the scores of rows with gold values; keeps no prediction."""
        metric = self.task.metric()
        deque(self.predict_and_score(metric, rows), maxlen=0)
        return Scores.of(metric, self.task.objective)

    def free(self) -> None:
        """Frees the memory of the device; the model need not predict any more. By default nothing."""


class CheapPredictor(Predictor):
    """Predicts with a model that has no neural network.

    Args:
        task: without a base model.
        model: one of `task.cheap`.
    """

    precision = None
    device = "cpu"

    def __init__(self, task: Task, model: CheapModel) -> None:
        self.task, self.model = task, model

    def stream(self, rows: "Dataset") -> Iterator[Prediction]:
        """Yields a prediction for each row, in order."""
        labels = self.task.labels() or []
        for chunk in chunks(iter_rows(rows)):
            signals.raise_if_stopped()
            outputs = self.model.outputs(labels, chunk)
            pieces = [FeatureOutput(number, number, output) for number, output in enumerate(outputs)]
            yield from self.task.join(chunk, pieces)
