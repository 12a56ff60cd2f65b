"""Corrected labels: reads `dataset.label_fixes` and applies it to the rows of a run."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from autotune.config.columns import Column, Kind
from autotune.config.compression import suffix_of
from autotune.config.enums import Format
from autotune.config.formats import READABLE
from autotune.config.label_maps import normalize_label
from autotune.config.schema import DatasetConfig
from autotune.data.cache import cache_key, cached_table, iter_column, iter_rows
from autotune.data.formats.formulas import unguarded
from autotune.data.local import file_source, suggest_path
from autotune.data.spelling import same_spelling
from autotune.errors import DataError, listing, raise_all

KEY = "dataset.label_fixes"
NEEDED = ("id", "gold", "label")
CELLS = (*NEEDED, "split", "row")
"""Columns that are read; the last two are needed only where an id occurs more than once."""
MAX_ERRORS = 5
"""Most wrong lines that are reported together."""


class Place(NamedTuple):
    """Where a row is."""

    split: str
    position: int
    """Its number in the split, from 0."""


@dataclass(frozen=True)
class Fixed:
    """Rows with corrected labels."""

    splits: dict[str, Dataset]
    notes: list[str]
    source: dict[str, Any]
    """JSON: file, its SHA-256, number of corrected labels by split."""


def fix_labels(
    splits: Mapping[str, Dataset],
    config: DatasetConfig,
    columns: Sequence[Column],
    fingerprints: Mapping[str, str],
    cache: Path,
) -> Fixed:
    """Returns the rows with the labels of `dataset.label_fixes`.

    Args:
        splits: the rows, all splits made, so that corrections do not change which rows are in which split.
        config: the section `dataset`.
        columns: columns of the task, one of them a label.
        fingerprints: fingerprint of each split.
        cache: folder for tables.

    Raises:
        DataError: the file cannot be read; a row does not exist, has another label than the file says, or would get one
            that no row has.
    """
    file = Path(str(config.label_fixes)).expanduser()
    role = next(column.role for column in columns if column.kind is Kind.label)
    index = _Index(splits, role, config)
    fixes: dict[Place, str] = {}
    errors: list[DataError] = []
    for number, row in enumerate(_read(file, config)):
        where = f"{file}, row {number}"
        fix = index.fix(row, where)
        if isinstance(fix, DataError):
            errors.append(fix)
        elif fix is not None and fixes.setdefault(*fix) != fix[1]:
            errors.append(
                DataError(
                    "an earlier line gives the row another label",
                    where=where,
                    found=f"id {row['id']}: {fixes[fix[0]]!r}, now {fix[1]!r}",
                    fix="delete one of the lines",
                )
            )
    raise_all(errors[:MAX_ERRORS])
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    counts = {split: sum(place.split == split for place in fixes) for split in splits}
    fixed = {
        split: _with_labels(
            data, role, {place.position: label for place, label in fixes.items() if place.split == split},
            cache, f"rows-{cache_key(KEY, fingerprints[split], digest)}",
        )
        if counts[split] else data
        for split, data in splits.items()
    }  # fmt: skip
    notes = [
        f"{split}: labels that {KEY} corrected: {count}" for split, count in counts.items() if count
    ] or [f"{KEY} corrects no label: its column `label` is empty, or equal to `gold`"]
    if index.left_out:
        notes.append(f"{KEY}: rows that dataset.limit or dataset.fold leaves out: {index.left_out}")
    return Fixed(fixed, notes, {"file": str(config.label_fixes), "sha256": digest, "labels": counts})


class _Index:
    """Finds the row that a line of the file is about.

    Args:
        splits: all rows.
        role: column of the label.
        config: the section `dataset`.
    """

    def __init__(self, splits: Mapping[str, Dataset], role: str, config: DatasetConfig) -> None:
        self._config = config
        self.left_out = 0
        """Number of lines about rows that do not exist because of `dataset.limit`, or in a test split that is not read."""
        self._gold = {split: list(iter_column(data, role)) for split, data in splits.items()}
        self._labels = sorted(
            {label for labels in self._gold.values() for label in labels} | set(config.labels or ())
        )
        self._places: dict[str, list[Place]] = {}
        for split, data in splits.items():
            for position, name in enumerate(iter_column(data, "id")):
                self._places.setdefault(name, []).append(Place(split, position))

    def fix(self, row: Mapping[str, str | None], where: str) -> tuple[Place, str] | DataError | None:
        """Returns the place and the new label of a line; None if it changes nothing; an error if it is wrong."""
        label = row["label"]
        if label is None or label == row["gold"]:
            return None
        place = self._place(row, where)
        if not isinstance(place, Place):
            return place
        gold = self._gold[place.split][place.position]
        if gold != row["gold"]:
            return DataError(
                "the row has another label than the file says, so the file was made for other data",
                where=where,
                found=f"gold {row['gold']!r}; the label of id {row['id']} in {place.split} is {gold!r}",
                fix="make the file again: autotune suspects",
            )
        if label not in self._labels:
            similar = same_spelling(label, self._labels)
            return DataError(
                f"no row has the label {label!r}",
                where=f"{where}, column label",
                found=f"labels of the data: {listing(self._labels)}",
                fix=f"{similar!r}?" if similar else "one of these; a new class: dataset.labels=[…]",
            )
        return place, label

    def _place(self, row: Mapping[str, str | None], where: str) -> Place | DataError | None:
        places = self._places.get(str(row["id"]), [])
        if row.get("split") is not None:
            in_split = [place for place in places if place.split == row["split"]]
            # A fold takes its rows out of train, in which they were when the file was made.
            places = in_split if in_split or self._config.fold is None else places
        if len(places) > 1:
            places = [place for place in places if str(place.position) == row.get("row")] or places
        if len(places) == 1:
            return places[0]
        if places:
            return DataError(
                f"{len(places)} rows have this id",
                where=where,
                found=f"id {row['id']}: {listing(f'{place.split} row {place.position}' for place in places)}",
                fix="columns `split` and `row` in the file, or dataset.columns.id=COLUMN with ids that differ",
            )
        if self._config.limit is not None or self._config.fold is not None:
            self.left_out += 1
            return None
        return DataError(
            "there is no such row",
            where=where,
            found=f"id {row['id']}" + (f" in {row['split']}" if row.get("split") is not None else ""),
            fix="correct the id, or delete the line",
        )


def _read(file: Path, config: DatasetConfig) -> Iterator[dict[str, str | None]]:
    """Yields the lines of the file as texts; None is an empty cell."""
    if not file.is_file():
        raise DataError("there is no such file", where=f"{KEY}={file}", fix=suggest_path(file))
    form = READABLE.get(suffix_of(file), Format.csv)
    reading = replace(config, path=str(file), format=form, delimiter=None, header=True)
    for row in file_source(file, reading).raw([]):
        missing = [name for name in NEEDED if name not in row]
        if missing:
            raise DataError(
                f"the file of corrected labels has no column {listing(missing)}",
                where=str(file),
                found=f"columns: {listing(row)}",
                fix="columns id, gold (the label so far) and label (the right one), as autotune suspects writes them",
            )
        cells = {name: "" if row.get(name) is None else unguarded(str(row[name]).strip()) for name in CELLS}
        labels = {name: normalize_label(cells[name]) for name in ("gold", "label")}
        yield {name: cell or None for name, cell in cells.items()} | labels


def _with_labels(data: Dataset, role: str, labels: Mapping[int, str], cache: Path, key: str) -> Dataset:
    """Returns rows with other labels, by position."""

    def rows() -> Iterator[dict[str, Any]]:
        for position, row in enumerate(iter_rows(data)):
            yield {**row, role: labels.get(position, row[role])}

    return cached_table(cache, key, rows, data.features)
