"""One function a verb: wires the layers together; nothing clever."""

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch import nn

from autotune import registry
from autotune.config import Precision, RunConfig
from autotune.data.sources import Rows, load_file, load_rows, rows_from_texts
from autotune.errors import ConfigError, TrainingError, listing
from autotune.evaluation.evaluate import Evaluator
from autotune.evaluation.metrics import recipe
from autotune.files import replaced
from autotune.models import (
    count_parameters,
    finish,
    load_artefact,
    load_model,
    open_base,
    save_adapter,
    save_artefact,
)
from autotune.resolve import plain, typed
from autotune.runs import RunFolder
from autotune.tasks.base import Base, Prediction, Scores, Task
from autotune.training import device
from autotune.training.features import prepare_features, say_lengths
from autotune.training.progress import duration
from autotune.training.trainer import FitResult, Trainer

logger = logging.getLogger(__name__)

PROOF_ROWS = 32
"""So many rows are predicted again by a fresh process that reads the saved model."""

PROOF_TOLERANCE = 1e-4
"""By how much a probability may differ between the two processes: they may choose other kernels."""


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before weights are loaded."""

    rows: Rows
    base: Base
    task: Task
    features: dict[str, Dataset]
    precision: Precision

    def record(self) -> dict[str, Any]:
        """JSON of what the run learns from."""
        return {
            "fingerprint": self.rows.fingerprint,
            "source": self.rows.source,
            "rows": {split: len(data) for split, data in self.rows.splits.items()},
            "facts": self.task.facts,
            "notes": self.rows.notes,
        }


def prepare(config: RunConfig, cache: Path) -> Prepared:
    """Rows, tokenizer and features of a run; what is wrong with them is found here, in seconds.

    Raises:
        DataError, ModelError, ConfigError: see the layers.
    """
    kind = registry.task(config.task.name)
    rows = load_rows(config.dataset, kind.columns, seed=config.seed, cache=cache)
    for note in rows.notes:
        logger.warning("data: %s", note)
    facts = kind.learn(config.task, config.dataset, rows.splits)
    logger.info("data: %s", ", ".join(f"{split} {len(data)} rows" for split, data in rows.splits.items()))
    if "counts" in facts:
        logger.info(
            "labels in train: %s", listing(f"{name} {count}" for name, count in facts["counts"].items())
        )
    base = open_base(
        config.model,
        kind.heads,
        kind.name,
        kind.instead,
        kind.tiny,
        lambda: kind.texts(rows.splits["train"]),
        cache,
    )
    precision = device.resolve(config.trainer.precision, base.config.model_type)
    task = kind(config.task, base, facts)
    task.measure({split: data for split, data in rows.splits.items() if split != "test"})
    features = {
        split: prepare_features(task, data, cache, f"{rows.fingerprint}-{split}")
        for split, data in rows.splits.items()
    }
    for split, table in features.items():
        say_lengths(task, split, table)
    return Prepared(rows, base, task, features, precision)


def train(config: RunConfig, plugins: Sequence[str]) -> int:
    """Fine-tunes, evaluates, saves and proves; returns the exit code.

    Args:
        config: fully resolved.
        plugins: files that register tasks; the process that proves the saved model needs them too.
    """
    with RunFolder.open(config) as folder:
        if folder.finished:
            logger.info("%s is finished; nothing was trained", folder.path)
            logger.info("see it with: autotune evaluate %s; train it anew with: resume=never", folder.path)
            return 0
        logger.info("run folder: %s", folder.path)
        prepared = prepare(config, folder.cache)
        folder.write_json("data.json", prepared.record())
        trainer, evaluator = _trainer(config, prepared, folder)
        fitted = trainer.fit()
        model = _save(config, prepared, trainer, folder)
        scores = _score(prepared, evaluator, model, folder)
        split, figures = list(scores.items())[-1]
        rows = prepared.rows.splits
        baselines = {
            name: prepared.task.score(rows[split], predictions)
            for name, predictions in prepared.task.baselines(rows["train"], rows[split]).items()
        }
        metrics = {
            **{name: one.as_dict() for name, one in scores.items()},
            "baseline": {split: {name: one.values for name, one in baselines.items()}},
            "recipe": recipe(figures.values),
            "training": asdict(fitted),
        }
        folder.write_json("metrics.json", metrics)
        _prove(evaluator, model, rows[split], folder, plugins)
        folder.finish()
        _say_result(fitted, split, figures, baselines)
        _say_next(folder, config, prepared.task)
    return 0


def _trainer(config: RunConfig, prepared: Prepared, folder: RunFolder) -> tuple[Trainer, Evaluator]:
    """Loads the model and sets up its training."""
    task, base = prepared.task, prepared.base
    rows, features = prepared.rows.splits, prepared.features
    model = load_model(
        base,
        task.heads[base.family],
        task.labels(),
        config.peft,
        allow_pickle=config.model.allow_pickle,
        seed=config.seed,
    )
    _say_model(base, model, prepared.precision)
    accelerator = device.accelerator(prepared.precision)
    evaluator = Evaluator(task, accelerator, config.trainer.micro_batch_tokens or device.default_budget())

    def validate(model: nn.Module) -> Scores:
        return evaluator.score(model, features["validation"], rows["validation"])

    trainer = Trainer(
        task,
        model,
        features["train"],
        config=config.trainer,
        seed=config.seed,
        accelerator=accelerator,
        evaluate=validate if "validation" in rows else None,
        folder=folder,
    )
    return trainer, evaluator


def _save(config: RunConfig, prepared: Prepared, trainer: Trainer, folder: RunFolder) -> nn.Module:
    """Saves the adapter and the model; returns the model as it was saved, merged where that was asked for."""
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    if config.peft is not None and config.peft.merge:
        save_adapter(model, prepared.base, folder.adapter)
    model = finish(model, prepared.base, config.peft)
    record = {"config": plain(config), "facts": prepared.task.facts, "precision": prepared.precision}
    save_artefact(model, prepared.base, folder.model, record, generation=prepared.task.generation())
    return model.to(trainer.accelerator.device)


def _score(
    prepared: Prepared, evaluator: Evaluator, model: nn.Module, folder: RunFolder
) -> dict[str, Scores]:
    """Predicts and scores validation and test (train where there is neither); the last one is the result."""
    rows = prepared.rows.splits
    scores = {}
    for split in [split for split in rows if split != "train"] or ["train"]:
        predictions = evaluator.predict(model, prepared.features[split], rows[split])
        folder.write_predictions(split, predictions)
        scores[split] = prepared.task.score(rows[split], predictions)
    return scores


def evaluate(run: str, *, data: str | None, split: str, output: str | None) -> int:
    """Scores a finished run on one of its splits or on a file; returns the exit code.

    Args:
        run: run folder, or a folder with a saved model.
        data: file to score instead of the run's own data.
        split: of the run's own data.
        output: JSON file for the figures.
    """
    loaded = _load(run)
    if data is None:
        splits = load_rows(
            loaded.config.dataset, loaded.task.columns, seed=loaded.config.seed, cache=loaded.cache
        ).splits
        if split not in splits:
            raise ConfigError(f"the run has no split {split!r}", where="--split", found=listing(splits))
        rows = splits[split]
    else:
        rows = load_file(data, loaded.config.dataset, loaded.task.columns, cache=loaded.cache)
        _need_targets(loaded.task, rows, data)
    with tempfile.TemporaryDirectory() as cache:
        features = prepare_features(loaded.task, rows, Path(cache), "evaluate")
        scores = loaded.evaluator.score(loaded.model, features, rows)
    logger.info("%s, %d rows", data or split, len(rows))
    _say_scores(scores)
    if output is not None:
        _write(
            output,
            json.dumps({**scores.as_dict(), "recipe": recipe(scores.values)}, ensure_ascii=False, indent=2)
            + "\n",
        )
    return 0


def predict(run: str, *, file: str | None, texts: Sequence[str], output: str | None) -> int:
    """Predicts for a file or for texts; returns the exit code.

    Args:
        run: run folder, or a folder with a saved model.
        file: rows in any form that training takes; gold values are not needed.
        texts: instead of a file.
        output: JSONL file; None prints the lines.
    """
    if (file is None) == (not texts):
        raise ConfigError(
            "give a file or --text",
            where="autotune predict",
            fix="autotune predict RUN file.csv -o out.jsonl",
        )
    loaded = _load(run)
    columns = loaded.task.columns
    rows = (
        rows_from_texts(texts, columns)
        if file is None
        else load_file(file, loaded.config.dataset, columns, cache=loaded.cache)
    )
    with tempfile.TemporaryDirectory() as cache:
        features = prepare_features(loaded.task, rows, Path(cache), "predict")
        predictions = loaded.evaluator.predict(loaded.model, features, rows)
    lines = "".join(json.dumps(prediction, ensure_ascii=False) + "\n" for prediction in predictions)
    if output is None:
        sys.stdout.write(lines)
    else:
        _write(output, lines)
        logger.info("%d predictions in %s", len(predictions), output)
    return 0


@dataclass(frozen=True)
class _Loaded:
    """A saved model, ready to predict."""

    config: RunConfig
    task: Task
    model: nn.Module
    evaluator: Evaluator
    cache: Path


def _load(run: str) -> _Loaded:
    """Opens a run folder or a folder with a saved model.

    Raises:
        ModelError: there is no saved model.
    """
    base, model, saved = load_artefact(RunFolder.artefact(run))
    config = typed(saved["config"])
    task = registry.task(config.task.name)(config.task, base, saved["facts"])
    accelerator = device.accelerator(Precision(saved["precision"]))
    evaluator = Evaluator(task, accelerator, config.trainer.micro_batch_tokens or device.default_budget())
    return _Loaded(config, task, model.to(accelerator.device), evaluator, Path(config.runs) / ".cache")


def _need_targets(task: Task, rows: Dataset, source: str) -> None:
    missing = [
        column.role for column in task.columns if column.target and column.role not in rows.column_names
    ]
    if missing:
        raise ConfigError(
            f"without gold values there is nothing to score: no column {listing(missing)}",
            where=source,
            found=f"columns {listing(rows.column_names)}",
            fix="autotune predict RUN FILE, which needs none",
        )


def _prove(
    evaluator: Evaluator, model: nn.Module, rows: Dataset, folder: RunFolder, plugins: Sequence[str]
) -> None:
    """A fresh process reads the saved model and must give the same predictions as the one that trained it.

    Raises:
        TrainingError: it does not.
    """
    task = evaluator.task
    inputs = [column.role for column in task.columns if not column.target]
    some = rows.select(range(min(PROOF_ROWS, len(rows))))
    with tempfile.TemporaryDirectory() as scratch:
        given, answered = Path(scratch, "rows.jsonl"), Path(scratch, "predictions.jsonl")
        given.write_text(
            "".join(
                json.dumps({role: row[role] for role in ("id", *inputs)}, ensure_ascii=False) + "\n"
                for row in some
            ),
            encoding="utf-8",
        )
        expected = evaluator.predict(model, prepare_features(task, some, Path(scratch), "proof"), some)
        options = [word for plugin in plugins for word in ("--plugin", plugin)]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "autotune",
                *options,
                "predict",
                str(folder.path),
                str(given),
                "-o",
                str(answered),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise TrainingError(
                "a fresh process could not read the saved model back",
                where=str(folder.model),
                found=(done.stderr or done.stdout).strip(),
                fix="the trained weights are safe in the run folder; please report this with the log",
            )
        actual = [json.loads(line) for line in answered.read_text(encoding="utf-8").splitlines()]
    different = [
        index for index, pair in enumerate(zip(expected, actual, strict=True)) if not _same_prediction(*pair)
    ]
    if different:
        raise TrainingError(
            f"the saved model, read by a fresh process, predicts {len(different)} of {len(expected)} rows differently",
            where=str(folder.model),
            found=f"row {expected[different[0]]['id']}: {expected[different[0]]['prediction']!r} became "
            f"{actual[different[0]]['prediction']!r}",
            fix="the trained weights are safe in the run folder; please report this with the log",
        )
    logger.info(
        "proof: a fresh process read the saved model and gave the same predictions for %d rows", len(expected)
    )


def _same_prediction(one: Prediction, other: Prediction) -> bool:
    probabilities = [prediction.get("probabilities", {}) for prediction in (one, other)]
    return one["prediction"] == other["prediction"] and all(
        abs(value - probabilities[1][name]) <= PROOF_TOLERANCE for name, value in probabilities[0].items()
    )


def _write(path: str, text: str) -> None:
    with replaced(Path(path)) as file:
        file.write(text.encode("utf-8"))


def _say_model(base: Base, model: nn.Module, precision: Precision) -> None:
    trainable, total = count_parameters(model)
    logger.info(
        "model: %s (%s), %.2f M parameters, %.2f M of them trained, %s on %s",
        base.name, base.family, total / 1e6, trainable / 1e6, precision, device.name(),
    )  # fmt: skip


def _say_scores(scores: Scores) -> None:
    for name, value in scores.values.items():
        logger.info(
            "  %-24s %.4f%s", name, value, "  <- chooses the best checkpoint" if name == scores.main else ""
        )
    for name, figures in scores.per_class.items():
        logger.info("    %-22s f1 %.4f  precision %.4f  recall %.4f  support %d", name, figures["f1"],
                    figures["precision"], figures["recall"], figures["support"])  # fmt: skip


def _say_result(fitted: FitResult, split: str, scores: Scores, baselines: Mapping[str, Scores]) -> None:
    logger.info("")
    logger.info("result on %s (%d updates, %s of training)", split, fitted.updates, duration(fitted.seconds))
    if split == "validation":
        logger.info(
            "  there is no test split: validation chose the checkpoint, so these figures flatter the model"
        )
    if split == "train":
        logger.info(
            "  there is neither validation nor test: these figures only say how well train was learned"
        )
    _say_scores(scores)
    logger.info("beside methods that need no neural network (%s):", scores.main)
    for name, figures in baselines.items():
        logger.info("  %-34s %.4f", name, figures.best)
        if figures.best >= scores.best:
            logger.warning("  the model is not better than this baseline: %s %.4f against %.4f. A base model that knows "
                           "the language, more epochs or another learning rate may help.", scores.main, scores.best,
                           figures.best)  # fmt: skip


def _say_next(folder: RunFolder, config: RunConfig, task: Task) -> None:
    logger.info("")
    logger.info("everything is in %s: the model in model/, figures in metrics.json,", folder.path)
    logger.info("predictions_*.jsonl, history.jsonl and the resolved config.yaml")
    logger.info("next:")
    logger.info('  autotune predict %s --text "..."', folder.path)
    logger.info("  autotune evaluate %s --data FILE", folder.path)
    if config.model.tiny is not None:
        logger.info("  this was a tiny model that knows no Portuguese, for trying things out; a real one:")
        logger.info("  autotune task=%s %s", task.name, task.suggested)
