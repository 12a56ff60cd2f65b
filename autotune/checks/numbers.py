"""The numbers of a regression: their spread in each split, outliers, and values that train does not cover."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autotune.checks.findings import Area, Finding, Report, warning
from autotune.config.columns import Column, Kind
from autotune.data.cache import iter_column
from autotune.data.sources import Rows
from autotune.errors import listing

FAR = 10
"""Standard deviations from the mean beyond which a number may be an error of the data."""
MOSTLY = 0.9
"""Share of train with the same number beyond which there is little to learn."""


def audit_numbers(
    rows: Rows, columns: Sequence[Column], names: Sequence[str], report: Report
) -> Iterator[Finding]:
    """Yields findings about the numbers to predict; puts their spread in each split into the report.

    Args:
        rows: all splits.
        columns: columns of the task; nothing is checked if none holds numbers to predict.
        names: names of the targets; empty if they were refused.
        report: receives the figures.
    """
    role = next((column.role for column in columns if column.kind is Kind.numbers and column.target), None)
    if role is None or not names:
        return
    tables = {
        split: np.array(list(iter_column(data, role)), dtype=np.float64).reshape(-1, len(names))
        for split, data in rows.splits.items()
    }
    report.figures["numbers"] = {
        split: {name: _spread(values) for name, values in zip(names, table.T, strict=True)}
        for split, table in tables.items()
    }
    train = tables.pop("train")
    for number, name in enumerate(names):
        yield from _outliers(name, train[:, number])
        for split, table in tables.items():
            yield from _uncovered(name, split, table[:, number], train[:, number])


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    return {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "max": float(values.max()),
        "sd": float(values.std()),
    }


def _outliers(name: str, values: NDArray[np.float64]) -> Iterator[Finding]:
    """Yields findings about numbers far from the others, and about one number that most rows have."""
    far = np.flatnonzero(np.abs(values - values.mean()) > FAR * values.std())
    if len(far):
        yield warning(
            Area.labels,
            f"numbers more than {FAR} standard deviations from the mean may be errors, and rule the loss if they are",
            where=f"train, {name}",
            found=listing(f"row {row}: {values[row]:g}" for row in far.tolist()),
            fix="correct these rows, or delete them",
            count=len(far),
        )
    distinct, counts = np.unique(values, return_counts=True)
    if counts.max() > MOSTLY * len(values):
        yield warning(
            Area.labels,
            "most rows of train have the same number, so there is little to learn",
            where=f"train, {name}",
            found=f"{distinct[counts.argmax()]:g} in {counts.max()} of {len(values)} rows",
            fix="check dataset.columns.label",
        )


def _uncovered(
    name: str, split: str, values: NDArray[np.float64], train: NDArray[np.float64]
) -> Iterator[Finding]:
    """Yields a finding about numbers of a scored split that lie outside those of train."""
    outside = np.flatnonzero((values < train.min()) | (values > train.max()))
    if len(outside):
        yield warning(
            Area.labels,
            f"{split} has numbers outside the range of train, which the model has never seen",
            where=f"{split}, {name}",
            found=f"{train.min():g} to {train.max():g} in train; "
            + listing(f"row {row}: {values[row]:g}" for row in outside.tolist()),
            fix="another split: dataset.seed=N, or more rows of train",
            count=len(outside),
        )
