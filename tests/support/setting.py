"""A trainer of a tiny model on rows of very different lengths."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from autotune.config.enums import Architecture, CheckLevel, Guard, Precision
from autotune.config.schema import (
    CheckConfig,
    DatasetConfig,
    ModelConfig,
    RunConfig,
    SplitsConfig,
)
from autotune.config.trainer import TrainerConfig
from autotune.models.layers import freeze
from autotune.models.weights import load_model
from autotune.pipeline.prepare import Prepared, run_preflight
from autotune.registry import task
from autotune.training import device
from autotune.training.fit import Fit
from autotune.training.trainer import Trainer

WORDS = ["não", "são", "ótimo", "ruim", "céu", "água", "pão", "então", "café", "avó", "maçã", "três"]

MATTERS = ("batching", "gradient_checkpointing", "compile", "freeze", "layer_decay")
"""Options of training that `run_preflight` looks at."""

_examined: dict[str, Prepared] = {}
"""What was made of the rows, by what it depends on: every test has the same, and none changes it."""

_loaded: dict[tuple[int, str], Any] = {}
"""Models as loaded, by the prepared run (kept in `_examined`) and the adapter; a test trains a copy."""


def rows(task_name: str) -> list[dict]:
    """Rows of very different lengths, so that cuts of a step have different counts."""
    made = []
    for number in range(13):
        words = [WORDS[(number * 5 + k) % len(WORDS)] for k in range(2 + 7 * (number % 5))]
        if task_name == "sentiment":
            made.append({"text": " ".join(words), "label": "bom" if number % 3 else "mau"})
        elif task_name == "ner":
            made.append(
                {"tokens": words, "tags": ["B-COISA" if word in ("pão", "café") else "O" for word in words]}
            )
        else:
            made.append({"document": " ".join(words), "summary": " ".join(words[:3])})
    return made


def configure(
    tmp_path, task_name, *, task_options=None, architecture=None, peft=None, **options
) -> RunConfig:
    """A configuration of a tiny model and of rows, which are written into a folder where they are not there yet."""
    file = tmp_path / "rows.jsonl"
    if not file.exists():  # other processes read it
        file.write_text(
            "\n".join(json.dumps(row, ensure_ascii=False) for row in rows(task_name)), encoding="utf-8"
        )
    kind = task(task_name)
    # A larger epsilon keeps Adam from blowing up rounding where a gradient is nearly zero.
    settings = {
        "adam_epsilon": 1e-5,
        "epochs": 2,
        "batch_size": 5,
        "learning_rate": 1e-3,
        "precision": Precision.fp32,
    } | options
    return RunConfig(
        task=TypeAdapter(kind.Config).validate_python(task_options or {}),
        dataset=DatasetConfig(
            path=str(file),
            splits=SplitsConfig(train=str(file), validation=None, test=None),
            validation_fraction=0.0,
        ),
        model=ModelConfig(tiny=Architecture(architecture or kind.examples.tiny)),
        peft=peft,
        trainer=TrainerConfig(**settings),
        check=CheckConfig(level=CheckLevel.none),
        runs=str(tmp_path),
    )


def prepare(tmp_path, task_name, **options) -> tuple[RunConfig, Prepared]:
    """Rows, features and a tiny model's files, made once in a process."""
    config = configure(tmp_path, task_name, **options)
    matters = [getattr(config.trainer, name) for name in MATTERS]
    key = repr((task_name, config.task, config.model.tiny, config.peft, matters))
    if key not in _examined:
        _examined[key] = run_preflight(config, Path(os.environ["HF_HOME"], "trainers")).result()
    return config, _examined[key]


def make_trainer(tmp_path, task_name, *, model=None, **options) -> Trainer:
    """A trainer whose rows and tables are in a folder; of a model of its own where none is given.

    Rows, features and files are those of a run without adapters and options of training, on which they do not
    depend; what a model cannot do is refused by the trainer, too.
    """
    config = configure(tmp_path, task_name, **options)
    plain = {name: options[name] for name in ("task_options", "architecture") if name in options}
    _, prepared = prepare(tmp_path, task_name, **plain)
    if model is None:
        key = id(prepared), repr(config.peft)
        if key not in _loaded:
            head = task(task_name).heads[prepared.base.family]
            labels = prepared.task.labels()
            _loaded[key] = load_model(prepared.base, head, labels, config.peft, allow_pickle=False, seed=1)
        model = copy.deepcopy(_loaded[key])
        freeze(model, config.trainer.freeze)
    return Trainer(
        copy.copy(prepared.task),
        model,
        prepared.features["train"],
        config.trainer,
        3,
        device.accelerator(config.trainer.precision),
    )


def make_fit(
    tmp_path, task_name, folder, evaluate=None, *, guard=Guard.warn, checkpoint=None, **options
) -> Fit:
    """A run of such a trainer in a run folder."""
    trainer = make_trainer(tmp_path, task_name, **options)
    return Fit(trainer, folder, evaluate=evaluate, guard=guard, checkpoint=checkpoint)


def without_dropout(trainer: Trainer) -> Trainer:
    for module in trainer.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "attention_dropout", "dropout_prob"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return trainer


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trainer.bare_model.parameters()])
