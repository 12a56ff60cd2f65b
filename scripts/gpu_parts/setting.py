"""What every part works with."""

import os
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from benchmarks import rows
from benchmarks.cells import Cell
from benchmarks.setting import SEED, Opened, fresh_model, open_cell
from torch import Tensor

from autotune.config.enums import Precision
from autotune.training import device
from autotune.training.trainer import Trainer

ROWS = {"sentiment": (64, 8), "ner": (64, 8), "summarization": (48, 6)}
"""Made-up rows of train and test in a rehearsal."""


class Skipped(Exception):
    """This machine cannot run the part; the message says what it lacks."""


class Failed(Exception):
    """The part ran, and its result is wrong; the message says what was found."""


Figures = dict[str, Any]
Part = Callable[["Setting"], Figures]


@dataclass(frozen=True)
class Setting:
    """Where and how the parts run."""

    scratch: Path
    rehearse: bool

    def need_gpu(self, why: str) -> None:
        """Skips the part where there is no GPU.

        Args:
            why: what the part needs one for.
        """
        if not torch.cuda.is_available():
            raise Skipped(f"{why} needs a GPU")

    def open(self, cell: Cell, **options: Any) -> Opened:
        """The rows and features of a cell."""
        if self.rehearse:
            rows.MADE_UP.update(ROWS)
        return open_cell(
            cell.task, cell.shape, self.scratch, None if self.rehearse else rows.real_data(),
            method=cell.method, tiny=self.rehearse, **options,
        )  # fmt: skip

    def trainer(self, opened: Opened, cell: Cell, *, dropout: bool = False, **options: Any) -> Trainer:
        """A trainer with fresh weights.

        Args:
            opened: the cell.
            cell: its name.
            dropout: whether to keep it.
            options: keys of the section `trainer`.
        """
        settings = replace(opened.config.trainer, **options)
        return Trainer(
            opened.prepared.task,
            fresh_model(opened, cell, dropout=dropout),
            opened.prepared.features["train"],
            settings,
            SEED,
            device.accelerator(settings.precision, opened.prepared.base.config),
        )


def gradient(trainer: Trainer) -> Tensor:
    """The gradient with which a trainer does its next step, flat, float32 on the CPU."""
    taken: list[Tensor] = []

    def take(optimizer: Any, *_: Any) -> None:
        held = [parameter.grad for parameter in trainer.parameters if parameter.grad is not None]
        taken.append(torch.cat([tensor.detach().float().flatten().cpu() for tensor in held]))

    handle = trainer.optimizer.optimizer.register_step_pre_hook(take)
    next(iter(trainer.steps()))
    handle.remove()
    return taken[0]


def difference(one: Tensor, other: Tensor) -> float:
    """Norm of the difference of two gradients over the norm of the second."""
    return float((one - other).norm() / other.norm().clamp_min(1e-30))


def in_ranks(count: int, work: Callable[[], int]) -> None:
    """Does some work in several processes at once: forks, with the variables that torchrun would set.

    Args:
        count: number of processes.
        work: its exit code; called in each of them.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    sizes = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    ranks = []
    for rank in range(count):
        ranks.append(os.fork())
        if ranks[-1] == 0:
            os.environ |= {**address, **sizes, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            try:
                code = work()
            except BaseException:  # noqa: BLE001 - the fork must end here
                traceback.print_exc()
                code = 1
            os._exit(code)
    codes = [os.waitstatus_to_exitcode(os.waitpid(rank, 0)[1]) for rank in ranks]
    require(not any(codes), f"the processes ended with {codes}")


def require(ok: bool, message: str) -> None:
    """Fails the part with a message unless something holds."""
    if not ok:
        raise Failed(message)


def peak_gb(work: Callable[[], Any]) -> tuple[Any, float | None]:
    """The result of some work, and the most GPU memory that it took; None on a CPU."""
    if not torch.cuda.is_available():
        return work(), None
    torch.cuda.reset_peak_memory_stats()
    result = work()
    return result, torch.cuda.max_memory_allocated() / 1e9


def arithmetics() -> list[tuple[Precision, float]]:
    """Precisions, and the relative difference of gradients that each is allowed."""
    return [(Precision.fp32, 1e-5), (Precision.bf16, 1e-2)]
