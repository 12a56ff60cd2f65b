"""From a model and a split to predictions: every row once, in order, whatever the batches and ranks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from datasets import Dataset
from torch import nn

from autotune.data.batches import prediction_batches
from autotune.tasks.base import Piece, Prediction, Scores, Task
from autotune.training.features import take
from autotune.training.progress import watched


@dataclass(frozen=True)
class Evaluator:
    """Predicts and scores whole splits."""

    task: Task
    accelerator: Accelerator
    """Device, precision and processes."""
    budget: int
    """Padded tokens a batch."""

    def predict(self, model: nn.Module, features: Dataset, rows: Dataset) -> list[Prediction]:
        """Predictions for all rows, in order.

        Features are read in batches of nearly equal length, the longest first; ranks share the batches and
        meet once, at the end.

        Args:
            model: unwrapped, on the accelerator's device.
            features: what `task.prepare` made of rows.
            rows: with canonical columns.
        """
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        numbers = features.data.table["row"].to_numpy()
        batches = list(prediction_batches(self.task.lengths(features)[:, :1], self.budget))
        pieces: list[Piece] = []
        with _evaluating(model), self.accelerator.autocast():
            for batch in watched("predicting", batches[rank::ranks]):
                values = self.task.predict(model, take(features, batch))
                pieces += [
                    Piece(int(numbers[at]), int(at), value) for at, value in zip(batch, values, strict=True)
                ]
        if ranks > 1:
            pieces = gather_object(pieces)
        pieces.sort(key=lambda piece: piece.feature)
        return list(self.task.join(rows, pieces))

    def score(self, model: nn.Module, features: Dataset, rows: Dataset) -> Scores:
        """The figures of a split that has gold values."""
        return self.task.score(rows, self.predict(model, features, rows))


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
