"""One run of a model without a neural network, from its configuration to the Hub."""

import json
import logging
import shutil
import time
from collections.abc import Sequence

from datasets import Dataset

from autotune.checks.show import log_report
from autotune.config.enums import BaselineMethod, ClassWeights, Keep
from autotune.config.load import to_dict
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact
from autotune.data.splits import scored_splits
from autotune.evaluation.predictor import CheapPredictor
from autotune.models.record import RECORD
from autotune.pipeline.calibration import calibrate_cheap
from autotune.pipeline.finish import Trained, finish_run, publish_again
from autotune.pipeline.prepare import PreparedRows, run_preflight
from autotune.run.folder import RunFolder
from autotune.runtime import launcher, signals
from autotune.runtime.files import replace_folder
from autotune.runtime.memory import peak_memory_gb
from autotune.tasks.base import Scores, Task
from autotune.tasks.cheap import CheapModel, Settings
from autotune.training.tracking import Tracking

logger = logging.getLogger(__name__)


def train_baseline(config: RunConfig, plugins: Sequence[str]) -> int:
    """Fits, evaluates, saves, verifies and publishes; returns the exit code.

    It computes in one process: of several that a launcher has started, the first one does everything.

    Args:
        config: fully resolved.
        plugins: files that register tasks; the process that verifies the saved model needs them too.
    """
    if launcher.rank():
        return 0
    with (
        signals.handle_signals(),
        RunFolder.open(config) as folder,
        Tracking(config, folder.path, 0) as tracking,
    ):
        if folder.finished:
            publish_again(config, folder)
            return 0
        logger.info("run folder: %s", folder.path)
        prepared = _prepare(config, folder)
        signals.raise_if_stopped()
        tracking.start()
        predictor, trained = _fit(config, prepared)
        rows = prepared.rows.splits
        calibrate_cheap(predictor, rows["validation" if "validation" in rows else "train"])
        _save(config, predictor, folder)
        scores = _predict_and_score_splits(prepared, predictor, folder)
        finish_run(config, prepared, predictor, scores, trained, folder, requested=config, plugins=plugins)
    return 0


def _prepare(config: RunConfig, folder: RunFolder) -> PreparedRows:
    """Returns rows and task, checked."""
    state = run_preflight(config, folder.cache)
    log_report(state.report)
    prepared = state.rows_result()
    folder.write_json("data.json", prepared.record() | {"check": state.report.as_dict()})
    folder.note_commits(config, {"dataset": prepared.rows.source.get("commit")})
    return prepared


def _fit(config: RunConfig, prepared: PreparedRows) -> tuple[CheapPredictor, Trained]:
    """Learns from all rows of train; validation may choose settings unless it is itself the result."""
    rows, task = prepared.rows.splits, prepared.task
    validation = rows.get("validation") if "test" in rows else None
    began = time.perf_counter()
    model = fit_model(config, task, rows["train"], validation)
    seconds = time.perf_counter() - began
    # Its outputs are in the unit of the data, as those of a network once it is saved.
    task.facts |= {"folded": True} if "folded" in task.Facts.model_fields else {}
    memory = peak_memory_gb()
    logger.info("model=%s learned from %d rows; the process has taken %.1f GB of memory at most",
                config.model.baseline, len(rows["train"]), memory)  # fmt: skip
    figures = {
        "steps": 0,
        "seconds": seconds,
        "best_step": 0,
        "stopped_early": False,
        "kept": Keep.last,
        "memory_gb": round(memory, 3),
    }
    return CheapPredictor(task, model), Trained(seconds, Keep.last, {"training": figures})


def fit_model(config: RunConfig, task: Task, train: Dataset, validation: Dataset | None) -> CheapModel:
    """Returns the model of a configuration, which has learned from rows.

    Args:
        config: names the method.
        task: knows the labels.
        train: rows with gold values.
        validation: rows that may choose settings.
    """
    balanced = getattr(config.task, "class_weights", ClassWeights.none) is ClassWeights.balanced
    settings = Settings(config.model.C, config.model.max_epochs, balanced, task.labels())
    return task.cheap[BaselineMethod(str(config.model.baseline))].fit(train, validation, settings)


def _save(config: RunConfig, predictor: CheapPredictor, folder: RunFolder) -> None:
    """Writes `model/`, whole or not at all."""
    partial = folder.model.with_name(f".{folder.model.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    predictor.model.save(partial)
    record = {
        "baseline": config.model.baseline,
        "config": to_dict(config),
        "facts": predictor.task.facts,
    }
    # Paths and names may hold secrets, such as a token in a URL, and the folder may be published.
    text = redact(json.dumps(record, ensure_ascii=False, indent=2))
    (partial / RECORD).write_text(f"{text}\n", "utf-8")
    replace_folder(partial, folder.model)
    folder.seal()


def _predict_and_score_splits(
    prepared: PreparedRows, predictor: CheapPredictor, folder: RunFolder
) -> dict[str, Scores]:
    """Predicts and scores validation and test (train where there is neither); the last split is the result."""
    scores = {}
    for split in scored_splits(prepared.rows.splits):
        metric = prepared.task.metric()
        predictions = predictor.predict_and_score(metric, prepared.rows.splits[split])
        folder.write_predictions(split, predictions)
        scores[split] = Scores.of(metric, prepared.task.objective)
    return scores
