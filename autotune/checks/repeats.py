"""Texts that stand twice: within a split, in train and a split that is scored, with two answers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune.checks.findings import Area, Finding, Report, note, warning
from autotune.config.columns import Column, Kind
from autotune.data.cache import iter_column
from autotune.data.duplicates import Hashes, alike, exact, first_positions, hashes, near, text_column
from autotune.data.sources import Rows
from autotune.errors import listing

NEAR_ROWS = 50_000
"""Near duplicates are looked for among so many texts of train, evenly drawn, and as many of each other split."""
EXAMPLE = 60
"""Characters of a text that are quoted."""


def audit_repeats(
    rows: Rows, columns: Sequence[Column], threshold: float | None, report: Report
) -> Iterator[Finding]:
    """Duplicates and leaks, by three degrees; texts with several answers; groups that are in several splits.

    Args:
        rows: all splits.
        columns: of the task.
        threshold: `check.near_duplicates`.
        report: takes the counts.
    """
    column = text_column(columns)
    same = {split: hashes(iter_column(data, column), exact) for split, data in rows.splits.items()}
    similar = {split: hashes(iter_column(data, column), alike) for split, data in rows.splits.items()}
    resembling = _near(rows, column, similar, threshold)
    figures: dict[str, Any] = {}
    for split, data in rows.splits.items():
        figures[split] = _within(same[split], similar[split], resembling.get((split, split), {}))
        if sum(figures[split].values()):
            yield _repeats(split, len(data), figures[split])
        if split != "train":
            leaks, leaking = _across(split, same, similar, resembling.get((split, "train"), {}))
            figures[f"{split} in train"] = leaks
            if len(leaking):
                yield _leak(split, data, column, leaks, leaking)
    answers = _answers(rows, columns)
    if answers is not None:
        yield from _conflicts(rows, column, same, answers, figures)
    yield from _shared_groups(rows)
    figures["near_duplicates"] = _looked_at(rows, threshold)
    report.figures["duplicates"] = figures


def _within(same: Hashes, similar: Hashes, resembling: dict[int, int]) -> dict[str, int]:
    """Rows whose text stands in an earlier row of the split, each counted at its closest degree."""
    numbers = np.arange(len(same))
    exactly, nearly_same = first_positions(same) < numbers, first_positions(similar) < numbers
    return {
        "exact": int(exactly.sum()),
        "alike": int((nearly_same & ~exactly).sum()),
        "near": sum(1 for number in resembling if not nearly_same[number]),
    }


def _across(
    split: str, same: dict[str, Hashes], similar: dict[str, Hashes], resembling: dict[int, int]
) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Rows of a split whose text stands in train, each counted at its closest degree, with the number of distinct
    exact texts; and the numbers of these rows, the surest first."""
    exactly, alike_too = (np.isin(one[split], one["train"]) for one in (same, similar))
    only_near = np.asarray([row for row in resembling if not alike_too[row]], dtype=np.int64)
    counts = {
        "exact": int(exactly.sum()),
        "alike": int((alike_too & ~exactly).sum()),
        "near": len(only_near),
        "exact_texts": len(np.unique(same[split][exactly])),
    }
    rows = [np.flatnonzero(exactly), np.flatnonzero(alike_too & ~exactly), np.sort(only_near)]
    return counts, np.concatenate(rows).astype(np.int64)


def _degrees(counts: dict[str, int]) -> str:
    words = {
        "exact": "word for word",
        "alike": "apart from case, accents and punctuation",
        "near": "nearly",
    }
    return ", ".join(f"{counts[degree]} {how}" for degree, how in words.items() if counts[degree])


def _repeats(split: str, rows: int, counts: dict[str, int]) -> Finding:
    total = sum(counts.values())
    helps = split == "train" and total > counts["near"]
    return note(
        Area.duplicates,
        f"{split}: {total} of {rows} rows repeat the text of an earlier row",
        found=_degrees(counts),
        fix=f"dataset.dedup=repeats leaves {total - counts['near']} of them out" if helps else None,
        count=total,
    )


