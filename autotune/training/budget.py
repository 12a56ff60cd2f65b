"""How many padded tokens a micro-batch may have, where nobody says: what fits into the cache or the GPU's memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from autotune.data.batches import Indices, Lengths, padded_tokens
from autotune.runtime.cpu import cache_bytes
from autotune.runtime.memory import free_memory, is_out_of_memory
from autotune.tasks.base import Task
from autotune.tasks.features import take
from autotune.training.device import hidden_size
from autotune.training.gradients import is_distributed

FEWEST, MOST = 1024, 65536
"""Below, starting a micro-batch costs more than its work; above, a GPU is busy anyway."""
ON_A_GPU = 16384
"""In prediction, where the longest text may need much memory for its cache."""
GRADIENT_AND_MOMENTS = 12
"""Bytes for each number that is learned."""
USABLE = 0.8
"""Share of the free memory that is counted on: the allocator leaves gaps."""
BYTES_A_HIDDEN_NUMBER = 16
"""Of cache, for each token: the states that a layer reads and writes at once, the feed-forward's four times as wide."""


def find_token_budget(task: Task, model: nn.Module, features: Dataset, accelerator: Accelerator) -> int:
    """The budget for a training run.

    Args:
        task: collates features and computes losses.
        model: in training mode, prepared by the accelerator; its gradients are thrown away.
        features: of the training split.
        accelerator: device and precision.
    """
    if accelerator.device.type != "cuda":
        return cpu_token_budget(task.base.config)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def used(chosen: Indices) -> int:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        accelerator.backward(
            task.loss(model, task.collate(take(features, chosen)).to(accelerator.device)).sum
        )
        for parameter in learned:
            parameter.grad = None
        return torch.cuda.max_memory_allocated() - before

    state = GRADIENT_AND_MOMENTS * sum(parameter.numel() for parameter in learned)
    free, _ = torch.cuda.mem_get_info()
    return gpu_token_budget(task.lengths(features), used, free - state)


def prediction_token_budget(config: Any) -> int:
    """Padded tokens of a batch that has no backward pass.

    Args:
        config: of the model.
    """
    return ON_A_GPU if torch.cuda.is_available() else cpu_token_budget(config)


def cpu_token_budget(config: Any) -> int:
    """A budget whose layers find their inputs in the cache.

    Measured with BERTs of hidden sizes 384 and 768 and 32 MiB of cache: from 512 to 4096 tokens a token costs the
    same within 10 per cent, at 8192 up to 37 per cent more. It does not depend on a clock, so that a run draws the
    same random numbers each time.

    Args:
        config: of the model.
    """
    return floor_power_of_two(min(4 * FEWEST, cache_bytes() // (BYTES_A_HIDDEN_NUMBER * hidden_size(config))))


def gpu_token_budget(lengths: Lengths, used: Callable[[Indices], int], room: int) -> int:
    """A budget that the memory allows for the longest features, by two measurements.

    Args:
        lengths: of the training features, integers (features, tensors).
        used: bytes that forward and backward of some features take at their peak, beyond what stays.
        room: bytes that are free for them.

    Returns:
        The same on all processes: the smallest that one of them has found.
    """
    longest = np.argsort(lengths.sum(axis=1), kind="stable")[::-1]
    few, more = longest[:1], longest[:3]
    tokens = padded_tokens(lengths[more]) - padded_tokens(lengths[few])
    try:
        used(few)  # the first call loads kernels, which take memory once
        growth = used(more) - used(few)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        free_memory()
        growth = 0
    budget = floor_power_of_two(int(USABLE * room * tokens / growth)) if growth > 0 else FEWEST
    if is_distributed():
        tensor = torch.tensor(budget, device="cuda")
        torch.distributed.all_reduce(tensor, op=torch.distributed.ReduceOp.MIN)
        budget = int(tensor)
    return budget


def floor_power_of_two(tokens: int) -> int:
    """The power of two below, within bounds: small differences between two measurements then change nothing."""
    return min(MOST, max(FEWEST, 1 << max(0, tokens.bit_length() - 1)))
