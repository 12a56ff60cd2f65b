"""The work done by autotune's own trainer."""

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from autotune.data.batches import Indices
from autotune.training import device
from autotune.training.trainer import Trainer, batch_plan
from benchmarks.setting import SEED, Opened


@dataclass
class Run:
    """What a competitor did."""

    losses: list[float] = field(default_factory=list)
    """Of each step."""
    marks: list[dict[str, float]] = field(default_factory=list)
    """The clocks before the first step and after each."""

    def mark(self) -> None:
        """Reads the clocks: CPU seconds of all threads of this process, and wall seconds; a GPU's work is waited for."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.marks.append({"cpu": time.process_time(), "wall": time.perf_counter()})

    def seconds(self, clock: str) -> list[float]:
        """Of each step."""
        return [after[clock] - before[clock] for before, after in itertools.pairwise(self.marks)]


def steps(opened: Opened, count: int) -> list[Indices]:
    """Features of each step, in autotune's order."""
    prepared = opened.prepared
    plan = batch_plan(prepared.task, prepared.features["train"], opened.config.trainer, SEED, 1)
    return [plan.step_features(number) for number in range(count)]


def train(opened: Opened, model: nn.Module, count: int, run: Run, **options: Any) -> nn.Module:
    """Does some optimizer steps.

    Args:
        opened: the cell.
        model: with fresh weights; changed in place.
        count: of steps.
        run: takes losses and clocks.
        options: keys of the section `trainer` that differ from the cell's.
    """
    settings = replace(opened.config.trainer, max_steps=count, **options)
    trainer = Trainer(
        opened.prepared.task,
        model,
        opened.prepared.features["train"],
        settings,
        SEED,
        device.accelerator(settings.precision),
    )
    run.mark()
    for step in trainer.steps():
        run.mark()
        run.losses.append(step.loss)
    return trainer.bare_model
