"""Which arithmetic a run uses, and on which device."""

import os

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from transformers import PretrainedConfig

from autotune import launch
from autotune.choices import Precision
from autotune.data.batches import Cost
from autotune.errors import ConfigError
from autotune.training.processor import cores

FP16_OVERFLOWS = ("t5", "mt5", "umt5", "longt5")
"""Trained in bfloat16, whose range is that of fp32: their activations pass fp16's 65504 and become infinite."""

AMPERE = (8, 0)
"""The first GPUs with tf32, as their compute capability."""


def resolve(precision: Precision, model_type: str) -> Precision:
    """fp32, tf32, bf16 or fp16 for this machine and model.

    auto is bf16 where the hardware multiplies bf16 matrices in units of its own (GPUs since Ampere, CPUs with
    AMX), else fp32: on other CPUs bf16 was measured at half the speed of fp32.

    Raises:
        ConfigError: fp16 for a T5 kind; fp16 or tf32 on a CPU; bf16 or tf32 on a GPU without them.
    """
    cuda = torch.cuda.is_available()
    if precision is Precision.auto:
        fast = torch.cuda.is_bf16_supported(including_emulation=False) if cuda else cpu_has_matrix_unit()
        return Precision.bf16 if fast else Precision.fp32
    if precision is Precision.fp16 and model_type in FP16_OVERFLOWS:
        raise ConfigError(
            f"models of the kind {model_type} overflow in fp16: they were trained in bfloat16, and their "
            "activations exceed fp16's largest number, so the loss becomes NaN",
            where="trainer.precision",
            found="fp16",
            fix="trainer.precision=auto (bf16 where it is fast, else fp32)",
        )
    if precision in (Precision.fp16, Precision.tf32) and not cuda:
        raise ConfigError(
            f"{precision} needs a GPU",
            where="trainer.precision",
            found=f"{precision} on a CPU",
            fix="trainer.precision=auto",
        )
    if precision is Precision.tf32 and torch.cuda.get_device_capability() < AMPERE:
        raise ConfigError(
            "this GPU has no tf32", where="trainer.precision", found="tf32", fix="trainer.precision=auto"
        )
    if precision is Precision.bf16 and cuda and not torch.cuda.is_bf16_supported():
        raise ConfigError(
            "this GPU has no bf16", where="trainer.precision", found="bf16", fix="trainer.precision=auto"
        )
    return precision


def cpu_has_matrix_unit() -> bool:
    """Whether the CPU multiplies bf16 tiles in hardware (Intel AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def micro_batch_cost(config: PretrainedConfig) -> Cost:
    """What micro-batches of a model cost, from its hidden size.

    On a CPU attention was measured to cost as much as all the rest at 3.6 times the hidden size (384 and 768), and
    where dropout of attention keeps it out of the fused kernel at 1.2 times. Starting a micro-batch cost 64 padded
    tokens there; a GPU waits for the CPU in the meantime, in which it could do some thousand tokens.
    """
    hidden = getattr(config, "hidden_size", None) or 768
    return Cost(attention=2.0 * hidden, overhead=1024.0 if torch.cuda.is_available() else 64.0)


def accelerator(precision: Precision) -> Accelerator:
    """The Accelerator for a precision: on the GPU if there is one, else on the CPU over gloo.

    A model that was trained with the GPU's fp16 or tf32 is used in fp32 on a CPU. There torch gets a thread for each
    physical core, shared with the other processes of the machine, where OMP_NUM_THREADS does not say otherwise.
    """
    # accelerate keeps one precision for the whole process; the runs of a sweep may have several.
    AcceleratorState._reset_state()
    cuda = torch.cuda.is_available()
    if cuda:
        torch.set_float32_matmul_precision("highest" if precision is Precision.fp32 else "high")
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, cores() // launch.ranks_here()))
    mixed = precision is Precision.bf16 or (precision is Precision.fp16 and cuda)
    return Accelerator(mixed_precision=precision.value if mixed else "no", cpu=not cuda)


def name() -> str:
    """The device in words."""
    return (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"CPU, {torch.get_num_threads()} threads"
    )
