"""The gradient of a step: sums over micro-batches and ranks, divided once, at the end.

Ranks do not use DistributedDataParallel. It averages gradients inside the last backward pass, so a rank that runs
out of memory there would leave the others waiting forever. Here nothing is exchanged before every rank has
reported, in one small reduction, that its backward passes are done; then the gradients follow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor, nn

BUCKET_NUMBERS = 1 << 24
"""Numbers per message when gradients are reduced over ranks; 64 MiB in fp32."""


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
    has_gradient: list[bool] | None = None
    """Which trainable parameters have a gradient, in their order."""

    def all_reduce(self, device: torch.device) -> "StepTotals":
        """Returns the sums of the numbers and the disjunctions of the flags over all ranks, in one reduction.

        A single process gets the object itself.
        """
        if not is_distributed():
            return self
        flags = [self.out_of_memory, self.single_example, self.stop, *(self.has_gradient or [])]
        tensor = torch.tensor([self.loss, self.count, *map(float, flags)], dtype=torch.float64, device=device)
        torch.distributed.all_reduce(tensor)
        loss, count, *sums = tensor.tolist()
        out_of_memory, single_example, stop, *has_gradient = (value > 0 for value in sums)
        return StepTotals(loss, count, out_of_memory, single_example, stop, has_gradient)


def is_distributed() -> bool:
    """Whether there are several processes."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def all_reduce_gradients(parameters: Sequence[nn.Parameter], learned: Sequence[bool]) -> None:
    """Replaces every gradient with the sum over all ranks; a rank without one counts as zeros.

    Args:
        parameters: the trained parameters, in the same order on every rank.
        learned: which of them have a gradient on some rank; the others keep none.
    """
    reduced = [parameter for parameter, has in zip(parameters, learned, strict=True) if has]
    # All ranks must reduce the same tensors in the same order, also one that had no micro-batch in this step.
    for parameter in reduced:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    for bucket in _buckets(reduced):
        gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(flat)
        pieces = flat.split([gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))


def normalize_and_clip_gradients(
    parameters: Sequence[nn.Parameter], factor: float, limit: float | None
) -> float:
    """Multiplies the gradients by a factor, then clips their norm to the limit, both in one pass over the gradients.

    Returns:
        The norm of all gradients together, after the factor and before clipping.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(nn.utils.get_total_norm(gradients)) * factor if gradients else 0.0
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


def _buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Groups parameters of one dtype, each group with at most BUCKET_NUMBERS numbers or a single parameter."""
    buckets: list[list[nn.Parameter]] = []
    free = 0
    for parameter in parameters:
        if not buckets or parameter.numel() > free or parameter.dtype != buckets[-1][0].dtype:
            buckets.append([])
            free = BUCKET_NUMBERS
        buckets[-1].append(parameter)
        free -= parameter.numel()
    return buckets
