"""The result of a run: its figures, and what they are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.config.schema import RunConfig
from autotune.data.cache import iter_rows
from autotune.data.duplicates import is_duplicate_of, text_column
from autotune.evaluation.bootstrap import block_states, intervals
from autotune.evaluation.rivals import Rivals, rivals
from autotune.evaluation.slices import Slice, slices
from autotune.evaluation.unseen import unseen_scores
from autotune.metrics import recipe
from autotune.pipeline.prepare import PreparedRows
from autotune.run.folder import RunFolder
from autotune.runtime.files import json_lines
from autotune.tasks.base import Scores


@dataclass(frozen=True)
class Result:
    """Figures of the split that counts, and what they are compared with."""

    split: str
    scores: Scores
    rivals: Rivals
    """Methods that need no neural network, on the same rows."""
    unseen: tuple[int, Scores] | None
    """Number of rows whose text is not in train, and their scores; None if these are all rows or none."""
    intervals: Mapping[str, list[float]]
    """95 % interval of every figure: lower and upper end."""
    slices: Sequence[Slice] = ()
    """Parts of the split and their scores."""


def final_result(
    prepared: PreparedRows, scores: Mapping[str, Scores], folder: RunFolder, config: RunConfig
) -> Result:
    """Compares the scores of the last split with baselines, with unseen rows alone, and with chance.

    Args:
        prepared: rows and task.
        scores: of each split that was scored, the one that counts last.
        folder: holds the predictions.
        config: its seed is that of the bootstrap.
    """
    split, figures = list(scores.items())[-1]
    task, rows, seed = prepared.task, prepared.rows.splits, config.seed
    scored, predictions = rows[split], folder.predictions(split)
    states = block_states(task, iter_rows(scored), json_lines(predictions))
    # Validation may choose settings of a baseline unless it is itself the result.
    validation = rows.get("validation") if split == "test" else None
    # A model without a neural network is not its own rival.
    others = (
        baseline
        for baseline in task.baselines(rows["train"], scored, validation)
        if baseline.method is None or baseline.method is not config.model.baseline
    )
    compared = rivals(task, scored, states, others, seed)
    leaked = unseen = None
    if split != "train":
        leaked = is_duplicate_of(scored, [rows["train"]], text_column(task.columns))
        unseen = unseen_scores(task, scored, leaked, predictions)
    parts = slices(
        task, rows["train"], scored, json_lines(predictions), leaked, config.dataset.columns.slices, seed
    )
    return Result(split, figures, compared, unseen, intervals(states, task.metric().empty, seed), parts)


def final_metrics(
    config: RunConfig, scores: Mapping[str, Scores], result: Result, training: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns metrics.json.

    Args:
        config: of the run.
        scores: of each split that was scored.
        result: of the last one.
        training: how training ended, and in which precision.
    """
    split, unseen = result.split, result.unseen
    return {
        "main": result.scores.main,
        **{name: figures.as_dict() for name, figures in scores.items()},
        **result.rivals.as_dict(split),
        "interval": {split: dict(result.intervals)},
        **({"unseen": {split: {"rows": unseen[0], **unseen[1].as_dict()}}} if unseen else {}),
        "slices": {split: [part.as_dict() for part in result.slices]},
        "recipe": recipe(result.scores.values),
        **({"fold": config.dataset.fold} if config.dataset.fold is not None else {}),
        **training,
    }
