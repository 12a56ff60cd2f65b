"""One cell, opened as autotune opens a run: the same features, weights and steps for every competitor."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from pydantic import TypeAdapter
from torch import nn

from autotune.config.enums import CheckLevel, Precision
from autotune.config.schema import CheckConfig, ModelConfig, PeftConfig, RunConfig
from autotune.config.trainer import TrainerConfig
from autotune.models.weights import load_model
from autotune.pipeline.prepare import Prepared, run_preflight
from autotune.registry import task as find
from benchmarks import rows
from benchmarks.cells import BATCH_SIZE, LEARNING_RATE, MAX_LENGTH, Cell
from benchmarks.shapes import build

SEED = 3


@dataclass
class Opened:
    """Rows, features and configuration of a cell."""

    config: RunConfig
    prepared: Prepared
    held_out: tuple[Dataset, Dataset]
    """Features and rows on which the trained models are scored: the first of the test split."""


def open_cell(
    task: str,
    shape: str,
    folder: Path,
    data: Path | None,
    *,
    method: str = "full",
    steps: int = 1,
    held_out: int = 64,
    batch_size: int = BATCH_SIZE,
    tiny: bool = False,
) -> Opened:
    """Tokenises; no weights are read.

    Args:
        task: name of the task.
        shape: of the model.
        folder: for model folders and tables, shared by the processes of a benchmark.
        data: real data sets, or None.
        method: full or lora.
        steps: optimizer steps that will be done.
        held_out: rows to score.
        batch_size: rows per optimizer step.
        tiny: the shape's architecture at the smallest sizes.
    """
    kind = find(task)
    options: dict[str, Any] = {"max_length": MAX_LENGTH}
    if task != "ner":
        options["on_overflow"] = "truncate"  # as the peers do, so that a row is one feature
    config = RunConfig(
        task=TypeAdapter(kind.Config).validate_python(options),
        dataset=rows.dataset(task, folder, data),
        model=ModelConfig(name_or_path=str(build(shape, folder, data, tiny=tiny)), max_length=None),
        peft=PeftConfig() if method == "lora" else None,
        trainer=TrainerConfig(
            epochs=1.0,
            max_steps=steps,
            batch_size=batch_size,
            learning_rate=LEARNING_RATE[method],
            weight_decay=0.0,
            precision=Precision.fp32,
        ),
        check=CheckConfig(level=CheckLevel.none),
        name="benchmark",
        runs=str(folder / "runs"),
    )
    prepared = run_preflight(config, folder / "cache").result()
    # An epoch may be shorter than what was asked for: the minutes have four steps.
    config.trainer.epochs = max(1.0, steps * batch_size / len(prepared.features["train"]) + 1)
    count = min(held_out, len(prepared.rows.splits["test"]))
    scored = prepared.rows.splits["test"].select(range(count))
    features = Dataset.from_list(list(prepared.task.prepare(iter(scored))))
    return Opened(config, prepared, (features, scored))


def fresh_model(opened: Opened, cell: Cell, *, dropout: bool) -> nn.Module:
    """The model with the same weights every time."""
    prepared = opened.prepared
    model = load_model(
        prepared.base,
        prepared.task.heads[prepared.base.family],
        prepared.task.labels(),
        opened.config.peft,
        allow_pickle=False,
        seed=1,
    )
    if not dropout:
        switch_dropout_off(model)
    return model


def switch_dropout_off(model: nn.Module) -> None:
    """In its modules, and in the attention that keeps its share as a number."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "attention_dropout", "dropout_prob", "dropout_rate"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def trainable_count(model: nn.Module) -> int:
    """Parameters that learn."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def held_out_loss(opened: Opened, model: nn.Module) -> float:
    """Mean loss a target on the held-out rows."""
    features, _ = opened.held_out
    model.eval()
    total = count = 0.0
    with torch.inference_mode():
        for start in range(0, len(features), 8):
            batch = opened.prepared.task.collate(
                [features[at] for at in range(start, min(start + 8, len(features)))]
            )
            loss = opened.prepared.task.loss(model, batch)
            total, count = total + float(loss.sum), count + loss.count
    return total / max(count, 1e-9)
