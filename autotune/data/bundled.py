"""The rows of a bundle: all splits as they were read, sliced and made, so that their sources are not needed again."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.data.cache import cached_table, iter_rows
from autotune.data.sources import Rows
from autotune.runtime.records import Record, read_record

ABOUT = "rows.json"
"""Everything about the rows but the tables and train sets that stream."""
NOT_JSON = ("splits", "sections")


class RowsRecord(Record):
    """Schema of rows.json."""

    notes: list[str]
    fingerprint: str
    by_split: dict[str, str]
    names: list[str]
    unused: dict[str, str | None]
    source: dict[str, Any]
    columns: dict[str, dict[str, dict[str, str]]]
    splits: list[str]


def write_rows(rows: Rows, folder: Path) -> None:
    """Writes rows into an existing folder, for `read_rows`."""
    for split, data in rows.splits.items():
        cached_table(folder, split, lambda data=data: iter_rows(data), data.features)  # type: ignore[misc]
    about = {
        field.name: getattr(rows, field.name) for field in fields(rows) if field.name not in NOT_JSON
    } | {"splits": list(rows.splits)}
    (folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_rows(folder: Path) -> Rows:
    """Returns the rows of a folder that `write_rows` filled; tables are memory-mapped.

    Raises:
        ModelError: a file is missing or not as it was written.
    """
    about = read_record(folder / ABOUT, RowsRecord, fix="make the bundle again", needed=True) or {}
    splits = {split: Dataset.from_file(str(folder / f"{split}.arrow")) for split in about.pop("splits")}
    return Rows(
        splits, **{field.name: about[field.name] for field in fields(Rows) if field.name not in NOT_JSON}
    )
