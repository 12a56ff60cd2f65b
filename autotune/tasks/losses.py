"""The loss of tasks that choose among labels: cross-entropy or focal loss, over targets with weights."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from autotune.config.enums import ClassWeights, Loss
from autotune.config.schema import TaskConfig
from autotune.errors import AutotuneError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor

GAMMA = 2.0
"""Gamma that Lin et al. 2017 found best."""
SMALLEST = 1e-8
"""Least value of 1 - p that is raised to gamma: at 0, a gamma below 1 has an infinite derivative."""


@dataclass
class LossConfig(TaskConfig):
    """Keys of the loss."""

    class_weights: ClassWeights = ClassWeights.none
    """balanced: rare classes (NER: tags) count more, n / (classes x examples of the class), as in scikit-learn."""
    loss: Loss = Loss.cross_entropy
    """focal: examples of which the model is sure count less, (1 - p)^gamma of their cross-entropy (Lin et al. 2017); alpha is
    task.class_weights there."""
    focal_gamma: Annotated[float, Field(ge=0)] = GAMMA
    """Gamma of the focal loss: 0 is cross-entropy, and the higher it is, the less count examples that are nearly learned."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target probability that is spread over all classes (Szegedy et al. 2016)."""

    @property
    def gamma(self) -> float:
        """Gamma of the loss; 0 is cross-entropy."""
        return self.focal_gamma if self.loss is Loss.focal else 0.0


def loss_rules(config: LossConfig) -> Iterator[AutotuneError]:
    """Yields the errors in the keys of the loss."""
    if config.loss is Loss.focal and config.label_smoothing:
        yield ConfigError(
            "the focal loss has no smoothed labels",
            where="task.label_smoothing",
            found=f"{config.label_smoothing:g} with task.loss=focal",
            fix="task.label_smoothing=0, or task.loss=cross_entropy",
        )
    if config.loss is not Loss.focal and config.focal_gamma != GAMMA:
        yield ConfigError(
            "only the focal loss has a gamma",
            where="task.focal_gamma",
            found=f"{config.focal_gamma:g} with task.loss={config.loss}",
            fix=f"task.loss=focal, or task.focal_gamma={GAMMA:g}",
        )


def class_weights(method: ClassWeights, counts: Mapping[str, int], labels: Sequence[str]) -> list[float]:
    """Returns the weight of each label.

    Args:
        method: `task.class_weights`.
        counts: examples in train by label.
        labels: in the order of their ids.
    """
    if method is ClassWeights.none:
        return [1.0] * len(labels)
    total = sum(counts.values())
    return [total / (len(labels) * max(1, counts.get(label, 0))) for label in labels]


def loss_sum(logits: "Tensor", labels: "Tensor", weights: "Tensor | None", config: LossConfig) -> "Tensor":
    """Returns the sum of the loss over targets, each times its weight: a float32 scalar.

    The factor of the focal loss is not part of the weights: the sum is divided by that of `weights` alone, known beforehand.

    Args:
        logits: float32 (targets, labels).
        labels: int64 (targets,).
        weights: float32 (targets,); None: all are 1.
        config: section `task`.
    """
    from torch.nn.functional import cross_entropy

    if weights is None and not config.gamma:
        return cross_entropy(logits, labels, reduction="sum", label_smoothing=config.label_smoothing)
    losses = cross_entropy(logits, labels, reduction="none", label_smoothing=config.label_smoothing)
    if config.gamma:
        losses = focal_factor(losses, config.gamma) * losses
    return (losses if weights is None else losses * weights).sum()


def focal_factor(losses: "Tensor", gamma: float) -> "Tensor":
    """Returns (1 - p)^gamma of targets with a cross-entropy of -log p: float32, the same shape."""
    # This is 1 - p without a loss of digits where p is nearly 1.
    return (-(-losses).expm1()).clamp_min(SMALLEST) ** gamma


def guessing_loss(labels: int, gamma: float = 0.0) -> float:
    """Returns the mean loss of a model that gives all labels the same probability.

    Args:
        labels: their number; with fewer than 2 there is nothing to guess, and the result is inf.
        gamma: of the focal loss.
    """
    return (1 - 1 / labels) ** gamma * math.log(labels) if labels > 1 else math.inf
