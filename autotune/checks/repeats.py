"""Duplicate texts: within a split, in train and a scored split, with different answers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune.checks.findings import Area, Finding, Report, note, warning
from autotune.config.columns import Column, Kind
from autotune.data.cache import iter_column
from autotune.data.duplicates import (
    Hashes,
    alike_form,
    exact_form,
    first_positions,
    hashes,
    iter_texts,
    near_duplicates,
    text_column,
)
from autotune.data.sources import Rows
from autotune.errors import listing

MAX_NEAR_ROWS = 50_000
"""Most rows per split, evenly drawn, among which near duplicates are searched."""
EXAMPLE_CHARS = 60
"""Number of characters of a text that are quoted."""


def audit_repeats(
    rows: Rows, columns: Sequence[Column], threshold: float | None, report: Report
) -> Iterator[Finding]:
    """Yields findings about duplicates and leaks, texts with several answers, and groups in several splits.

    Duplicates have three degrees: exact, alike (apart from case, accents and punctuation) and near.

    Args:
        rows: all splits.
        columns: columns of the task.
        threshold: `check.near_duplicates`.
        report: receives the counts.
    """
    column = text_column(columns)
    exact_hashes = {
        split: hashes(iter_texts(data, column), exact_form) for split, data in rows.splits.items()
    }
    alike_hashes = {
        split: hashes(iter_texts(data, column), alike_form) for split, data in rows.splits.items()
    }
    near_matches = _near_duplicates(rows, column, alike_hashes, threshold)
    figures: dict[str, Any] = {}
    for split, data in rows.splits.items():
        figures[split] = _repeats_within(
            exact_hashes[split], alike_hashes[split], near_matches.get((split, split), {})
        )
        if sum(figures[split].values()):
            yield _repeats_finding(split, len(data), figures[split])
        if split != "train":
            leaks, leaking = _leaks_into_train(
                split, exact_hashes, alike_hashes, near_matches.get((split, "train"), {})
            )
            figures[f"{split} in train"] = leaks
            if len(leaking):
                yield _leak_finding(split, data, column, leaks, leaking)
    answers = _answer_hashes(rows, columns)
    if answers is not None:
        yield from _conflicts(rows, column, exact_hashes, answers, figures)
    yield from _shared_groups(rows)
    figures["near_duplicates"] = _near_settings(rows, threshold)
    report.figures["duplicates"] = figures


def _repeats_within(
    exact_hashes: Hashes, alike_hashes: Hashes, near_matches: dict[int, int]
) -> dict[str, int]:
    """Returns the number of rows whose text is in an earlier row of the split, each counted at its closest degree."""
    numbers = np.arange(len(exact_hashes))
    is_exact, is_alike = first_positions(exact_hashes) < numbers, first_positions(alike_hashes) < numbers
    return {
        "exact": int(is_exact.sum()),
        "alike": int((is_alike & ~is_exact).sum()),
        "near": sum(1 for number in near_matches if not is_alike[number]),
    }


def _leaks_into_train(
    split: str, exact_hashes: dict[str, Hashes], alike_hashes: dict[str, Hashes], near_matches: dict[int, int]
) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Counts the rows of a split whose text is in train, each at its closest degree.

    Returns:
        The counts by degree, with the number of distinct exact texts; and the numbers of these rows, exact ones first:
        int64 (rows,).
    """
    is_exact, is_alike = (
        np.isin(hashes_by_split[split], hashes_by_split["train"])
        for hashes_by_split in (exact_hashes, alike_hashes)
    )
    only_near = np.asarray([row for row in near_matches if not is_alike[row]], dtype=np.int64)
    counts = {
        "exact": int(is_exact.sum()),
        "alike": int((is_alike & ~is_exact).sum()),
        "near": len(only_near),
        "exact_texts": len(np.unique(exact_hashes[split][is_exact])),
    }
    rows = [np.flatnonzero(is_exact), np.flatnonzero(is_alike & ~is_exact), np.sort(only_near)]
    return counts, np.concatenate(rows).astype(np.int64)


def _degrees(counts: dict[str, int]) -> str:
    words = {
        "exact": "word for word",
        "alike": "apart from case, accents and punctuation",
        "near": "nearly",
    }
    return ", ".join(f"{counts[degree]} {how}" for degree, how in words.items() if counts[degree])


def _repeats_finding(split: str, rows: int, counts: dict[str, int]) -> Finding:
    total = sum(counts.values())
    helps = split == "train" and total > counts["near"]
    return note(
        Area.duplicates,
        f"{split}: {total} of {rows} rows repeat the text of an earlier row",
        found=_degrees(counts),
        fix=f"dataset.dedup=repeats leaves {total - counts['near']} of them out" if helps else None,
        count=total,
    )


