"""Lengths in tokens, and what would be lost at the resolved maximum, in the units that the task counts."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune.checks.findings import Area, Finding, Report, note, warning
from autotune.data.cache import iter_rows
from autotune.tasks.base import Task

EDGES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Longest row, in tokens, of each bar of the histogram; the last bar is open."""


def audit_lengths(
    task: Task, rows: Mapping[str, Dataset], features: Mapping[str, Dataset], report: Report
) -> Iterator[Finding]:
    """What is longer than a window in each split, and what becomes of it."""
    figures: dict[str, Any] = {}
    longest = 0
    cut_anywhere = False
    for split, table in features.items():
        lengths = row_lengths(table)
        longest = max(longest, int(lengths.max()))
        numbers = table.data.table["row"].to_numpy()
        overlong, unreachable = (
            np.unique(numbers[mask(table)]) for mask in (task.exceeds_window, task.reference_too_long)
        )
        affected = np.union1d(overlong, unreachable)
        beyond = dict(task.tokens_lost(iter_rows(rows[split].select(affected)))) if len(affected) else {}
        cut = bool(table.data.table["lost"].to_numpy().any())
        cut_anywhere = cut_anywhere or cut
        units = {"tokens": int(lengths.sum()), **task.count_units(rows[split])}
        figures[split] = {
            "median": int(np.median(lengths)),
            "p95": int(np.percentile(lengths, 95)),
            "longest": int(lengths.max()),
            "rows_beyond": len(overlong),
            "beyond": beyond,
            "units": units,
            "windows": len(table),
            "histogram": histogram(lengths),
        }
        if len(overlong):
            lost = {unit: count for unit, count in beyond.items() if unit in units}
            yield _overlong(task, split, len(lengths), len(overlong), lost, units, cut=cut)
        if len(unreachable):
            longest_reference = int(task.lengths(table)[:, -1].max())
            yield _unreachable(
                split, len(lengths), len(unreachable), beyond["reference tokens"], longest_reference
            )
    report.figures["lengths"] = {"max_length": task.max_length, "splits": figures}
    if longest > task.max_length:
        yield from _suggestion(task, longest, cut=cut_anywhere)


def row_lengths(features: Dataset) -> NDArray[np.int64]:
    """Tokens of each row, special ones included: int64 (rows,)."""
    table = features.data.table
    rows = table["row"].to_numpy()
    first = np.append(True, rows[1:] != rows[:-1])
    lengths: NDArray[np.int64] = table["length"].to_numpy()[first].astype(np.int64)
    return lengths


def histogram(lengths: NDArray[np.int64]) -> dict[str, int]:
    """Rows by length: "<=16", "<=32" … ">4096"; empty bars at the ends are left out."""
    bars = np.bincount(np.searchsorted(EDGES, lengths), minlength=len(EDGES) + 1)
    names = [*(f"<={edge}" for edge in EDGES), f">{EDGES[-1]}"]
    used = np.flatnonzero(bars)
    return {names[at]: int(bars[at]) for at in range(used[0], used[-1] + 1)}


def _overlong(
    task: Task,
    split: str,
    rows: int,
    overlong: int,
    beyond: dict[str, int],
    units: dict[str, int],
    *,
    cut: bool,
) -> Finding:
    """In words: 9 of 7827 rows are longer; without windows 1021 words and 12 entities would be lost."""
    lost = ", ".join(f"{count} of {units[unit]} {unit}" for unit, count in beyond.items() if count)
    what = f"{split}: {overlong} of {rows} rows do not fit into {task.max_length} tokens"
    if cut:
        return warning(
            Area.lengths, f"{what}; what stands behind is cut", found=f"lost: {lost}", count=overlong
        )
    return note(
        Area.lengths,
        f"{what}; they are read in overlapping windows, so nothing is lost",
        found=f"one window alone would lose {lost}",
        count=overlong,
    )


def _unreachable(split: str, rows: int, count: int, tokens: int, longest: int) -> Finding:
    return warning(
        Area.lengths,
        f"{count} of {rows} references of {split} are longer than the longest summary that may be written",
        where="task.max_new_tokens",
        found=f"{tokens} tokens of them can never be written",
        fix=f"task.max_new_tokens={longest}",
        count=count,
    )


def _suggestion(task: Task, longest: int, *, cut: bool) -> Iterator[Finding]:
    """A `max_length` that loses less, where the model can take it."""
    wanted = -(-longest // 8) * 8
    can = min(wanted, task.base.max_length)
    if can > task.max_length:
        yield (warning if cut else note)(
            Area.lengths,
            f"the model takes up to {task.base.max_length} tokens, the longest row has {longest}",
            where="task.max_length",
            found=str(task.max_length),
            fix=f"task.max_length={can}",
        )
    elif cut:
        yield warning(
            Area.lengths,
            f"the longest row has {longest} tokens, and {task.base.name} takes no more than {task.base.max_length}",
            where="task.max_length",
            found=str(task.max_length),
            fix=task.truncation_advice(wanted),
        )
