"""Temperature and threshold, fitted on validation once a classifier is trained, and figures of its probabilities."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from torch import nn

from autotune.errors import listing
from autotune.evaluation.classified import as_arrays, has_several_labels
from autotune.evaluation.evaluator import Evaluator
from autotune.evaluation.predictor import CheapPredictor
from autotune.metrics.calibration import (
    RECIPES,
    Floats,
    Ids,
    expected_calibration_error,
    fit_temperature,
    fit_threshold,
    quality,
    reliability,
    tempered,
)
from autotune.models.weights import divide_output_layer
from autotune.runtime.files import json_lines
from autotune.runtime.ranks import Ranks
from autotune.tasks.base import Prediction, Task

logger = logging.getLogger(__name__)

FEW_POSITIVES = 10
"""With fewer rows of validation that have a label, its threshold is mostly chance."""
DECISIONS = "each label of each row counts as a decision between yes and no"
"""What the rows of the figures are with several labels per row."""
FEW_ROWS = 100
"""With fewer rows of validation, what is fitted on them is mostly chance, and a warning says so."""
TRIED_ROWS = 8
"""Rows on which it is tried whether dividing the last layer divides the logits."""
TRIED_TEMPERATURE = 2.0
"""A power of two: dividing by it rounds nothing, in any precision."""
TOLERANCE = 1e-3
"""By how much a probability may differ in that."""


def calibrate(evaluator: Evaluator, model: nn.Module, features: Dataset, rows: Dataset, ranks: Ranks) -> None:
    """Fits what the task asks for on validation; changes the last layer of the model and the facts of the task.

    A known temperature needs no validation: whether it divides the logits is tried on a few rows of train then.

    Args:
        evaluator: of the final scores; rank 0 predicts validation alone.
        model: trained, on the accelerator's device; all ranks have the same.
        features: of validation, or of train where there is none.
        rows: of the same split.
        ranks: all of them get the same values.
    """
    task = evaluator.task
    if not any(task.calibration()):
        return

    def fitted() -> str:
        predictions = evaluator.stream(model, features, rows)
        return json.dumps(_fit(task, predictions, lambda: _divides_logits(evaluator, model, features, rows)))

    values = json.loads(ranks.share_text("calibration", fitted))
    if (temperature := values.get("temperature")) is not None:
        divide_output_layer(model, temperature)
    task.facts |= values


def calibrate_cheap(predictor: CheapPredictor, rows: Dataset) -> None:
    """Does the same for a model without a neural network.

    Args:
        predictor: the model, which is changed, and its task.
        rows: of validation, or of train where there is none.
    """
    task = predictor.task
    if not any(task.calibration()):
        return
    values = _fit(task, predictor.stream(rows), lambda: True)
    if (temperature := values.get("temperature")) is not None:
        predictor.model.divide(temperature)
    task.facts |= values


def _fit(task: Task, predictions: Iterable[Prediction], divides_logits: Callable[[], bool]) -> dict[str, Any]:
    """Returns the temperature and the thresholds that the task asks for, where they can be fitted or used.

    Args:
        task: says what is fitted.
        predictions: for validation, made as they are read: a known temperature alone needs none.
        divides_logits: returns whether the model can divide its logits.
    """
    values, asked = dict[str, Any](), task.calibration()
    known = asked.known_temperature
    if known is not None and not divides_logits():
        logger.warning(
            "task.temperature is not used: the last layer of this model does not compute its logits"
        )
    elif known is not None:
        values["temperature"] = known
    if not (asked.temperature or asked.threshold or asked.thresholds):
        return values
    classified = as_arrays(task, predictions)
    if classified is None:
        logger.warning("nothing was fitted on validation: this task does not predict probabilities of labels")
        return values
    probabilities, predicted, gold = classified
    count = len(gold) // (len(task.labels() or [""]) if has_several_labels(task) else 1)
    if count < FEW_ROWS:
        logger.warning(
            "temperature or threshold are fitted on %d rows of validation only, so mostly on chance", count
        )
    if "temperature" in values:
        probabilities = tempered(probabilities, values["temperature"])
    if asked.temperature:
        temperature = fit_temperature(probabilities, gold)
        if temperature is None:
            logger.warning(
                "no temperature was fitted: validation has no error, so the surest probabilities would be the best"
            )
        elif not divides_logits():
            logger.warning(
                "no temperature was fitted: the last layer of this model does not compute its logits"
            )
        else:
            values["temperature"] = temperature
            probabilities = tempered(probabilities, temperature)
            before, after = (
                expected_calibration_error(
                    reliability(shares[np.arange(len(gold)), predicted], predicted == gold)
                )
                for shares in (classified.probabilities, probabilities)
            )
            logger.info("temperature %.4f, fitted on %d rows of validation: ECE there %.4f, was %.4f",
                        temperature, count, after, before)  # fmt: skip
    if asked.threshold:
        values["threshold"] = fit_threshold(probabilities[:, 1], gold)
        logger.info("threshold %.4f, tuned on %d rows of validation", values["threshold"], count)
    if asked.thresholds:
        values["thresholds"] = _fit_thresholds(task.labels() or [], probabilities[:, 1], gold)
        logger.info("thresholds tuned on %d rows of validation: %s", count, _listed(values["thresholds"]))
    return values


def _fit_thresholds(names: Sequence[str], probabilities: Floats, gold: Ids) -> dict[str, float]:
    """Returns the threshold of each label with the best F1; 0.5 for a label that no row of validation has.

    Args:
        names: the labels.
        probabilities: of each label of each row: (rows · labels,).
        gold: whether the row has it: (rows · labels,).
    """
    shares, wanted = probabilities.reshape(-1, len(names)), gold.reshape(-1, len(names))
    few = [name for name, count in zip(names, wanted.sum(axis=0), strict=True) if count < FEW_POSITIVES]
    if few:
        logger.warning(
            "fewer than %d rows of validation have these labels, so their thresholds are mostly chance: %s",
            FEW_POSITIVES,
            listing(few),
        )
    return {
        name: fit_threshold(shares[:, number], wanted[:, number], both=False)
        for number, name in enumerate(names)
    }


def _listed(thresholds: Mapping[str, float]) -> str:
    return listing(f"{name} {value:.2f}" for name, value in thresholds.items())


def _divides_logits(evaluator: Evaluator, model: nn.Module, features: Dataset, rows: Dataset) -> bool:
    """Whether dividing the last layer divides the logits, so that a temperature can be written into it."""
    count = min(TRIED_ROWS, len(rows))
    some = features.select(range(int((features.data.table["row"].to_numpy() < count).sum())))
    tried = []
    for factor in (TRIED_TEMPERATURE, 1 / TRIED_TEMPERATURE):
        tried.append(as_arrays(evaluator.task, evaluator.stream(model, some, rows.select(range(count)))))
        divide_output_layer(model, factor)
    first, second = tried
    if first is None or second is None:
        return False
    expected = tempered(first.probabilities, TRIED_TEMPERATURE)
    return bool(np.allclose(second.probabilities, expected, atol=TOLERANCE))


def calibration_figures(task: Task, predictions: Mapping[str, Path]) -> dict[str, Any]:
    """Returns the section `calibration` of metrics.json; an empty dict for tasks that predict no probabilities of labels.

    Args:
        task: the task, with the facts of its model.
        predictions: file of each scored split.
    """
    temperature = task.facts.get("temperature")
    splits = {}
    for split, file in predictions.items():
        classified = as_arrays(task, json_lines(file))
        if classified is None:
            return {}
        splits[split] = quality(*classified).as_dict()
        if temperature is not None:
            probabilities, predicted, gold = classified
            before = quality(tempered(probabilities, 1 / temperature), predicted, gold).as_dict()
            splits[split]["before"] = {name: before[name] for name in ("ece", "brier", "nll", "aurc")}
    return {
        "calibration": {
            "temperature": temperature,
            "threshold": task.facts.get("threshold"),
            "thresholds": task.facts.get("thresholds"),
            "splits": splits,
            "recipe": RECIPES | ({"decisions": DECISIONS} if has_several_labels(task) else {}),
        }
    }


def log_calibration(metrics: Mapping[str, Any], split: str, *, is_cheap: bool) -> None:
    """Logs the figures of a split, and what they mean for users of the model.

    Args:
        metrics: content of metrics.json.
        split: of the result.
        is_cheap: whether the model has no neural network, so that transformers.pipeline does not read it.
    """
    about = metrics.get("calibration")
    if about is None:
        return
    figures = about["splits"][split]
    surer = figures["accuracy_at_coverage"]["0.5"]
    if "before" in figures:
        logger.info("probabilities: ECE %.4f, %.4f before calibration; accuracy on the surer half %.4f",
                    figures["ece"], figures["before"]["ece"], surer)  # fmt: skip
    else:
        logger.info("probabilities: ECE %.4f; accuracy on the surer half %.4f", figures["ece"], surer)
    threshold, thresholds = about["threshold"], about.get("thresholds")
    if threshold is not None and is_cheap:
        logger.info("the second class is predicted from a probability of %.4f on", threshold)
    elif threshold is not None:
        logger.info("the second class is predicted from a probability of %.4f on; transformers.pipeline does not know this "
                    "and uses 0.5", threshold)  # fmt: skip
    if thresholds and is_cheap:
        logger.info("each label is predicted from a probability of its own on (%s)", _listed(thresholds))
    elif thresholds:
        logger.info("each label is predicted from a probability of its own on (%s); transformers.pipeline does not know this "
                    "and uses 0.5", _listed(thresholds))  # fmt: skip
