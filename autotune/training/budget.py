"""Chooses the padded tokens per micro-batch if none are configured: what fits into the CPU cache or GPU memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from autotune.data.batches import Indices, Lengths, padded_tokens
from autotune.models.parts import is_divided, own_part
from autotune.runtime.cpu import cache_bytes
from autotune.runtime.memory import free_memory, is_out_of_memory
from autotune.tasks.base import Task, padded_lengths
from autotune.training.device import hidden_size
from autotune.training.features import take
from autotune.training.gradients import is_distributed
from autotune.training.sharding import out_of_memory_error

MIN_TOKENS, MAX_TOKENS = 1024, 65536
"""Below the minimum, starting a micro-batch costs more than its work; above the maximum, a GPU is busy anyway."""
GPU_PREDICTION_TOKENS = 16384
"""Padded tokens per batch of prediction on a GPU, where the longest text may need much memory for its cache."""
BYTES_PER_TRAINED_NUMBER = 12
"""Gradient and two moments of each trained number, in fp32."""
USABLE_SHARE = 0.8
"""Share of the free memory that is used: the allocator leaves gaps."""
CACHE_BYTES_PER_HIDDEN_NUMBER = 16
"""Bytes of cache per token and hidden number: the states that a layer reads and writes at the same time, those of the
feed-forward four times as wide."""


def find_token_budget(task: Task, model: nn.Module, features: Dataset, accelerator: Accelerator) -> int:
    """Returns the token budget of a training run.

    Args:
        task: collates features and computes losses.
        model: in training mode, prepared by the accelerator; its gradients are discarded.
        features: features of the training split.
        accelerator: device and precision.
    """
    if accelerator.device.type != "cuda":
        return cpu_token_budget(task.base.config)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def peak_bytes(indices: Indices) -> int:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        try:
            accelerator.backward(
                task.loss(model, task.collate(take(features, indices)).to(accelerator.device)).sum
            )
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error) and is_divided(trained[0]):
                raise out_of_memory_error(int(padded_lengths(features)[indices].sum())) from error
            raise
        for parameter in trained:
            parameter.grad = None
        return torch.cuda.max_memory_allocated() - before

    # Gradients and moments do not exist yet, so the free memory must still hold them.
    optimizer_bytes = BYTES_PER_TRAINED_NUMBER * sum(own_part(parameter).numel() for parameter in trained)
    free, _ = torch.cuda.mem_get_info()
    return gpu_token_budget(padded_lengths(features), peak_bytes, free - optimizer_bytes)


def prediction_token_budget(config: Any) -> int:
    """Returns the padded tokens of a batch without a backward pass.

    Args:
        config: config of the model.
    """
    return GPU_PREDICTION_TOKENS if torch.cuda.is_available() else cpu_token_budget(config)


def cpu_token_budget(config: Any) -> int:
    """Returns a budget with which the inputs of a layer stay in the CPU cache.

    Measured with BERTs of hidden sizes 384 and 768 and 32 MiB of cache: from 512 to 4096 tokens, the cost per token is
    the same within 10 per cent; at 8192 it is up to 37 per cent higher. The budget does not depend on a clock, so a
    run draws the same random numbers each time.

    Args:
        config: config of the model.
    """
    fitting = cache_bytes() // (CACHE_BYTES_PER_HIDDEN_NUMBER * hidden_size(config))
    return floor_power_of_two(min(4 * MIN_TOKENS, fitting))


def gpu_token_budget(lengths: Lengths, peak_bytes: Callable[[Indices], int], free: int) -> int:
    """Returns the budget that memory allows for the longest features, from two measurements.

    Args:
        lengths: lengths of the training features, integers (features, tensors). Those with an empty tensor are in no step
            (`BatchPlan.learned`), and have no loss that could be measured.
        peak_bytes: returns the peak of the memory that forward and backward of some features take, beyond what was
            allocated before.
        free: bytes that are free for them.

    Returns:
        The same budget on all ranks: the smallest that one of them has measured.
    """
    longest = np.argsort(lengths.sum(axis=1) * lengths.all(axis=1), kind="stable")[::-1]
    few, more = longest[:1], longest[:3]
    tokens = padded_tokens(lengths[more]) - padded_tokens(lengths[few])
    try:
        peak_bytes(few)  # the first call loads kernels, which take memory once
        growth = peak_bytes(more) - peak_bytes(few)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        free_memory()
        growth = 0
    budget = floor_power_of_two(int(USABLE_SHARE * free * tokens / growth)) if growth > 0 else MIN_TOKENS
    if is_distributed():
        tensor = torch.tensor(budget, device="cuda")
        torch.distributed.all_reduce(tensor, op=torch.distributed.ReduceOp.MIN)
        budget = int(tensor)
    return budget


def floor_power_of_two(tokens: int) -> int:
    """Rounds down to a power of two, within bounds, so small differences between two measurements change nothing."""
    return min(MAX_TOKENS, max(MIN_TOKENS, 1 << max(0, tokens.bit_length() - 1)))
