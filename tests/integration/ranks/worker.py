"""What each process of a launched group does."""

import itertools
import re
import sys
from pathlib import Path

import pytest
import torch

from autotune.errors import Interrupted
from autotune.runtime import launcher
from autotune.runtime.ranks import Ranks, init_process_group
from autotune.training.trainer import Trainer
from tests.support.setting import make_trainer, prepare, weights, without_dropout


def exit_codes(said: str) -> list[int]:
    """Of the processes that failed, from torchrun's report."""
    return [int(code) for code in re.findall(r"exitcode\s+: (-?\d+)", said)]


def trainer_in(folder: Path, ranks: Ranks, task_name: str, **options) -> Trainer:
    """The first process makes the tables, as in a run."""
    tables = folder / task_name
    tables.mkdir(parents=True, exist_ok=True)

    def make() -> object:
        return prepare(tables, task_name, **options)

    ranks.rank0_first(f"tables {next(occasions)}", make, make)
    return without_dropout(make_trainer(tables, task_name, **options))


occasions = itertools.count()


def equal(folder: Path, ranks: Ranks) -> None:
    """Two epochs of 13 rows in steps of 5, whose last has 3; with 1 row a step most ranks have nothing to do."""
    found = {}
    for task_name, options in CASES:
        trainer = trainer_in(folder, ranks, task_name, **options)
        losses = [step.loss for step in trainer.steps()]
        found[f"{task_name} {options}"] = {"weights": weights(trainer), "losses": losses}
    torch.save(found, folder / f"equal-{ranks.rank}-of-{ranks.size}.pt")


CASES = (
    ("ner", {"micro_batch_tokens": 4096, "freeze": "1", "task_options": {"o_weight": 0.3, "loss": "focal"}}),
    ("sentiment", {"micro_batch_tokens": 60, "task_options": {"max_length": 12}}),
    ("summarization", {"micro_batch_tokens": 4096, "batch_size": 1, "max_steps": 5}),
)


def memory(folder: Path, ranks: Ranks) -> None:
    """Memory is enough for one row on the last rank alone, in the first two steps."""
    trainer = trainer_in(folder, ranks, "ner", micro_batch_tokens=4096)
    done = 0

    def refuse(module, args, kwargs, output):
        if ranks.rank == ranks.size - 1 and done < 2 and len(kwargs["input_ids"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    trainer.bare_model.register_forward_hook(refuse, with_kwargs=True)
    budgets = []
    for step in trainer.steps():
        done = step.step
        budgets.append(step.micro_batch_tokens)
    torch.save(
        {"weights": weights(trainer), "budgets": budgets}, folder / f"memory-{ranks.rank}-of-{ranks.size}.pt"
    )


def stop(folder: Path, ranks: Ranks) -> None:
    """One rank alone asks for the end, after the second step."""
    trainer = trainer_in(folder, ranks, "ner", micro_batch_tokens=4096)
    last = ranks.rank == ranks.size - 1
    done = 0
    with pytest.raises(Interrupted, match="enough"):
        for step in trainer.steps(lambda: "enough" if last and trainer.state.step == 2 else None):
            done = step.step
    torch.save(done, folder / f"stop-{ranks.rank}-of-{ranks.size}.pt")


def main() -> None:
    """Arguments: the folder and the scenarios."""
    assert launcher.world_size() > 1
    with init_process_group(timeout=5) as group:
        for scenario in sys.argv[2:]:
            {"equal": equal, "memory": memory, "stop": stop}[scenario](Path(sys.argv[1]), group)