def _leak_finding(
    split: str, data: Dataset, column: str, leaks: dict[str, int], leaking: NDArray[np.int64]
) -> Finding:
    """Returns a finding about rows of a split that are in train: a warning, but a note if they only resemble rows of train.

    Args:
        split: name of the scored split.
        data: rows of the split.
        column: text column.
        leaks: number of rows by degree.
        leaking: numbers of the rows, exact ones first.
    """
    total = len(leaking)
    sure = total - leaks["near"]
    quoted = listing(_example(text) for text in iter_texts(data.select(leaking[:3]), column))
    return (warning if sure else note)(
        Area.duplicates,
        f"{total} of {len(data)} rows of {split} "
        + ("are also in train, so their score partly measures memory" if sure else "resemble rows of train"),
        where=f"{split}, {leaks['exact_texts']} different texts word for word" if sure else split,
        found=f"{_degrees(leaks)}; such as {quoted}",
        fix=f"dataset.dedup=leaks leaves {sure} of them out of train" if sure else None,
        count=total,
    )


def _example(text: str) -> str:
    """Returns the beginning of a text, quoted."""
    return repr(text if len(text) <= EXAMPLE_CHARS else text[:EXAMPLE_CHARS] + "…")


def _near_duplicates(
    rows: Rows, column: str, alike_hashes: dict[str, Hashes], threshold: float | None
) -> dict[tuple[str, str], dict[int, int]]:
    """Returns, by (split, split that it resembles), each row with the row that it resembles."""
    if threshold is None:
        return {}
    texts: dict[int, str] = {}
    places: list[tuple[str, int]] = []
    seen: set[int] = set()
    for split, data in rows.splits.items():
        chosen = np.unique(np.linspace(0, len(data) - 1, min(len(data), MAX_NEAR_ROWS)).astype(np.int64))
        for row, text in zip(chosen.tolist(), iter_texts(data.select(chosen), column), strict=True):
            text_hash = int(alike_hashes[split][row])
            # Texts that are alike already count as duplicates: one of each group is enough for the slow search.
            if text_hash not in seen:
                seen.add(text_hash)
                texts[len(places)] = alike_form(text)
            places.append((split, row))
    matches: dict[tuple[str, str], dict[int, int]] = {}
    for earlier, later in near_duplicates(texts, threshold):
        (split, row), (other_split, other_row) = places[later], places[earlier]
        matches.setdefault((split, other_split), {})[row] = other_row
    return matches


def _near_settings(rows: Rows, threshold: float | None) -> dict[str, Any]:
    if threshold is None:
        return {"threshold": None}
    return {
        "threshold": threshold,
        "rows": {split: min(len(data), MAX_NEAR_ROWS) for split, data in rows.splits.items()},
    }


def _answer_hashes(rows: Rows, columns: Sequence[Column]) -> dict[str, Hashes] | None:
    """Returns hashes of the labels or tags of each row; None if a text may rightly have several answers."""
    target = next((column for column in columns if column.kind in (Kind.label, Kind.labels, Kind.tags)), None)
    if target is None:
        return None
    return {
        split: hashes(
            (
                " ".join(sorted(value) if target.kind is Kind.labels else value)
                if isinstance(value, list)
                else value
                for value in iter_column(data, target.role)
            ),
            str,
        )
        for split, data in rows.splits.items()
    }


def _conflicts(
    rows: Rows,
    column: str,
    exact_hashes: dict[str, Hashes],
    answers: dict[str, Hashes],
    figures: dict[str, Any],
) -> Iterator[Finding]:
    """Yields a finding about texts that have different labels in two rows of any splits."""
    texts, labels = (
        np.concatenate([hashes_by_split[split] for split in rows.splits])
        for hashes_by_split in (exact_hashes, answers)
    )
    # Sorted by text, then label: rows of one text are neighbours, and so are its different labels.
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
        index = int(np.searchsorted(starts, position, side="right")) - 1
        split = list(rows.splits)[index]
        row = rows.splits[split][int(position - starts[index])]
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
    """Yields findings about groups that are in train and another split, although they should stay together."""
    groups = {
        split: set(iter_column(data, "group"))
        for split, data in rows.splits.items()
        if "group" in data.column_names
    }
    for split, split_groups in groups.items():
        shared = split_groups & groups.get("train", set())
        if split != "train" and shared:
            yield warning(
                Area.duplicates,
                f"{len(shared)} groups are in both train and {split}",
                where="dataset.columns.group",
                found=listing(sorted(shared)),
                fix="make new splits: dataset.splits.validation=null dataset.splits.test=null",
                count=len(shared),
            )
