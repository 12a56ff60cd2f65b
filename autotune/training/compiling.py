"""Uses torch.compile with a bounded number of compilations: any number of rows, but few lengths."""

from typing import Any

import numpy as np
import torch
import torch._dynamo
from torch import nn

from autotune.data.batches import Lengths

SIZES = 8
"""Number of lengths that each padded tensor may have."""
MULTIPLE = 16
"""Smallest step between lengths; the matrix units of GPUs work best with multiples of it."""


def compile_model(model: nn.Module) -> nn.Module:
    """Returns the model, compiled as it runs: one graph per length, and one more for a batch of a single row."""
    # Two padded tensors (source and target) have SIZES lengths each. Beyond the limit, dynamo falls back to eager.
    torch._dynamo.config.recompile_limit = 2 * SIZES**2
    module: Any = torch.compile(model)
    return module


def length_multiple(lengths: Lengths) -> int:
    """Returns the multiple to which lengths are rounded up, so that there are few.

    Args:
        lengths: lengths of all features, integers (features, tensors).
    """
    return int(pad_to_multiple(np.asarray(-(-int(lengths.max()) // SIZES)), MULTIPLE))


def pad_to_multiple(lengths: Lengths, multiple: int) -> Lengths:
    """Rounds each length up to the next multiple."""
    return -(-lengths // multiple) * multiple


def mark_batch_dynamic(tensors: dict[str, torch.Tensor]) -> None:
    """Marks the number of rows of these tensors as dynamic, so other batch sizes need no compilation of their own."""
    for tensor in tensors.values():
        torch._dynamo.maybe_mark_dynamic(tensor, 0)
