"""Whether the task's metric takes the gold values of the splits that are scored: found out before training, not after."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from datasets import Dataset

from autotune.config.columns import Kind
from autotune.data.cache import iter_rows
from autotune.errors import AutotuneError, DataError, listing
from autotune.tasks.base import Task

ROWS = 100
"""The first of a split are tried, and every row with a class or tag that those before it do not have."""


def try_metric(task: Task, splits: Mapping[str, Dataset]) -> None:
    """Scores gold values against themselves.

    Raises:
        DataError: the metric refuses a value, or does not give the figure that chooses the best checkpoint.
    """
    for split in [name for name in splits if name != "train"] or ["train"]:
        try:
            figures = _figures(task, splits[split])
        except AutotuneError as error:
            where = f"{split}, {error.where}" if error.where else split
            raise DataError(error.what, where=where, found=error.found, fix=error.fix) from error
        except Exception as error:
            if type(task).__module__.startswith("autotune."):
                raise
            raise DataError(
                f"the metric of task={task.name} does not take the gold values of {split}",
                where=f"{type(task).__module__}.{type(task).__name__}.metric",
                found=f"{type(error).__name__}: {error}"[:200],
                fix="mend the plug-in, or the values",
            ) from error
        if figures is not None and task.main_metric not in figures:
            raise DataError(
                f"the metric of task={task.name} has no figure {task.main_metric!r}, which chooses the best checkpoint",
                where=f"{type(task).__name__}.main_metric",
                found=listing(figures),
                fix="main_metric is the name of one of them",
            )


def _figures(task: Task, data: Dataset) -> Mapping[str, Any] | None:
    """The figures of some rows; None where a prediction of the task holds more than a gold value tells."""
    metric = task.metric()
    for row in _telling(task, data):
        gold = {column.role: row[column.role] for column in task.columns if column.target}
        prediction = {"id": row["id"], **gold, "prediction": next(iter(gold.values()), None)}
        try:
            reference, said = task.to_metric_inputs(row, prediction)
        except (KeyError, IndexError, TypeError, AttributeError):
            return None
        metric.add(reference=reference, prediction=said)
    figures: Mapping[str, Any] = metric.compute()
    return figures


def _telling(task: Task, data: Dataset) -> Iterator[dict[str, Any]]:
    """The first rows, and those that hold a value for the first time."""
    yield from islice(iter_rows(data), ROWS)
    roles = [
        column.role
        for column in task.columns
        if column.target and column.kind in (Kind.label, Kind.labels, Kind.tags)
    ]
    known: set[str] = set()
    for number, row in enumerate(iter_rows(data.select_columns(["id", *roles])) if roles else ()):
        values = {one for role in roles for one in ([row[role]] if isinstance(row[role], str) else row[role])}
        if not values <= known and number >= ROWS:
            yield data[number]
        known |= values
