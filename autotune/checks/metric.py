"""A trial of the task's metric on the gold values of the scored splits, before training rather than after it."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from datasets import Dataset

from autotune.config.columns import Kind
from autotune.data.cache import iter_rows
from autotune.errors import AutotuneError, DataError, listing
from autotune.tasks.base import Task

FIRST_ROWS = 100
"""Number of first rows of a split to try; later rows are tried if they have a class or tag that none before had."""


def try_metric(task: Task, splits: Mapping[str, Dataset]) -> None:
    """Scores gold values against themselves.

    Raises:
        DataError: the metric refuses a value, or does not return the figure that selects the best checkpoint.
    """
    for split in [name for name in splits if name != "train"] or ["train"]:
        try:
            figures = _score_gold(task, splits[split])
        except AutotuneError as error:
            where = f"{split}, {error.where}" if error.where else split
            raise DataError(error.what, where=where, found=error.found, fix=error.fix) from error
        except Exception as error:
            if type(task).__module__.startswith("autotune."):
                raise  # a bug of autotune, not of a plug-in
            raise DataError(
                f"the metric of task={task.name} does not take the gold values of {split}",
                where=f"{type(task).__module__}.{type(task).__name__}.metric",
                found=f"{type(error).__name__}: {error}"[:200],
                fix="correct the plug-in, or the values",
            ) from error
        if figures is not None and task.main_metric not in figures:
            raise DataError(
                f"the metric of task={task.name} has no figure {task.main_metric!r}, which chooses the best checkpoint",
                where=f"{type(task).__name__}.main_metric",
                found=listing(figures),
                fix="main_metric is the name of one of them",
            )


def _score_gold(task: Task, data: Dataset) -> Mapping[str, Any] | None:
    """Returns the figures of some rows; None if predictions of the task need more than a gold value."""
    metric = task.metric()
    for row in _rows_to_try(task, data):
        gold = {column.role: row[column.role] for column in task.columns if column.target}
        prediction = {"id": row["id"], **gold, "prediction": next(iter(gold.values()), None)}
        try:
            reference, candidate = task.to_metric_inputs(row, prediction)
        except (KeyError, IndexError, TypeError, AttributeError):
            return None
        metric.add(reference=reference, prediction=candidate)
    figures: Mapping[str, Any] = metric.compute()
    return figures


def _rows_to_try(task: Task, data: Dataset) -> Iterator[dict[str, Any]]:
    """Yields the first rows, and later ones that hold a value for the first time."""
    yield from islice(iter_rows(data), FIRST_ROWS)
    roles = [
        column.role
        for column in task.columns
        if column.target and column.kind in (Kind.label, Kind.labels, Kind.tags)
    ]
    seen: set[str] = set()
    for number, row in enumerate(iter_rows(data.select_columns(["id", *roles])) if roles else ()):
        values = {
            value for role in roles for value in ([row[role]] if isinstance(row[role], str) else row[role])
        }
        if not values <= seen and number >= FIRST_ROWS:
            yield data[number]
        seen |= values
