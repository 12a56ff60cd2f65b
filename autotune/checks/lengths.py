"""Lengths in tokens, and losses at the resolved maximum, in the units that the task counts."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune.checks.findings import Area, Finding, Report, note, warning
from autotune.tasks.base import Task, padded_lengths

EDGES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Upper limit, in tokens, of each bar of the histogram; one more bar has no limit."""


def audit_lengths(
    task: Task, rows: Mapping[str, Dataset], features: Mapping[str, Dataset], report: Report
) -> Iterator[Finding]:
    """Yields findings about rows and references that are longer than the model's window, with what is lost."""
    figures: dict[str, Any] = {}
    longest = 0
    cut_anywhere = False
    fix: str | None = None
    for split, table in features.items():
        lengths = row_lengths(table)
        longest = max(longest, int(lengths.max()))
        beyond = task.length_report(rows[split], table)
        is_cut = bool(table.data.table["lost"].to_numpy().any())
        cut_anywhere = cut_anywhere or is_cut
        fix = fix or beyond.fix
        units = {"tokens": int(lengths.sum()), **beyond.units}
        figures[split] = {
            "median": int(np.median(lengths)),
            "p95": int(np.percentile(lengths, 95)),
            "longest": int(lengths.max()),
            "rows_beyond": len(beyond.overlong),
            "beyond": dict(beyond.lost) if len(beyond.overlong) or len(beyond.long_references) else {},
            "units": units,
            "windows": len(table),
            "histogram": histogram(lengths),
        }
        if len(beyond.overlong):
            lost = {unit: count for unit, count in beyond.lost.items() if unit in units}
            yield _rows_beyond_window(
                task, split, len(lengths), len(beyond.overlong), lost, units, cut=is_cut
            )
        if len(beyond.long_references):
            longest_reference = int(padded_lengths(table)[:, -1].max())
            yield _references_too_long(
                split,
                len(lengths),
                len(beyond.long_references),
                beyond.lost["reference tokens"],
                longest_reference,
            )
    report.figures["lengths"] = {"max_length": task.max_length, "splits": figures}
    if longest > task.max_length:
        yield from _suggest_max_length(task, longest, fix, cut=cut_anywhere)


def row_lengths(features: Dataset) -> NDArray[np.int64]:
    """Returns the tokens per row, including special tokens: int64 (rows,)."""
    table = features.data.table
    rows = table["row"].to_numpy()
    # Each window of a row carries the length of the whole row, so the first one is enough.
    first = np.append(True, rows[1:] != rows[:-1])
    lengths: NDArray[np.int64] = table["length"].to_numpy()[first].astype(np.int64)
    return lengths


def histogram(lengths: NDArray[np.int64]) -> dict[str, int]:
    """Returns the rows per bar: "<=16", "<=32" … ">4096"; without empty bars at the ends."""
    bars = np.bincount(np.searchsorted(EDGES, lengths), minlength=len(EDGES) + 1)
    names = [*(f"<={edge}" for edge in EDGES), f">{EDGES[-1]}"]
    used = np.flatnonzero(bars)
    return {names[at]: int(bars[at]) for at in range(used[0], used[-1] + 1)}


def _rows_beyond_window(
    task: Task,
    split: str,
    rows: int,
    overlong: int,
    tokens_lost: dict[str, int],
    units: dict[str, int],
    *,
    cut: bool,
) -> Finding:
    """Returns a finding such as: 9 of 7827 rows are longer; without windows 1021 words and 12 entities would be lost."""
    lost = ", ".join(f"{count} of {units[unit]} {unit}" for unit, count in tokens_lost.items() if count)
    what = f"{split}: {overlong} of {rows} rows do not fit into {task.max_length} tokens"
    if cut:
        return warning(Area.lengths, f"{what}; the rest is cut", found=f"lost: {lost}", count=overlong)
    return note(
        Area.lengths,
        f"{what}; they are read in several windows, so nothing is lost",
        found=f"one window alone would lose {lost}",
        count=overlong,
    )


def _references_too_long(split: str, rows: int, count: int, tokens: int, longest: int) -> Finding:
    return warning(
        Area.lengths,
        f"{count} of {rows} references of {split} are longer than the longest summary that may be written",
        where="task.max_new_tokens",
        found=f"{tokens} tokens of them can never be written",
        fix=f"task.max_new_tokens={longest}",
        count=count,
    )


def _suggest_max_length(task: Task, longest: int, fix: str | None, *, cut: bool) -> Iterator[Finding]:
    """Yields a finding with a `max_length` that loses less, if the model supports one."""
    needed = -(-longest // 8) * 8
    suggested = min(needed, task.base.max_length)
    if suggested > task.max_length:
        yield (warning if cut else note)(
            Area.lengths,
            f"the model takes up to {task.base.max_length} tokens, the longest row has {longest}",
            where="task.max_length",
            found=str(task.max_length),
            fix=f"task.max_length={suggested}",
        )
    elif cut:
        yield warning(
            Area.lengths,
            f"the longest row has {longest} tokens, and {task.base.name} takes no more than {task.base.max_length}",
            where="task.max_length",
            found=str(task.max_length),
            fix=fix
            or f"model.max_length={needed} task.max_length={needed} where positions have no end, as in T5; "
            "else a base model that takes longer inputs",
        )
