"""A plug-in for a run of which a process stops itself: once it has stopped, rank 0 waits for it only briefly."""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
from torch.distributed import distributed_c10d, group

from autotune.runtime import ranks
from autotune.training.trainer import Trainer
from tests.support.forks import state_of

STEPS = 4
"""Optimizer steps before it stops itself."""

step = Trainer.optimizer_step


def impatient(trainer: Trainer) -> None:
    """Prints the timeout of the process group and shortens it, when the other process has stopped."""
    if trainer.state.step == STEPS and os.environ["RANK"] == "0":
        parent = os.getppid()
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        while not any(state_of(int(child)) == "T" for child in children):
            time.sleep(0.01)
        patience = group.WORLD._get_backend(torch.device("cpu")).options._timeout
        sys.stderr.write(f"patience: {patience.total_seconds():g} s\n")
        distributed_c10d._set_pg_timeout(timedelta(seconds=0.5))
        ranks.REASON_SECONDS = 0.5
    step(trainer)


Trainer.optimizer_step = impatient
