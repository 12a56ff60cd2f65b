"""The gradient of a step: sums over micro-batches and ranks, divided once, at the end (see `exchange` for the ranks)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.distributed
from torch import Tensor, nn

from autotune.models.parts import is_divided, own_part


@dataclass
class StepTotals:
    """Sums of one step over this rank, and after `all_reduce` over all ranks."""

    loss: float = 0.0
    """Sum of the loss over targets."""
    count: float = 0.0
    """Sum of the weights of the targets."""
    out_of_memory: bool = False
    single_example: bool = False
    """Whether the micro-batch that did not fit into memory holds a single feature."""
    stop: bool = False
    """Whether training ends before this step is applied."""
    has_gradient: list[bool] = field(default_factory=list)
    """Which trainable parameters have a gradient, in their order."""

    def all_reduce(self, device: torch.device) -> "StepTotals":
        """Returns the sums of the numbers and the disjunctions of the flags over all ranks, in one reduction.

        A single process gets the object itself.
        """
        if not is_distributed():
            return self
        flags = [self.out_of_memory, self.single_example, self.stop, *self.has_gradient]
        tensor = torch.tensor([self.loss, self.count, *map(float, flags)], dtype=torch.float64, device=device)
        torch.distributed.all_reduce(tensor)
        loss, count, *sums = tensor.tolist()
        out_of_memory, single_example, stop, *has_gradient = (value > 0 for value in sums)
        return StepTotals(loss, count, out_of_memory, single_example, stop, has_gradient)


def is_distributed() -> bool:
    """Whether there are several processes."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def normalize_and_clip_gradients(
    parameters: Sequence[nn.Parameter], factor: float, limit: float | None
) -> float:
    """Multiplies the gradients by a factor, then clips their norm to the limit, both in one pass over the gradients.

    If the parameters are divided among the ranks, all of them must call this.

    Returns:
        The norm of all gradients together, after the factor and before clipping.
    """
    gradients = [own_part(parameter.grad) for parameter in parameters if parameter.grad is not None]
    norm = float(nn.utils.get_total_norm(gradients)) * factor if gradients else 0.0
    if gradients and is_divided(parameters[0]):
        square = torch.tensor(norm * norm, dtype=torch.float64, device=gradients[0].device)
        torch.distributed.all_reduce(square)
        norm = math.sqrt(square)
    if limit is not None and math.isfinite(norm) and norm > limit:
        factor *= limit / norm
    if gradients:
        torch._foreach_mul_(gradients, factor)
    return norm


def broadcast_parameters(tensors: Sequence[Tensor]) -> None:
    """Gives all ranks the values of rank 0."""
    if is_distributed():
        for tensor in tensors:
            torch.distributed.broadcast(tensor.data, src=0)
