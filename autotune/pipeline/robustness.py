"""The score of a model on the same rows, written otherwise."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset
from torch import nn

from autotune.evaluation.evaluator import Evaluator
from autotune.evaluation.robustness import Robustness, robustness
from autotune.runtime.files import scratch
from autotune.runtime.language import Pieces
from autotune.tasks.base import Prediction
from autotune.training.features import prepare_features

logger = logging.getLogger(__name__)


def measure(
    evaluator: Evaluator, model: nn.Module, split: str, rows: Dataset, predictions: Path
) -> Robustness:
    """Predicts changed rows and logs how the score changes.

    Args:
        evaluator: predicts.
        model: on the evaluator's device.
        split: name of the split.
        rows: its rows, with gold values.
        predictions: file with a prediction per row, in order.
    """
    task = evaluator.task
    with scratch() as folder:

        def predict(changed: Dataset) -> Iterator[Prediction]:
            features = prepare_features(task, changed, Path(tempfile.mkdtemp(dir=folder)), "noise")
            return evaluator.stream(model, features, changed)

        result = robustness(task, split, rows, predictions, predict, Path(folder))
    _log(result)
    return result


def _log(result: Robustness) -> None:
    logger.info(
        "robustness on %s: %s %.4f, and with the same texts changed:",
        result.split,
        result.metric,
        result.score,
    )
    for noise in result.noises:
        low, high = noise.interval
        logger.info(Pieces(
            "  ", noise.name, " " * max(1, 35 - len(noise.name)),
            f"{noise.score:.4f}  {noise.difference:+.4f} [{low:+.4f}, {high:+.4f}]  ", f"{noise.changed} rows changed",
        ))  # fmt: skip
