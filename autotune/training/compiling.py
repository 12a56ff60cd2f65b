"""torch.compile with a bounded number of compilations: any number of rows, few lengths."""

from typing import Any

import numpy as np
import torch
import torch._dynamo
from torch import nn

from autotune.data.batches import Lengths

SIZES = 8
"""Lengths that each padded tensor may have."""
MULTIPLE = 16
"""Lengths are multiples of this at least, which the matrix units of GPUs like."""


def compile_model(model: nn.Module) -> nn.Module:
    """The model with kernels made for it on the way: one graph for each length, and one more where a row is alone."""
    torch._dynamo.config.recompile_limit = 2 * SIZES**2
    module: Any = torch.compile(model)
    return module


def length_multiple(lengths: Lengths) -> int:
    """What lengths are rounded up to so that there are few.

    Args:
        lengths: of all features, integers (features, tensors).
    """
    return int(pad_to_multiple(np.asarray(-(-int(lengths.max()) // SIZES)), MULTIPLE))


def pad_to_multiple(lengths: Lengths, multiple: int) -> Lengths:
    """Each the next multiple."""
    return -(-lengths // multiple) * multiple


def mark_batch_dynamic(tensors: dict[str, torch.Tensor]) -> None:
    """Says that batches of these tensors will have other numbers of rows."""
    for tensor in tensors.values():
        torch._dynamo.maybe_mark_dynamic(tensor, 0)
