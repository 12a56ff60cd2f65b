"""What each of several processes does with a model that is divided among them."""

import sys
from pathlib import Path
from typing import Any

import torch

from autotune.config.enums import Sharding
from autotune.config.schema import PeftConfig
from autotune.evaluation.evaluator import Evaluator
from autotune.runtime import ranks as common
from autotune.runtime.ranks import Ranks, init_process_group
from autotune.tasks.base import LossSum
from autotune.training.sharding import layers
from autotune.training.trainer import Trainer
from tests.integration.ranks.worker import trainer_in
from tests.support.setting import prepare

CASES: dict[str, dict[str, Any]] = {
    # Rows of five lengths: the ranks have different numbers of micro-batches, and in the last steps one has none.
    "llama": {"architecture": "llama", "micro_batch_tokens": 60, "max_steps": 3},
    "t5": {"architecture": "t5", "micro_batch_tokens": 80, "max_steps": 3, "freeze": "1", "layer_decay": 0.5},
    "llama-lora": {"architecture": "llama", "peft": PeftConfig(r=4), "batch_size": 1, "max_steps": 2},
    "t5-lora": {
        "architecture": "t5",
        "peft": PeftConfig(r=4),
        "max_steps": 2,
        "gradient_checkpointing": True,
    },
}


SHORT = {"max_new_tokens": 8}
"""Models that have learned little do not know when to end."""

LONG = 25
"""Tokens of a row, with its summary."""


def divided(folder: Path, ranks: Ranks, name: str, **options: Any) -> Trainer:
    """A trainer of a case; with several processes, the model is divided among them."""
    sharding = Sharding.fsdp if ranks.size > 1 else Sharding.none
    return trainer_in(
        folder, ranks, "summarization", sharding=sharding, task_options=SHORT, **CASES[name] | options
    )


def learned(folder: Path, ranks: Ranks, name: str) -> dict[str, Any]:
    """What a case has learned: losses, norms, weights and the texts that it writes."""
    trainer = divided(folder, ranks, name)
    steps = list(trainer.steps())
    _, prepared = prepare(folder / "summarization", "summarization", task_options=SHORT, **CASES[name])
    evaluator = Evaluator(trainer.task, trainer.accelerator, budget=200)
    with trainer.whole_model() as model:
        rows = (prepared.features["train"], prepared.rows.splits["train"])
        metric = trainer.task.metric()
        predictions = list(evaluator.predict_and_score(metric, model, *rows))
        weights = {key: tensor.detach().clone() for key, tensor in model.named_parameters()}
    return {
        "losses": [step.loss for step in steps],
        "norms": [step.grad_norm for step in steps],
        "weights": weights,
        "texts": {one["id"]: one["prediction"] for one in predictions},
        "held": sum(getattr(one, "_local_tensor", one).numel() for one in trainer.bare_model.parameters()),
    }


def nonfinite(folder: Path, ranks: Ranks) -> list[tuple[bool, list[str]]]:
    """Whether each step was applied, and which rows had no finite loss: those with long documents have none."""
    trainer = divided(folder, ranks, "llama", max_steps=3)
    loss = trainer.task.loss

    def poisoned(model, batch):
        result = loss(model, batch)
        long = (batch.inputs["attention_mask"].sum(dim=1) > LONG).any()
        return LossSum(result.sum * torch.where(long, torch.nan, 1.0), result.count)

    trainer.task.loss = poisoned
    return [(step.applied, list(step.rows)) for step in trainer.steps()]


def memory(folder: Path, ranks: Ranks) -> None:
    """Memory runs out on one rank, while the other waits for its part of the next layer."""
    trainer = divided(folder, ranks, "llama")

    def refuse(*_):
        if ranks.rank == 1 and trainer.state.step == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    list(layers(trainer.bare_model))[1].register_forward_pre_hook(refuse)
    list(trainer.steps())


def main() -> None:
    """Arguments: the folder and what to do."""
    folder = Path(sys.argv[1])
    with init_process_group(timeout=5) as ranks:
        if sys.argv[2] == "memory":
            # The parts hold on to the connection, so the other process notices only when this one exits.
            common.PARTING_SECONDS = 1.0
            memory(folder, ranks)
            return
        for name in CASES:
            torch.save(learned(folder, ranks, name), folder / f"{name}-{ranks.rank}.pt")
        torch.save(nonfinite(folder, ranks), folder / f"nonfinite-{ranks.rank}.pt")
