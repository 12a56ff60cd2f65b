"""What follows once a run has predicted its splits, whatever its model: figures, card, proof, report and push."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.checks.machine import environment_info, installed_packages
from autotune.config.enums import Keep
from autotune.config.schema import RunConfig
from autotune.errors import shell_words
from autotune.evaluation.predictor import Predictor
from autotune.evaluation.robustness import ROBUSTNESS
from autotune.pipeline import gate
from autotune.pipeline.abstention import save_risk_coverage
from autotune.pipeline.calibration import calibration_figures, log_calibration
from autotune.pipeline.prepare import PreparedRows
from autotune.pipeline.result import final_metrics, final_result
from autotune.pipeline.robustness import measure
from autotune.pipeline.round_trip import verify_round_trip
from autotune.pipeline.summary import log_next_steps, log_result
from autotune.publishing.card.facts import read_facts
from autotune.publishing.card.render import write_card
from autotune.publishing.publish import publish
from autotune.reporting.page import try_report
from autotune.run.folder import RunFolder
from autotune.runtime import signals
from autotune.tasks.base import Scores

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """How training ended."""

    seconds: float
    kept: Keep
    """Whether validation chose the weights, or they are the last ones."""
    figures: Mapping[str, Any]
    """`training` and perhaps `precision` of metrics.json."""
    steps: int | None = None
    """Optimizer steps; None without a neural network."""


def finish_run(
    config: RunConfig,
    prepared: PreparedRows,
    predictor: Predictor,
    scores: Mapping[str, Scores],
    trained: Trained,
    folder: RunFolder,
    *,
    requested: RunConfig,
    plugins: Sequence[str],
) -> None:
    """Does for a run with a saved model and predictions all that is left to do.

    Args:
        config: with what the rows decided.
        prepared: rows and task.
        predictor: the model that was saved.
        scores: of each split that was scored, the one that counts last.
        trained: how training ended.
        folder: of the run.
        requested: the configuration as it was composed.
        plugins: files that register tasks.
    """
    if "validation" in scores:
        save_risk_coverage(prepared.task, folder)
    result = final_result(prepared, scores, folder, config)
    metrics = final_metrics(config, scores, result, trained.figures)
    metrics |= calibration_figures(prepared.task, {split: folder.predictions(split) for split in scores})
    signals.raise_if_stopped()
    rows = prepared.rows.splits[result.split]
    folder.write_json("metrics.json", metrics)
    folder.write_json("environment.json", environment_info() | {"packages": installed_packages()})
    if config.evaluation.robustness:
        measured = measure(predictor, result.split, rows, folder.predictions(result.split))
        folder.write_json(ROBUSTNESS, measured.as_dict())
    write_card(folder.model, read_facts(folder.path, config, folder.command))
    verify_round_trip(predictor, rows, folder, plugins)
    folder.finish()
    is_trial = config.dataset.limit is not None
    log_result(trained, result, trial=is_trial)
    log_calibration(metrics, result.split, is_cheap=config.model.baseline is not None)
    log_next_steps(folder, config, prepared.task)
    try_report(config, folder.path, rows)
    gate.require(config, folder)
    # With what was asked for, as a later push does; last, so that nothing the Hub does can cost the run.
    publish(folder, requested)


def publish_again(config: RunConfig, folder: RunFolder) -> None:
    """Trains nothing, for the run is finished; pushes it where that is still to be done."""
    logger.info("%s is finished; nothing was trained", folder.path)
    logger.info(
        "see it with: autotune evaluate %s; train it again with: resume=never", shell_words(folder.path)
    )
    gate.require(config, folder)
    publish(folder, config)
