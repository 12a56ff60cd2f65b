"""The state of a training run: saved in a checkpoint and loaded back."""

import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from autotune.models.parts import divided_like, whole
from autotune.training.gradients import is_distributed

SCHEDULE = ("last_epoch", "_step_count", "_last_lr")
"""Attributes of a schedule that change; the others follow from the configuration."""


@dataclass(frozen=True)
class StepResult:
    """One optimizer step."""

    step: int
    """Number of steps done, including this one."""
    epoch: float
    """Passes over the rows so far."""
    loss: float
    """Sum over count of the whole step, over all ranks; may be NaN or inf, like `grad_norm`."""
    learning_rate: float
    """`trainer.learning_rate` as the schedule has it; the rates of layers and head are in proportion to it."""
    grad_norm: float
    """Norm of the gradient before clipping."""
    micro_batch_tokens: int
    """Budget of padded tokens per micro-batch."""
    seconds: float
    applied: bool = True
    """False if the step was skipped because loss or gradient was not finite."""
    rows: Sequence[str] = ()
    """Ids of the rows whose own loss is not finite."""

    def record(self) -> dict[str, Any]:
        """Returns the line of history.jsonl. JSON has no NaN, so it becomes null; `applied` and `rows` only where skipped."""
        values = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }
        if self.applied:
            del values["applied"], values["rows"]
        return values


@dataclass
class TrainerState:
    """Position of a run; the order of rows, the sections and the random numbers are functions of it."""

    step: int = 0
    """Number of optimizer steps done."""
    last_eval_step: int = 0
    """Step after which validation was last scored."""
    last_score: float | None = None
    """Score of that evaluation."""
    best: float | None = None
    """Best score on validation so far."""
    best_step: int = 0
    """Step with the best score."""
    evals_without_improvement: int = 0
    """Evaluations since the best one, except those in warm-up or before the model has done more than guess."""
    learned: bool = False
    """Whether an evaluation has shown more than guessing."""
    section: int = 0
    """Number of the section of a stream that is being trained on."""
    section_began: int = 0
    """Step with which the section began."""
    seconds: float = 0.0
    """Training time over all attempts."""


def optimizer_tensors(optimizer: Any, *, keep: bool = True) -> dict[str, Tensor]:
    """Returns copies of an optimizer's state on the CPU, by parameter number and name.

    Args:
        optimizer: if its parameters are divided among the ranks, all of them must call this.
        keep: whether this rank gets the copies; otherwise it only gives its part.
    """
    tensors = {}
    for number, state in optimizer.state_dict()["state"].items():
        for name, part in state.items():
            tensor = whole(part.detach())
            if keep:
                tensors[f"{number}.{name}"] = tensor.to("cpu", copy=True).contiguous()
    return tensors


def load_optimizer(optimizer: Any, tensors: dict[str, Tensor]) -> None:
    """Loads `optimizer_tensors` into an optimizer of the same parameters."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        # The moments are divided like their parameter; the count of steps is a scalar.
        moment = name != "step"
        state.setdefault(int(number), {})[name] = (
            divided_like(tensor, parameters[int(number)]) if moment else tensor
        )
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def scheduler_state(schedule: LRScheduler, accelerator: Accelerator) -> dict[str, Any]:
    """Returns the state of the schedule and the gradient scaler, ready for JSON."""
    scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else None
    return {"schedule": {name: getattr(schedule, name) for name in SCHEDULE}, "scaler": scaler}


def load_scheduler_state(
    schedule: LRScheduler, optimizer: Any, accelerator: Accelerator, numbers: dict[str, Any]
) -> None:
    """Loads `scheduler_state`, and sets the learning rates of the optimizer."""
    for name, value in numbers["schedule"].items():
        setattr(schedule, name, value)
    # The optimizer takes its rates from its own groups, which still have those of the first step.
    for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
        group["lr"] = rate
    if accelerator.scaler is not None and numbers["scaler"] is not None:
        accelerator.scaler.load_state_dict(numbers["scaler"])


def environment_fingerprint(accelerator: Accelerator) -> dict[str, Any]:
    """Returns what the last digits of a result depend on besides the configuration."""
    return {
        "torch": torch.__version__,
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
        "device": accelerator.device.type,
        "machine": platform.machine(),
    }


def broadcast_int(number: int) -> int:
    """Returns the number that rank 0 has."""
    if not is_distributed():
        return number
    tensor = torch.tensor(number, device="cuda" if torch.cuda.is_available() else "cpu")
    torch.distributed.broadcast(tensor, src=0)
    return int(tensor)
