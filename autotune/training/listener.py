"""Who is told how training goes: the trainer knows this much of whoever wants the weights on the way."""

from torch import nn

from autotune.tasks.base import Scores


class TrainingListener:
    """Is told by the first process what has become of training; this one does nothing with it."""

    def on_evaluate(self, model: nn.Module, step: int, total: int, scores: Scores) -> None:
        """Validation was scored, between two steps; returns soon.

        Args:
            model: as it was scored; it goes on learning.
            step: after which it was scored.
            total: steps that are planned.
            scores: on validation.
        """

    def on_stop(self) -> None:
        """No further step follows: training has ended, or was interrupted; returns soon."""

    def on_end(self, model: nn.Module, step: int, best_step: int) -> None:
        """Training has ended, and the model still has its last weights.

        Args:
            model: goes back to the best weights afterwards.
            step: the last one.
            best_step: the one whose weights scored best.
        """
