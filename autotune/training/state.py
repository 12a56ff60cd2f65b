"""How far training has come, and how a trainer is put back to where a checkpoint was written."""

import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from autotune.training.gradients import is_distributed

SCHEDULE = ("last_epoch", "_step_count", "_last_lr")
"""What changes in a schedule; the rest comes from the configuration."""


@dataclass(frozen=True)
class StepResult:
    """One optimizer step."""

    step: int
    """Number of steps done, this one included."""
    epoch: float
    """Passes over the rows so far."""
    loss: float
    """Sum over count of the whole step, over all ranks; may be NaN or inf, like `grad_norm`."""
    learning_rate: float
    """Learning rate of the step."""
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
    """All of a run's position; order of rows, sections and random numbers are functions of it."""

    step: int = 0
    """Optimizer steps that have been done."""
    last_eval_step: int = 0
    """The one after which validation was last scored."""
    best: float | None = None
    best_step: int = 0
    evals_without_improvement: int = 0
    """Evaluations since the best, without those in warm-up or before the model has done more than guess."""
    learned: bool = False
    """Whether an evaluation has shown more than guessing."""
    section: int = 0
    section_began: int = 0
    """The step with which the section began."""
    seconds: float = 0.0
    """Of training, in all attempts."""


def optimizer_tensors(optimizer: Any) -> dict[str, Tensor]:
    """Copies of an optimizer's state on the CPU, by number of the parameter and name."""
    return {
        f"{number}.{name}": tensor.detach().to("cpu", copy=True).contiguous()
        for number, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }


def load_optimizer(optimizer: Any, tensors: dict[str, Tensor]) -> None:
    """Puts `optimizer_tensors` back into an optimizer of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def scheduler_state(schedule: LRScheduler, accelerator: Accelerator) -> dict[str, Any]:
    """What schedule and gradient scaler remember, as JSON."""
    scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else None
    return {"schedule": {name: getattr(schedule, name) for name in SCHEDULE}, "scaler": scaler}


def load_scheduler_state(
    schedule: LRScheduler, optimizer: Any, accelerator: Accelerator, numbers: dict[str, Any]
) -> None:
    """Puts `scheduler_state` back; the optimizer gets its learning rates."""
    for name, value in numbers["schedule"].items():
        setattr(schedule, name, value)
    for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
        group["lr"] = rate
    if accelerator.scaler is not None and numbers["scaler"] is not None:
        accelerator.scaler.load_state_dict(numbers["scaler"])


def environment_fingerprint(accelerator: Accelerator) -> dict[str, Any]:
    """What the last digits of a result depend on beside the configuration."""
    return {
        "torch": torch.__version__,
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
        "device": accelerator.device.type,
        "machine": platform.machine(),
    }


def broadcast_int(number: int) -> int:
    """The number that the first process has."""
    if not is_distributed():
        return number
    tensor = torch.tensor(number, device="cuda" if torch.cuda.is_available() else "cpu")
    torch.distributed.broadcast(tensor, src=0)
    return int(tensor)
