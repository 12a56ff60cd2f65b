"""Time of an optimizer step over several processes: autotune's exchange of gradients beside DistributedDataParallel.

`python -P -m benchmarks.exchange --processes 2` (PYTHONPATH=scripts): both do the same steps on the same micro-batches,
in turns in the same processes, over gloo or, where there are GPUs, NCCL. Times are medians [least-most] of rounds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from autotune.config.enums import Precision, Schedule
from autotune.runtime.ranks import init_process_group
from autotune.training import device
from autotune.training.optimizer import optimizer
from autotune.training.trainer import Trainer
from benchmarks.cells import Cell
from benchmarks.rows import MADE_UP
from benchmarks.setting import SEED, Opened, fresh_model, open_cell

CELL = Cell("ner", "full", "bert-base")
OURS, LATE, PEER = "autotune", "autotune, sent after the backward pass", "DistributedDataParallel"
AGREE = 1e-4
"""Losses may differ by this much: the order of sums differs."""


class Peer:
    """The same steps with DistributedDataParallel.

    Args:
        trainer: whose micro-batches, loss and settings are taken.
        model: with the trainer's first weights.
    """

    def __init__(self, trainer: Trainer, model: nn.Module) -> None:
        self.trainer, self.model = trainer, model.to(trainer.accelerator.device).train()
        self.wrapped = DistributedDataParallel(self.model, gradient_as_bucket_view=True)
        self.optimizer = optimizer(self.model, trainer.config)
        self.number = 0

    def step(self) -> float:
        """Does the next step; returns this rank's loss, summed."""
        trainer = self.trainer
        micro_batches, ranks = trainer.micro_batches(self.number), trainer.accelerator.num_processes
        self.number += 1
        count = torch.zeros((), device=trainer.accelerator.device)
        loss = torch.zeros((), device=trainer.accelerator.device)
        for at, features in enumerate(micro_batches, 1):
            self.wrapped.require_backward_grad_sync = at == len(micro_batches)
            batch = trainer.loader.batch(trainer.features, features)
            with trainer.accelerator.autocast():
                loss_sum = trainer.task.loss(self.wrapped, batch).sum
            loss_sum.backward()
            loss += loss_sum.detach()
            count += batch.num_targets
        distributed.all_reduce(count)
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        torch._foreach_mul_(gradients, ranks / float(count))  # it has averaged sums over the ranks
        nn.utils.clip_grad_norm_(self.model.parameters(), trainer.config.max_grad_norm or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad()
        distributed.all_reduce(loss)
        return float(loss) / float(count)


def measure(opened: Opened, rounds: int, layers: int) -> dict[str, Any]:
    """Does the steps in turns; wall and CPU seconds of this rank's steps, and losses, by competitor."""

    def model() -> nn.Module:
        made: Any = fresh_model(opened, CELL, dropout=False)
        made.bert.encoder.layer = made.bert.encoder.layer[:layers]
        return made

    settings = opened.config.trainer
    steps: dict[str, Callable[[], float]] = {}
    trainers = []
    for name in (OURS, LATE):
        trainer = Trainer(
            opened.prepared.task, model(), opened.prepared.features["train"], settings, SEED,
            device.accelerator(settings.precision, opened.prepared.base.config),
        )  # fmt: skip
        done = trainer.steps()
        steps[name] = lambda done=done: next(done).loss
        trainers.append(trainer)
    trainers[1].exchange.begin = lambda: None
    steps[PEER] = Peer(trainers[0], model()).step
    found: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": [], "loss": []} for name in steps}
    for number in range(rounds + 1):
        order = list(steps) if number % 2 else list(steps)[::-1]
        for name in order:
            distributed.barrier()
            wall, cpu = time.perf_counter(), time.process_time()
            loss = steps[name]()
            own = time.process_time() - cpu
            distributed.barrier()
            found[name]["loss"].append(loss)
            if number:  # the first step allocates
                found[name]["wall"].append(time.perf_counter() - wall)
                found[name]["cpu"].append(own)
    return found


def summary(found: dict[str, dict[str, list[float]]], processes: int) -> dict[str, Any]:
    """Medians and spreads; ratios to the peer are taken within rounds."""

    def spread(values: list[float]) -> list[float]:
        return [round(value, 3) for value in (median(values), min(values), max(values))]

    peer = found[PEER]
    losses = [
        max(abs(one - other) for one, other in zip(run["loss"], peer["loss"], strict=True))
        for run in found.values()
    ]
    return {
        "processes": processes,
        "device": device.name(),
        "losses apart": max(losses),
        **{
            name: {
                clock: {
                    "seconds": spread(run[clock]),
                    "ratio": spread([one / other for one, other in zip(run[clock], peer[clock], strict=True)]),
                }
                for clock in ("wall", "cpu")
            }
            for name, run in found.items()
        },
    }  # fmt: skip


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for, on the command line or by these words."""
    parser = argparse.ArgumentParser(prog="python -P -m benchmarks.exchange", description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--rounds", type=int, default=12, help="steps of each (12), after one that is not counted"
    )
    parser.add_argument("--batch-size", type=int, default=16, help="rows of a step, over all processes (16)")
    parser.add_argument("--layers", type=int, default=12, help="of BERT-base's twelve")
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes, to rehearse")
    return parser.parse_args(words)


def main() -> None:
    """Starts the processes, each of which comes back here; the first prints JSON."""
    asked = arguments()
    if "RANK" not in os.environ:
        with tempfile.TemporaryDirectory(prefix="autotune-exchange-") as folder:
            launch = [
                "-P",
                "-m",
                "torch.distributed.run",
                "--standalone",
                f"--nproc-per-node={asked.processes}",
            ]
            own = [sys.executable, *launch, "-m", "benchmarks.exchange", *sys.argv[1:]]
            environment = {"OMP_NUM_THREADS": "1", **os.environ, "EXCHANGE_FOLDER": folder}
            sys.exit(subprocess.run(own, check=False, env=environment).returncode)
    result = rank(asked, Path(os.environ["EXCHANGE_FOLDER"]))
    if result is not None:
        sys.stdout.write(json.dumps(result, indent=1) + "\n")


def rank(asked: argparse.Namespace, folder: Path) -> dict[str, Any] | None:
    """Does the part of one process; the first one returns the figures.

    Args:
        asked: see `arguments`.
        folder: for the model and the tables, the same for all processes.
    """
    if asked.tiny:
        MADE_UP.update(ner=(64, 8))
    with init_process_group(timeout=10) as ranks:

        def opened() -> Opened:
            return open_cell(
                CELL.task, CELL.shape, folder, None, steps=asked.rounds + 1, batch_size=asked.batch_size,
                held_out=1, tiny=asked.tiny,
            )  # fmt: skip

        cell = ranks.rank0_first("cell", opened, opened)
        settings = cell.config.trainer
        settings.precision = Precision.bf16 if torch.cuda.is_available() else Precision.fp32
        settings.schedule, settings.warmup_ratio = Schedule.constant, 0.0
        result = summary(measure(cell, asked.rounds, asked.layers), ranks.size)
        if result["losses apart"] > AGREE:
            sys.exit(f"losses are {result['losses apart']:.2g} apart")
        return None if ranks.rank else result


if __name__ == "__main__":
    main()
