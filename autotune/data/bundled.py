"""The rows of a bundle: all splits as they were read, sliced and made, so that their sources are not needed again."""

import json
from pathlib import Path
from typing import Any, get_type_hints

from datasets import Dataset
from pydantic import create_model

from autotune.data.cache import cached_table, iter_rows
from autotune.data.sources import Rows
from autotune.runtime.records import Record, read_record

ABOUT = "rows.json"
"""Everything about the rows but the tables and train sets that stream."""
FIELDS: dict[str, Any] = {
    name: (hint, ...) for name, hint in get_type_hints(Rows).items() if name not in ("splits", "sections")
}
"""Fields of `Rows` that are JSON, each with its type."""

RowsRecord = create_model("RowsRecord", __base__=Record, splits=(list[str], ...), **FIELDS)
"""Schema of rows.json."""


def write_rows(rows: Rows, folder: Path) -> None:
    """Writes rows into an existing folder, for `read_rows`."""
    for split, data in rows.splits.items():
        cached_table(folder, split, lambda data=data: iter_rows(data), data.features)  # type: ignore[misc]
    about = {name: getattr(rows, name) for name in FIELDS} | {"splits": list(rows.splits)}
    (folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_rows(folder: Path) -> Rows:
    """Returns the rows of a folder that `write_rows` filled; tables are memory-mapped.

    Raises:
        ModelError: a file is missing or not as it was written.
    """
    about = read_record(folder / ABOUT, RowsRecord, fix="make the bundle again", needed=True) or {}
    splits = {split: Dataset.from_file(str(folder / f"{split}.arrow")) for split in about.pop("splits")}
    return Rows(splits, **{name: about[name] for name in FIELDS})
