"""The score of a model on the same rows, written otherwise."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.evaluation.predictor import Predictor
from autotune.evaluation.robustness import Robustness, robustness
from autotune.runtime.files import scratch
from autotune.runtime.language import Pieces

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)


def measure(predictor: Predictor, split: str, rows: "Dataset", predictions: Path) -> Robustness:
    """Predicts changed rows and logs how the score changes.

    Args:
        predictor: the model.
        split: name of the split.
        rows: its rows, with gold values.
        predictions: file with a prediction per row, in order.
    """
    with scratch() as folder:
        result = robustness(predictor.task, split, rows, predictions, predictor.stream, Path(folder))
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
