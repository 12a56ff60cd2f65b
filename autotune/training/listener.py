"""The interface for code that follows training and needs the weights before its end."""

from torch import nn

from autotune.tasks.base import Scores


class TrainingListener:
    """Receives the events of training on rank 0; this one ignores them."""

    def on_evaluate(self, model: nn.Module, step: int, total: int, scores: Scores) -> None:
        """Handles scores of validation, between two steps; must return soon.

        Args:
            model: the model that was scored; training continues with it.
            step: step after which it was scored.
            total: number of planned steps.
            scores: scores on validation.
        """

    def on_stop(self) -> None:
        """Handles that no further step follows, because training ended or was interrupted; must return soon."""

    def on_end(self, model: nn.Module, step: int, best_step: int) -> None:
        """Handles the end of training; the model still has its last weights.

        Args:
            model: the model; it gets the best weights afterwards.
            step: the last step.
            best_step: the step whose weights scored best.
        """
