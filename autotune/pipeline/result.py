"""The result of a run: its figures, and what they are compared with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from autotune.config.enums import Precision
from autotune.data.cache import iter_rows
from autotune.evaluation.bootstrap import intervals
from autotune.evaluation.unseen import unseen_scores
from autotune.metrics import recipe
from autotune.pipeline.prepare import Prepared
from autotune.run.folder import RunFolder
from autotune.runtime.files import json_lines
from autotune.tasks.base import Scores, score
from autotune.training.fit import FitResult


@dataclass(frozen=True)
class Result:
    """Figures of the split that counts, and what they are compared with."""

    split: str
    scores: Scores
    baselines: Mapping[str, Scores]
    unseen: tuple[int, Scores] | None
    """Number of rows whose text is not in train, and their scores; None if these are all rows or none."""
    intervals: Mapping[str, list[float]]
    """95 % interval of every figure: lower and upper end."""


def final_result(prepared: Prepared, scores: Mapping[str, Scores], folder: RunFolder, seed: int) -> Result:
    """Compares the scores of the last split with baselines, with unseen rows alone, and with chance.

    Args:
        prepared: rows and task.
        scores: of each split that was scored, the one that counts last.
        folder: holds the predictions.
        seed: of the bootstrap.
    """
    split, figures = list(scores.items())[-1]
    task, rows = prepared.task, prepared.rows.splits
    baselines = {
        name: score(task, iter_rows(rows[split]), predictions)
        for name, predictions in task.baselines(rows["train"], rows[split]).items()
    }
    unseen = None
    if split != "train":
        unseen = unseen_scores(task, rows["train"], rows[split], folder.predictions(split))
    bounds = intervals(task, iter_rows(rows[split]), json_lines(folder.predictions(split)), seed)
    return Result(split, figures, baselines, unseen, bounds)


def final_metrics(
    prepared: Prepared, scores: Mapping[str, Scores], result: Result, fitted: FitResult, precision: Precision
) -> dict[str, Any]:
    """Returns metrics.json.

    Args:
        prepared: says the precision of training.
        scores: of each split that was scored.
        result: of the last one.
        fitted: how training ended.
        precision: in which the scores were computed.
    """
    split, unseen = result.split, result.unseen
    return {
        "main": result.scores.main,
        **{name: figures.as_dict() for name, figures in scores.items()},
        "baseline": {split: {name: figures.values for name, figures in result.baselines.items()}},
        "interval": {split: dict(result.intervals)},
        **({"unseen": {split: {"rows": unseen[0], **unseen[1].as_dict()}}} if unseen else {}),
        "recipe": recipe(result.scores.values),
        "precision": {"training": prepared.precision, "scores": precision},
        "training": asdict(fitted),
    }
