"""Who is told how training goes: the trainer knows this much of whoever wants the weights on the way."""

from torch import nn

from autotune.tasks.base import Scores


class TrainingListener:
    """Is told by the first process what has become of training; this one does nothing with it."""

    def on_evaluate(self, model: nn.Module, update: int, total: int, scores: Scores) -> None:
        """Validation was scored, between two updates; returns soon.

        Args:
            model: as it was scored; it goes on learning.
            update: after which it was scored.
            total: updates that are planned.
            scores: on validation.
        """

    def on_stop(self) -> None:
        """No further update follows: training has ended, or was interrupted; returns soon."""

    def on_end(self, model: nn.Module, update: int, best_update: int) -> None:
        """Training has ended, and the model still has its last weights.

        Args:
            model: goes back to the best weights afterwards.
            update: the last one.
            best_update: the one whose weights scored best.
        """
