"""Divides a model among the ranks: each holds a part of every parameter, gradient and moment (FSDP2 of torch).

torch's `fully_shard` is used itself, on GPUs and on CPUs: accelerate's plug-in for it is ignored on a CPU, so that what is
tested there would not be what runs on GPUs. accelerate still chooses the device and the precision.

Each forward and backward pass gathers the parameters of one layer at a time and divides the gradients again, so all ranks
do equally many of them. That does not fit predictions: ranks generate texts of different lengths. They are made by a plain
copy of the model, which holds weights only while they are made; then whole weights must fit into the memory of each
device, but neither gradients nor moments.
"""

import warnings
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from autotune.config.enums import Sharding
from autotune.config.trainer import TrainerConfig
from autotune.data.batches import BatchPlan, Indices
from autotune.errors import ConfigError, TrainingError
from autotune.models.parts import whole
from autotune.runtime.memory import is_out_of_memory


class ShardedModel:
    """A model that is divided among the ranks, and a plain copy of it that has weights only while they are needed.

    The weights of the model must be the same on all ranks; they are read from the same files, and new ones are drawn
    from the same seed.

    Args:
        model: on the CPU; changed in place, and moved to the device a layer at a time.
        accelerator: device, precision and processes.
    """

    def __init__(self, model: nn.Module, accelerator: Accelerator) -> None:
        self._copy = accelerator.prepare_model(_empty_copy(model, accelerator.device), evaluation_mode=True)
        # T5's blocks return a view, which no code changes in place.
        warnings.filterwarnings(
            "ignore", r"FSDP2-wrapped module \(FSDPT5Block\) returned a view", UserWarning
        )
        mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
        for layer in (*layers(model), model):
            sharded = cast(FSDPModule, fully_shard(layer, mesh=mesh))
            # Sums, as without sharding: the trainer divides by the number of targets.
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(enable=True)
        self._model = model

    def gather(self) -> nn.Module:
        """Returns the copy, with the current weights of all ranks; all ranks must call it.

        Raises:
            TrainingError: memory is not enough for whole weights.
        """
        pairs = zip(self._copy.named_parameters(), self._model.named_parameters(), strict=True)
        try:
            for (name, parameter), (divided_name, divided) in pairs:
                assert name == divided_name, "the copy has the same parameters in the same order"
                parameter.data = whole(divided.detach())
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingError(
                "out of memory for the whole weights on each device, which predictions need",
                where=f"trainer.sharding={Sharding.fsdp}",
                fix="a smaller model, or devices with more memory",
            ) from error
        return self._copy

    def release(self) -> None:
        """Frees the weights of the copy."""
        for parameter in self._copy.parameters():
            parameter.data = parameter.data.new_empty(0)


def layers(model: nn.Module) -> Iterable[nn.Module]:
    """Yields the modules whose parameters are gathered together: the entries of the outermost lists of modules."""
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from layers(child)


def filler_micro_batches(plan: BatchPlan, index: int, count: int, ranks: int) -> Sequence[Indices]:
    """Returns micro-batches that a rank does besides its own, so that all ranks do equally many.

    Args:
        plan: steps of the run.
        index: number of the step.
        count: micro-batches of this rank.
        ranks: number of ranks.
    """
    most = max(len(plan.micro_batches(index, rank=rank, ranks=ranks)) for rank in range(ranks))
    return [plan.step_features(index)[:1]] * (most - count)


def out_of_memory_error(tokens: int) -> TrainingError:
    """Returns the error for a rank that runs out of memory while the others wait for its part of the next layer.

    Args:
        tokens: budget of padded tokens per micro-batch.
    """
    return TrainingError(
        f"out of memory with micro-batches of {tokens} padded tokens, and a step cannot be repeated while the model is "
        "divided among processes",
        where=f"trainer.sharding={Sharding.fsdp}",
        fix=f"trainer.micro_batch_tokens={max(1, tokens // 2)}, trainer.gradient_checkpointing=true, or more processes",
    )


def refuse_single_process(config: TrainerConfig, processes: int) -> None:
    """Raises ConfigError if a model is to be divided among one process."""
    if config.sharding is Sharding.fsdp and processes == 1:
        raise ConfigError(
            "a model is divided among several processes, and there is one",
            where="trainer.sharding",
            found=str(config.sharding),
            fix="launcher.num_processes=2, or trainer.sharding=none",
        )


def _empty_copy(model: nn.Module, device: torch.device) -> nn.Module:
    """Returns a copy whose parameters have no elements yet; those that the model shares among modules stay shared."""
    # `deepcopy` takes its second argument as copies made so far.
    copies: dict[int, Any] = {
        id(parameter): nn.Parameter(parameter.new_empty(0, device=device), parameter.requires_grad)
        for parameter in model.parameters()
    }
    copies |= {id(buffer): buffer.detach().to(device, copy=True) for buffer in model.buffers()}
    return deepcopy(model, copies)
