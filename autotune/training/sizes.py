"""What a training takes from its rows: steps, rows per step, and whether validation may choose the weights."""

import math
from dataclasses import dataclass, replace

from autotune.config.enums import Keep
from autotune.config.schema import RunConfig
from autotune.training.optimizer import interval
from autotune.training.trainer import total_steps

BATCH_SIZE = 32
"""Rows per step where there are enough."""
SMALL_BATCHES = ((200, 8), (400, 16))
"""Rows per step with fewer training rows than the first number: an epoch keeps about a dozen steps."""
MIN_CHOOSING_ROWS = 100
"""With fewer rows of validation, the best of several evaluations is mostly chance."""
MAX_EVALUATIONS = 10
"""Evaluations and checkpoints of a run whose epochs come from `trainer.min_steps`: its epochs are short and many."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of a training and its configuration without null."""

    config: RunConfig
    """With epochs, rows per step, intervals and `keep` as they apply to these rows."""
    rows: int
    validation_rows: int
    steps_per_epoch: int
    steps: int

    def record(self) -> dict[str, object]:
        """Returns JSON for those who follow the run."""
        trainer = self.config.trainer
        return {
            "steps": self.steps,
            "epochs": trainer.epochs,
            "batch_size": trainer.batch_size,
            "keep": trainer.keep.value,
        }

    def line(self, asked: RunConfig) -> str:
        """Returns what was decided, in a line.

        Args:
            asked: the configuration as it was composed.
        """
        batch_size, weights = self.config.trainer.batch_size, self._weights(asked)
        if asked.dataset.streaming:
            return f"a stream: {self.steps} steps, batch {batch_size}, {weights}"
        epochs = f"{self.steps / self.steps_per_epoch:.3g}"
        return f"{self.rows} rows: {self.steps} steps ({epochs} epochs of {self.steps_per_epoch}), batch {batch_size}, {weights}"

    def _weights(self, asked: RunConfig) -> str:
        count = self.validation_rows
        if self.config.trainer.keep is Keep.best:
            return f"best weights kept: {count} validation rows choose"
        if not count:
            return "last weights kept: there is no validation"
        if asked.trainer.keep is Keep.last:
            return "last weights kept: trainer.keep=last"
        return f"last weights kept: {count} validation rows cannot choose"


def sizes(config: RunConfig, rows: int, validation_rows: int) -> Sizes:
    """Decides what the configuration leaves to the rows.

    Args:
        config: as composed.
        rows: rows of train that have features; with streaming, those of a section.
        validation_rows: rows of validation; 0 without such a split.
    """
    trainer, streaming = config.trainer, config.dataset.streaming
    batch_size = trainer.batch_size or (BATCH_SIZE if streaming else fitting_batch_size(rows))
    per_epoch = math.ceil(rows / batch_size)
    epochs = trainer.epochs
    intervals = {"evaluate_every": trainer.evaluate_every, "every": config.checkpoint.every}
    if epochs is None:
        epochs = config.model.epochs
        min_steps = min(trainer.min_steps, trainer.max_steps or trainer.min_steps)
        if not streaming and min_steps > math.ceil(epochs * per_epoch):
            epochs = float(math.ceil(min_steps / per_epoch))
            shortest = math.ceil(epochs * per_epoch / MAX_EVALUATIONS)
            intervals = {name: at_least(every, shortest, per_epoch) for name, every in intervals.items()}
    keep = trainer.keep if validation_rows else Keep.last
    if keep is Keep.auto:
        chooses = validation_rows >= MIN_CHOOSING_ROWS or trainer.patience is not None
        keep = Keep.best if chooses else Keep.last
    checkpoint = replace(config.checkpoint, every=intervals["every"])
    trainer = replace(
        trainer, epochs=epochs, batch_size=batch_size, keep=keep, evaluate_every=intervals["evaluate_every"]
    )
    config = replace(config, trainer=trainer, checkpoint=checkpoint)
    return Sizes(
        config, rows, validation_rows, per_epoch, total_steps(trainer, per_epoch, streaming=streaming)
    )


def fitting_batch_size(rows: int) -> int:
    """Returns the rows per step that suit a number of training rows."""
    return next((size for limit, size in SMALL_BATCHES if rows < limit), BATCH_SIZE)


def at_least(every: str, shortest: int, steps_per_epoch: int) -> str:
    """Returns an interval; one in epochs that is shorter than `shortest` steps becomes that many steps."""
    too_short = every.endswith("ep") and interval(every, steps_per_epoch) < shortest
    return f"{shortest}st" if too_short else every
