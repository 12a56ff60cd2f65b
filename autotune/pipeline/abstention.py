"""Predictions that are left undecided: the risk-coverage curve is saved with the model, and `predict --max-error` uses it."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autotune.errors import ConfigError
from autotune.evaluation.abstention import (
    CONFIDENCE,
    Abstention,
    find_threshold,
    from_dict,
    risk_coverage,
    to_dict,
    upper_bound,
)
from autotune.evaluation.classified import as_arrays, has_several_labels
from autotune.models.record import FIX, RECORD
from autotune.run.folder import RunFolder
from autotune.run.saved import MODEL
from autotune.runtime.files import atomic_write, json_lines
from autotune.runtime.records import Record, read_record
from autotune.tasks.base import Prediction, Task

logger = logging.getLogger(__name__)

FACT = "risk_coverage"
"""Fact of a task that holds the curve."""
USUAL_ERROR = 0.05
"""Error whose coverage is logged after training."""


def save_risk_coverage(task: Task, folder: RunFolder, split: str = "validation") -> None:
    """Saves the curve of a split with the model of a run, and logs how many rows it decides.

    Args:
        task: the task; one whose predictions have no probability of one label has no curve.
        folder: the run, with the predictions of the split.
        split: rows that the model has not learned from.
    """
    if add_risk_coverage(task, folder.model, json_lines(folder.predictions(split))):
        folder.seal(f"{MODEL}/{RECORD}")


def add_risk_coverage(task: Task, model: Path, predictions: Iterable[Prediction]) -> bool:
    """Writes the curve of predictions into the autotune.json of a saved model; returns whether there is one.

    Args:
        task: the task.
        model: folder of the saved model.
        predictions: of rows with gold labels that the model has not learned from, such as those of folds.
    """
    if FACT not in task.Facts.model_fields or has_several_labels(task):
        return False
    classified = as_arrays(task, predictions)
    if classified is None:
        return False
    probabilities, predicted, gold = classified
    confidence = probabilities[np.arange(len(gold)), predicted]
    curve = risk_coverage(confidence, predicted == gold)
    record = read_record(model / RECORD, Record, fix=FIX, needed=True)
    assert record is not None
    record["facts"][FACT] = to_dict(curve, len(gold))
    with atomic_write(model / RECORD) as file:
        file.write((json.dumps(record, ensure_ascii=False, indent=2) + "\n").encode())
    if (usual := find_threshold(curve, len(gold), USUAL_ERROR)) is not None:
        logger.info("with --max-error %g, predict decides %.0f %% of rows like these, from a probability of %.4f on",
                    USUAL_ERROR, 100 * usual.coverage, usual.threshold)  # fmt: skip
    return True


def abstention_of(task: Task, error: float) -> Abstention:
    """Returns the threshold of a saved model from which at most a share of its predictions is wrong.

    Args:
        task: task of the saved model, with its facts.
        error: the share.

    Raises:
        ConfigError: the model has no curve, or no threshold keeps the error so small.
    """
    fact = task.facts.get(FACT)
    where = f"--max-error {error:g}"
    if fact is None:
        raise ConfigError(
            "the model does not know how often its predictions are wrong: it was saved without a risk-coverage curve",
            where=where,
            fix="train again with a validation split, one label per text; or leave out --max-error",
        )
    curve, rows = from_dict(fact)
    abstention = find_threshold(curve, rows, error)
    if abstention is None:
        least = min(upper_bound(point.wrong, point.decided) for point in curve)
        raise ConfigError(
            "no threshold keeps the error of this model so small",
            where=where,
            found=f"at least {least:.3f}, the upper {CONFIDENCE:.0%} bound on {rows} rows it has not learned from",
            fix=f"--max-error {np.ceil(least * 100) / 100:g}, or train with more rows of validation"
            if least < 1
            else "train with more rows of validation",
        )
    logger.info(
        "rows are decided from a probability of %.4f on: of %d rows it has not learned from %.0f %% were, %.1f %% of these wrong",
        abstention.threshold, rows, 100 * abstention.coverage, 100 * abstention.error,
    )  # fmt: skip
    return abstention


def leave_undecided(
    predictions: Iterable[Mapping[str, Any]], abstention: Abstention
) -> Iterator[dict[str, Any]]:
    """Yields predictions, with null as `prediction` and true as `undecided` where the probability is below the threshold."""
    rows = undecided = 0
    for row in predictions:
        is_undecided = row["probabilities"][row["prediction"]] < abstention.threshold
        rows, undecided = rows + 1, undecided + is_undecided
        yield {**row, "prediction": None if is_undecided else row["prediction"], "undecided": is_undecided}
    logger.info("%d of %d rows are undecided", undecided, rows)