def _leak(
    split: str, data: Dataset, column: str, leaks: dict[str, int], leaking: NDArray[np.int64]
) -> Finding:
    """Texts that only resemble one of train are no proof, so they alone are no warning.

    Args:
        split: that is scored.
        data: its rows.
        column: of the text.
        leaks: rows by degree.
        leaking: numbers of the rows, the surest first.
    """
    total = len(leaking)
    sure = total - leaks["near"]
    quoted = listing(_example(text) for text in iter_column(data.select(leaking[:3]), column))
    return (warning if sure else note)(
        Area.duplicates,
        f"{total} of {len(data)} rows of {split} "
        + (
            "stand in train, too, so their score is partly one of memory"
            if sure
            else "resemble rows of train"
        ),
        where=f"{split}, {leaks['exact_texts']} different texts word for word" if sure else split,
        found=f"{_degrees(leaks)}; such as {quoted}",
        fix=f"dataset.dedup=leaks leaves {sure} of them out of train" if sure else None,
        count=total,
    )


def _example(text: str) -> str:
    """The beginning of a text."""
    return repr(text if len(text) <= EXAMPLE else text[:EXAMPLE] + "…")


def _near(
    rows: Rows, column: str, similar: dict[str, Hashes], threshold: float | None
) -> dict[tuple[str, str], dict[int, int]]:
    """By (split, split of what it resembles): row and the row that it resembles."""
    if threshold is None:
        return {}
    texts: dict[int, str] = {}
    places: list[tuple[str, int]] = []
    known: set[int] = set()
    for split, data in rows.splits.items():
        chosen = np.unique(np.linspace(0, len(data) - 1, min(len(data), NEAR_ROWS)).astype(np.int64))
        for row, text in zip(chosen.tolist(), iter_column(data.select(chosen), column), strict=True):
            value = int(similar[split][row])
            if value not in known:
                known.add(value)
                texts[len(places)] = alike(text)
            places.append((split, row))
    found: dict[tuple[str, str], dict[int, int]] = {}
    for earlier, later in near(texts, threshold):
        (split, row), (other_split, other_row) = places[later], places[earlier]
        found.setdefault((split, other_split), {})[row] = other_row
    return found


def _looked_at(rows: Rows, threshold: float | None) -> dict[str, Any]:
    if threshold is None:
        return {"threshold": None}
    return {
        "threshold": threshold,
        "rows": {split: min(len(data), NEAR_ROWS) for split, data in rows.splits.items()},
    }


def _answers(rows: Rows, columns: Sequence[Column]) -> dict[str, Hashes] | None:
    """Hashes of the labels or tags of each row; None where a text may well have several answers."""
    target = next((column for column in columns if column.kind in (Kind.label, Kind.tags)), None)
    if target is None:
        return None
    return {
        split: hashes(
            (
                " ".join(value) if isinstance(value, list) else value
                for value in iter_column(data, target.role)
            ),
            str,
        )
        for split, data in rows.splits.items()
    }


def _conflicts(
    rows: Rows, column: str, same: dict[str, Hashes], answers: dict[str, Hashes], figures: dict[str, Any]
) -> Iterator[Finding]:
    """Texts that have different labels in two rows of any splits."""
    texts, labels = (np.concatenate([one[split] for split in rows.splits]) for one in (same, answers))
    order = np.lexsort((labels, texts))
    texts, labels = texts[order], labels[order]
    differ = (texts[1:] == texts[:-1]) & (labels[1:] != labels[:-1])
    conflicting, at = np.unique(texts[1:][differ], return_index=True)
    figures["texts with several answers"] = len(conflicting)
    if not len(conflicting):
        return
    first = order[1:][differ][at[:3]]
    starts = np.cumsum([0, *(len(data) for data in rows.splits.values())])
    examples = []
    for position in sorted(first.tolist()):
        which = int(np.searchsorted(starts, position, side="right")) - 1
        split = list(rows.splits)[which]
        row = rows.splits[split][int(position - starts[which])]
        examples.append(f"{split} id {row['id']}: {_example(row[column])}")
    yield warning(
        Area.duplicates,
        f"{len(conflicting)} texts have different answers in different rows; no model can get both right",
        where="all splits",
        found=listing(examples),
        fix="decide for one answer in the file",
        count=len(conflicting),
    )


def _shared_groups(rows: Rows) -> Iterator[Finding]:
    """Groups that were to stay together and are in train and another split."""
    groups = {
        split: set(iter_column(data, "group"))
        for split, data in rows.splits.items()
        if "group" in data.column_names
    }
    for split, own in groups.items():
        shared = own & groups.get("train", set())
        if split != "train" and shared:
            yield warning(
                Area.duplicates,
                f"{len(shared)} groups stand in train and in {split}",
                where="dataset.columns.group",
                found=listing(sorted(shared)),
                fix="make the splits anew: dataset.splits.validation=null dataset.splits.test=null",
                count=len(shared),
            )
