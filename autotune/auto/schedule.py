"""Passes over the rows and rows per step of a search's fine-tunings, from the number of rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.config.auto import Band, SpaceConfig
from autotune.config.schema import RunConfig


@dataclass(frozen=True)
class Schedule:
    """Numbers of a fine-tuning."""

    epochs: float
    batch_size: int
    steps: int
    """Optimizer steps of a run."""


def schedule(config: RunConfig, space: SpaceConfig, rows: int, folds: int | None) -> Schedule:
    """Returns the passes and the rows per step: what the configuration says, else what suits the rows.

    Args:
        config: of a trial.
        space: has the values by number of rows.
        rows: of train.
        folds: number of folds, of which each run leaves one out; None: a part of the rows is validation.
    """
    left_out = 1 / folds if folds else config.dataset.validation_fraction
    batch_size = config.trainer.batch_size or int(_value(space.batch_size, rows))
    per_epoch = max(1, math.ceil(rows * (1 - left_out) / batch_size))
    epochs = config.trainer.epochs
    if epochs is None:
        enough = math.ceil(config.trainer.min_steps / per_epoch)
        epochs = float(max(_value(space.epochs, rows), config.model.epochs, enough))
    steps = math.ceil(epochs * per_epoch)
    return Schedule(epochs, batch_size, min(steps, config.trainer.max_steps or steps))


def _value(bands: Sequence[Band], rows: int) -> float:
    """Returns the value of the first band that the number of rows is in; of the last one if it is in none."""
    return next((band.value for band in bands if band.below is None or rows < band.below), bands[-1].value)
