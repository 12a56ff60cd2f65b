"""Sums gradients over the ranks while the last backward pass of a step still runs.

The parameters are divided into buckets, in the reverse of their order in the model, which is nearly the order in which
a backward pass completes their gradients. In the last backward pass each bucket is sent as soon as it and those before
it are complete, so a parameter without a gradient holds back its own bucket and those after it. When the pass is over,
every rank sends the buckets that are left, with zeros where it has no gradient.

DistributedDataParallel does the same, except for the last sentence: there, a rank that runs out of memory in the
backward pass leaves the others waiting forever. Here every rank sends every bucket once per attempt, whatever happens
to it, and the flags that follow (`StepTotals`) tell all of them whether to repeat the step.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.distributed
from torch import nn

from autotune.training.gradients import is_distributed

BUCKET_BYTES = 25 << 20
"""Bytes per message, as in DistributedDataParallel: large enough for full speed, small enough to begin early."""


class GradientExchange:
    """Sums the gradients of a step over all ranks. Does nothing in a single process.

    Gradients are kept in the memory of the buckets, so they are not copied to be sent, and zeros for a rank that runs out
    of memory take no more of it. All ranks call `send_rest` and `wait` in every attempt of a step; `begin` only where
    there is a last backward pass.

    Args:
        parameters: the trained parameters, in the same order on every rank.
        late: those of them whose gradient is not complete after the last backward pass.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], late: Iterable[nn.Parameter] = ()) -> None:
        self._parameters = parameters
        self._buckets: list[Bucket] = []
        self._missing: list[set[nn.Parameter]] = []
        """Of each bucket, the parameters whose gradient this backward pass has not completed yet."""
        self._sent: list[torch.distributed.Work] = []
        """Of the buckets that travel, from the first on."""
        self._overlaps = False
        if not is_distributed():
            return
        late = set(late)
        early = [parameter for parameter in reversed(parameters) if parameter not in late]
        ordered = [*early, *(parameter for parameter in parameters if parameter in late)]
        self._buckets = [Bucket(group) for group in bucket_groups(ordered)]
        self._number = {
            parameter: number for number, bucket in enumerate(self._buckets) for parameter in bucket.views
        }
        for parameter in early:
            parameter.register_post_accumulate_grad_hook(self._accumulated)

    def begin(self) -> None:
        """Lets buckets travel from now on: the backward pass that follows is the last of the step."""
        self._missing = [set(bucket.views) for bucket in self._buckets]
        self._overlaps = True

    def send_rest(self, *, discard: bool) -> None:
        """Sends the buckets that were not sent yet.

        Args:
            discard: whether this rank has no usable gradient; then it sends zeros.
        """
        self._overlaps = False
        while len(self._sent) < len(self._buckets):
            self._send_next(discard=discard)

    def wait(self, has_gradient: Sequence[bool]) -> None:
        """Waits until the gradients are the sums over all ranks.

        Args:
            has_gradient: which parameters have a gradient on some rank; the others get none.
        """
        for work in self._sent:
            work.wait()
        if self._sent:
            for parameter, has in zip(self._parameters, has_gradient, strict=True):
                if not has:
                    parameter.grad = None
        self._sent.clear()

    def _accumulated(self, parameter: nn.Parameter) -> None:
        """Sends the buckets that the gradient of a parameter completes, in the order that all ranks keep."""
        number = self._number[parameter]
        self._buckets[number].take(parameter)
        if not self._overlaps:
            return
        self._missing[number].discard(parameter)
        while len(self._sent) < len(self._buckets) and not self._missing[len(self._sent)]:
            self._send_next(discard=False)

    def _send_next(self, *, discard: bool) -> None:
        bucket = self._buckets[len(self._sent)]
        for parameter in bucket.views:
            if discard:
                parameter.grad = None
            bucket.take(parameter)
        self._sent.append(torch.distributed.all_reduce(bucket.flat, async_op=True))


class Bucket:
    """Memory for the gradients of some parameters of one dtype and device, which is sent as one message."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        sizes = [parameter.numel() for parameter in parameters]
        self.flat = parameters[0].new_zeros(sum(sizes))
        self.views = {
            parameter: piece.view_as(parameter)
            for parameter, piece in zip(parameters, self.flat.split(sizes), strict=True)
        }
        """The memory of each parameter's gradient, in its shape."""

    @torch.no_grad()
    def take(self, parameter: nn.Parameter) -> None:
        """Moves the gradient of a parameter here, or zeros where it has none. Later ones are added in this memory."""
        view = self.views[parameter]
        if parameter.grad is None:
            view.zero_()
        elif parameter.grad is not view:
            view.copy_(parameter.grad)
        parameter.grad = view


def bucket_groups(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Groups parameters of one dtype, in their order, each group with at most BUCKET_BYTES or a single parameter."""
    buckets: list[list[nn.Parameter]] = []
    free = 0
    for parameter in parameters:
        if not buckets or parameter.nbytes > free or parameter.dtype != buckets[-1][0].dtype:
            buckets.append([])
            free = BUCKET_BYTES
        buckets[-1].append(parameter)
        free -= parameter.nbytes
    return buckets
