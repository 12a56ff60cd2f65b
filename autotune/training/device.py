"""Chooses precision, device and CPU threads."""

import os
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from transformers import PretrainedConfig

from autotune.config.enums import Precision
from autotune.data.batches import MicroBatchCost
from autotune.errors import ConfigError
from autotune.runtime import launcher
from autotune.runtime.cpu import physical_cores

FP16_OVERFLOWS = ("t5", "mt5", "umt5", "longt5")
"""Model types trained in bfloat16, whose range is that of fp32: their activations exceed fp16's 65504 and become
infinite."""

AMPERE = (8, 0)
"""Compute capability of the first GPUs with tf32."""

MIN_HIDDEN_FOR_AMX = 384
"""Hidden size from which bf16 is faster on a CPU with AMX. Measured on a Xeon with two cores: at 64, the casts of
autocast made a run 2.5 times as long as in fp32 (13-19 s against 5-8 s); at 384 a run took 0.74 of the CPU time."""

MIN_HIDDEN_FOR_THREADS = 256
"""Hidden size from which a second thread is faster. Time of a BERT step with one thread divided by that with two,
measured on two idle cores with passive waiting, batches of 400 to 4,000 tokens: 0.40-0.81 at 64, 0.47-1.04 at 128,
0.81 at 192, 0.99 at 256, 1.05-1.6 at 384."""


def hidden_size(config: Any) -> int:
    """Returns the width of a model's hidden states; that of BERT-base if its config has no such key."""
    return getattr(config, "hidden_size", None) or 768


def resolve_precision(precision: Precision, config: PretrainedConfig) -> Precision:
    """Returns fp32, tf32, bf16 or fp16 for this machine and model.

    auto is bf16 if the hardware has matrix units for it: GPUs since Ampere, and CPUs with AMX from a hidden size of
    MIN_HIDDEN_FOR_AMX. Otherwise it is fp32: on a CPU without AMX, bf16 was measured at half the speed of fp32.

    Args:
        precision: precision as configured.
        config: config of the model.

    Raises:
        ConfigError: fp16 for a T5 model; fp16 or tf32 on a CPU; bf16 or tf32 on a GPU without them.
    """
    cuda = torch.cuda.is_available()
    if precision is Precision.auto:
        large_enough = cuda or hidden_size(config) >= MIN_HIDDEN_FOR_AMX
        return Precision.bf16 if large_enough and has_fast_bf16() else Precision.fp32
    if precision is Precision.fp16 and config.model_type in FP16_OVERFLOWS:
        raise ConfigError(
            f"models of the kind {config.model_type} overflow in fp16: they were trained in bfloat16, and their "
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


def inference_precision(precision: Precision) -> Precision:
    """Returns the precision of final scores and predictions for that of training.

    On a GPU it is the same. On a CPU it is fp32, so that a plain load of the model in transformers gives the same
    scores. If training was in bf16, this costs a forward pass in fp32 per scored row, about a third of an fp32 step.
    """
    return precision if torch.cuda.is_available() else Precision.fp32


def has_fast_bf16() -> bool:
    """Whether this machine multiplies bf16 matrices in hardware: GPUs since Ampere, CPUs with AMX."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return cpu_has_matrix_unit()


def cpu_has_matrix_unit() -> bool:
    """Whether the CPU multiplies bf16 tiles in hardware (Intel AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def micro_batch_cost(config: PretrainedConfig) -> MicroBatchCost:
    """Returns the cost of a model's micro-batches, from its hidden size.

    On a CPU, attention was measured to cost as much as all the rest at a length of 3.6 times the hidden size (384 and
    768), and at 1.2 times if dropout of attention keeps it out of the fused kernel. Starting a micro-batch cost as much
    as 64 padded tokens there; a GPU waits for the CPU meanwhile, and could process about a thousand tokens.
    """
    return MicroBatchCost(
        attention=2.0 * hidden_size(config), overhead=1024.0 if torch.cuda.is_available() else 64.0
    )


def accelerator(precision: Precision, config: PretrainedConfig | None = None) -> Accelerator:
    """Returns the Accelerator for a precision: on the GPU if there is one, else on the CPU over gloo.

    A model that was trained with the GPU's fp16 or tf32 is used in fp32 on a CPU. There torch gets the number of threads
    that is fastest for the model, unless OMP_NUM_THREADS is set.

    Args:
        precision: resolved precision.
        config: config of the model; None for a model large enough for all cores.
    """
    # accelerate keeps one precision for the whole process; the runs of a sweep may have several.
    AcceleratorState._reset_state()
    cuda = torch.cuda.is_available()
    if cuda:
        torch.set_float32_matmul_precision("highest" if precision is Precision.fp32 else "high")
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads(config))
    mixed = precision is Precision.bf16 or (precision is Precision.fp16 and cuda)
    return Accelerator(mixed_precision=precision.value if mixed else "no", cpu=not cuda)


def threads(config: PretrainedConfig | None) -> int:
    """Returns the CPU threads for a model: one below a hidden size of MIN_HIDDEN_FOR_THREADS, else one per physical core,
    shared with the other ranks of this machine. The rule uses the shape and no clock, so a run repeats to the last bit."""
    if config is not None and hidden_size(config) < MIN_HIDDEN_FOR_THREADS:
        return 1
    return max(1, physical_cores() // launcher.local_world_size())


def name() -> str:
    """Returns the name of the device, as shown to the user."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    number = torch.get_num_threads()
    return f"CPU, {number} thread{'s' * (number > 1)}"
