"""From a model and a split to predictions: a stream, in the order of the rows, whatever the batches and processes.

Features are read in blocks from the memory-mapped table. Those of a block are predicted in batches of nearly
equal length and joined to rows before the next block is read, so memory does not grow with the split. Processes
share the rows and meet once, at the end, to add up what they have counted.
"""

import logging
import math
from collections import deque
from collections.abc import Iterator
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
from autotune.tasks.base import FeatureOutput, Prediction, Row, Scores, Task
from autotune.tasks.features import take

if TYPE_CHECKING:
    from autotune.metrics.base import OfflineMetric

logger = logging.getLogger(__name__)

BLOCK = 8192
"""Features that are sorted by length and predicted together: enough for batches of nearly equal length."""


@dataclass
class Evaluator:
    """Predicts and scores splits."""

    task: Task
    accelerator: Accelerator
    """Device, precision and processes."""
    budget: int
    """Padded tokens a batch."""
    precision: Precision = Precision.fp32
    """In which to predict: the accelerator's own, or fp32."""
    oom_tokens: float = field(default=math.inf, init=False)
    """Padded tokens of the smallest batch for which memory was not enough."""

    def predict(self, model: nn.Module, features: Dataset, rows: Dataset) -> list[Prediction]:
        """Predictions for a few rows; see `stream`."""
        return list(self.stream(model, features, rows))

    def stream(self, model: nn.Module, features: Dataset, rows: Dataset) -> Iterator[Prediction]:
        """Predictions for all rows, in order, made while they are read; other processes are not asked.

        Args:
            model: unwrapped, on the accelerator's device.
            features: what `task.prepare` made of rows.
            rows: with canonical columns.
        """
        return (prediction for _, prediction in self._predicted(model, features, rows, rank=0, ranks=1))

    def predict_and_score(
        self, metric: "OfflineMetric[Any]", model: nn.Module, features: Dataset, rows: Dataset
    ) -> Iterator[Prediction]:
        """Predictions for this process's rows, in order, each given to the metric before it is passed on.

        The process with rank r of n has the rows r, r + n, r + 2n …

        Args:
            metric: of the task.
            model: unwrapped, on the accelerator's device.
            features: what `task.prepare` made of rows.
            rows: with canonical columns and gold values.
        """
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        for row, prediction in self._predicted(model, features, rows, rank=rank, ranks=ranks):
            reference, said = self.task.to_metric_inputs(row, prediction)
            metric.add(reference=reference, prediction=said)
            metric.tally.add_extra(prediction)
            yield prediction

    def scores(self, metric: "OfflineMetric[Any]") -> Scores:
        """The figures of what all processes have counted; each calls it, and each gets them."""
        if self.accelerator.num_processes > 1:
            metric.merge(gather_object([metric.tally]))
        return self.task.scores(metric)

    def score(self, model: nn.Module, features: Dataset, rows: Dataset) -> Scores:
        """The figures of a split that has gold values; no prediction is kept."""
        metric = self.task.metric()
        deque(self.predict_and_score(metric, model, features, rows), maxlen=0)
        return self.scores(metric)

    def _predicted(
        self, model: nn.Module, features: Dataset, rows: Dataset, *, rank: int, ranks: int
    ) -> Iterator[tuple[Row, Prediction]]:
        """Some of the rows and what is predicted for them."""
        progress = Progress("predicting", len(features) // ranks)
        for start, end in blocks(features, BLOCK):
            part = features.select(range(start, end))
            numbers = part.data.table["row"].to_numpy()
            first, last = int(numbers[0]), int(numbers[-1])
            mine = np.flatnonzero(numbers % ranks == rank)
            values = self._values(model, part, mine, progress)
            pieces = [FeatureOutput(int(numbers[at]), start + int(at), values[int(at)]) for at in mine]
            read, joined = tee(iter_rows(rows.select(range(first + (rank - first) % ranks, last + 1, ranks))))
            yield from zip(read, self.task.join(joined, pieces), strict=True)
        progress.close()

    def _values(
        self, model: nn.Module, features: Dataset, chosen: Indices, progress: Progress
    ) -> dict[int, Any]:
        """What the model says of some of the features, by their number; the longest are predicted first."""
        values: dict[int, Any] = {}
        lengths = self.task.lengths(features)[chosen, :1]
        mixed = AutocastKwargs(enabled=self.precision in (Precision.bf16, Precision.fp16))
        with _evaluating(model), self.accelerator.autocast(mixed):
            for batch in prediction_batches(lengths, self.budget):
                signals.raise_if_stopped()
                said = self._predict_batch(model, features, chosen[batch], int(lengths[batch].max()))
                values.update(zip(chosen[batch].tolist(), said, strict=True))
                for _ in batch:
                    progress.step()
        return values

    def _predict_batch(self, model: nn.Module, features: Dataset, chosen: Indices, length: int) -> list[Any]:
        """What the model says of the features of a batch; where memory is not enough, of each half by itself, and
        no batch of that size is tried again."""
        tokens = len(chosen) * length
        if tokens < self.oom_tokens or len(chosen) == 1:
            try:
                return self.task.predict(model, take(features, chosen))
            except (RuntimeError, MemoryError) as error:
                if len(chosen) == 1 or not is_out_of_memory(error):
                    raise
            if self.oom_tokens == math.inf:
                logger.warning(
                    "memory was not enough to predict %d padded tokens at once: batches become smaller",
                    tokens,
                )
            self.oom_tokens = tokens
            free_memory()
        half = len(chosen) // 2
        return [
            said
            for part in (chosen[:half], chosen[half:])
            for said in self._predict_batch(model, features, part, length)
        ]


def blocks(features: Dataset, size: int) -> Iterator[tuple[int, int]]:
    """Cuts features into runs of about `size` that never part the windows of a row: (first, end exclusive)."""
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
    """Dropout off, no gradients; the model's mode is restored."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)
