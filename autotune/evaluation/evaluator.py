"""Predicts and scores a split: a stream of predictions in the order of the rows, whatever the batches and processes.

Features are read in blocks from the memory-mapped table. Those of a block are predicted in batches of nearly equal
length, again in further passes if the task asks for them, and merged into rows before the next block is read, so memory
does not grow with the split. Processes share the
rows and communicate once, at the end, to add up their metric states.
"""

import logging
import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import tee
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs, gather_object
from datasets import Dataset
from torch import nn

from autotune.config.enums import Precision
from autotune.data.batches import Indices, prediction_batches
from autotune.data.cache import iter_rows
from autotune.runtime import signals
from autotune.runtime.memory import free_memory, is_out_of_memory
from autotune.runtime.progress import Progress
from autotune.tasks.base import Feature, FeatureOutput, Prediction, Row, Scores, Task, padded_lengths
from autotune.training.features import take

if TYPE_CHECKING:
    from autotune.metrics.base import OfflineMetric

logger = logging.getLogger(__name__)

BLOCK = 8192
"""Number of features that are sorted by length together: enough for batches of nearly equal length."""


@dataclass
class Evaluator:
    """Predicts and scores splits."""

    task: Task
    accelerator: Accelerator
    """Device, precision and processes."""
    budget: int
    """Padded tokens per batch."""
    precision: Precision = Precision.fp32
    """Precision of the predictions: the accelerator's own, or fp32."""
    oom_tokens: float = field(default=math.inf, init=False)
    """Padded tokens of the smallest batch that ran out of memory."""

    def predict(self, model: nn.Module, features: Dataset, rows: Dataset) -> list[Prediction]:
        """Returns predictions for a few rows; see `stream`."""
        return list(self.stream(model, features, rows))

    def stream(self, model: nn.Module, features: Dataset, rows: Dataset) -> Iterator[Prediction]:
        """Yields predictions for all rows, in order, computed as they are read, in this process alone.

        Args:
            model: unwrapped model on the accelerator's device.
            features: features that `task.prepare` made of the rows.
            rows: rows with canonical columns.
        """
        return (prediction for _, prediction in self._predict_rows(model, features, rows, rank=0, ranks=1))

    def predict_and_score(
        self, metric: "OfflineMetric[Any]", model: nn.Module, features: Dataset, rows: Dataset
    ) -> Iterator[Prediction]:
        """Yields predictions for this process's rows, in order, and adds each to the metric.

        The process with rank r of n has the rows r, r + n, r + 2n …

        Args:
            metric: metric of the task.
            model: unwrapped model on the accelerator's device.
            features: features that `task.prepare` made of the rows.
            rows: rows with canonical columns and gold values.
        """
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        for row, prediction in self._predict_rows(model, features, rows, rank=rank, ranks=ranks):
            reference, compared = self.task.to_metric_inputs(row, prediction)
            metric.add(reference=reference, prediction=compared)
            metric.state.add_extra(prediction)
            yield prediction

    def scores(self, metric: "OfflineMetric[Any]") -> Scores:
        """Returns the scores over the rows of all processes; all of them must call it."""
        if self.accelerator.num_processes > 1:
            metric.merge(gather_object([metric.state]))
        return Scores.of(metric, self.task.objective)

    def score(self, model: nn.Module, features: Dataset, rows: Dataset) -> Scores:
        """Returns the scores of a split that has gold values; keeps no prediction."""
        metric = self.task.metric()
        deque(self.predict_and_score(metric, model, features, rows), maxlen=0)
        return self.scores(metric)

    def _predict_rows(
        self, model: nn.Module, features: Dataset, rows: Dataset, *, rank: int, ranks: int
    ) -> Iterator[tuple[Row, Prediction]]:
        """Yields the rows of a rank with their predictions."""
        progress = Progress("predicting", len(features) // ranks)
        for start, end in blocks(features, BLOCK):
            block = features.select(range(start, end))
            row_numbers = block.data.table["row"].to_numpy()
            first, last = int(row_numbers[0]), int(row_numbers[-1])
            # Whole rows per rank, not features: the windows of a row must be merged in one process.
            indices = np.flatnonzero(row_numbers % ranks == rank)
            values = self._predict_features(model, block, indices, progress)
            outputs = [
                FeatureOutput(int(row_numbers[index]), start + int(index), values[int(index)])
                for index in indices
            ]
            while again := list(self.task.next_pass(outputs)):
                outputs = self._predict_again(model, again, outputs)
            own_rows = rows.select(range(first + (rank - first) % ranks, last + 1, ranks))
            yielded, joined = tee(iter_rows(own_rows))
            yield from zip(yielded, self.task.join(joined, outputs), strict=True)
        progress.close()

    def _predict_again(
        self, model: nn.Module, features: Sequence[Feature], outputs: Sequence[FeatureOutput]
    ) -> list[FeatureOutput]:
        """Returns the outputs of a further pass, and those of the rows that are not in it, in the order of the rows."""
        progress = Progress("predicting", len(features))
        table = Dataset.from_list([dict(feature) for feature in features])
        values = self._predict_features(model, table, np.arange(len(table)), progress)
        progress.close()
        new = [FeatureOutput(feature["row"], index, values[index]) for index, feature in enumerate(features)]
        replaced = {output.row for output in new}
        kept = [output for output in outputs if output.row not in replaced]
        return sorted([*kept, *new], key=lambda output: output.row)

    def _predict_features(
        self, model: nn.Module, features: Dataset, indices: Indices, progress: Progress
    ) -> dict[int, Any]:
        """Returns the outputs of the model for some of the features, by index; predicts the longest first."""
        values: dict[int, Any] = {}
        lengths = padded_lengths(features)[indices, :1]
        mixed = AutocastKwargs(enabled=self.precision in (Precision.bf16, Precision.fp16))
        with _evaluating(model), self.accelerator.autocast(mixed):
            for batch in prediction_batches(lengths, self.budget):
                signals.raise_if_stopped()
                outputs = self._predict_batch(model, features, indices[batch], int(lengths[batch].max()))
                values.update(zip(indices[batch].tolist(), outputs, strict=True))
                for _ in batch:
                    progress.step()
        return values

    def _predict_batch(self, model: nn.Module, features: Dataset, indices: Indices, length: int) -> list[Any]:
        """Returns the outputs of the model for a batch; if it runs out of memory, predicts each half by itself, and
        does not try a batch of that size again."""
        tokens = len(indices) * length
        if tokens < self.oom_tokens or len(indices) == 1:
            try:
                return self.task.predict(model, take(features, indices))
            except (RuntimeError, MemoryError) as error:
                if len(indices) == 1 or not is_out_of_memory(error):
                    raise
            # Outside of `except`: the traceback of the error would keep the tensors of the failed batch alive.
            if self.oom_tokens == math.inf:
                logger.warning(
                    "out of memory while predicting %d padded tokens at once: batches become smaller",
                    tokens,
                )
            self.oom_tokens = tokens
            free_memory()
        half = len(indices) // 2
        return [
            output
            for part in (indices[:half], indices[half:])
            for output in self._predict_batch(model, features, part, length)
        ]


def blocks(features: Dataset, size: int) -> Iterator[tuple[int, int]]:
    """Yields blocks of about `size` features, (first, end exclusive), that never separate the windows of a row."""
    rows = features.data.table["row"]
    start = 0
    while start < len(rows):
        end = min(start + size, len(rows))
        while end < len(rows) and rows[end].as_py() == rows[end - 1].as_py():
            end += 1
        yield start, end
        start = end


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Disables dropout and gradients; restores the model's mode afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)
