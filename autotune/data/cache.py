"""Tables of rows on disk: written once, memory-mapped afterwards, so that memory does not grow with the data."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.files import PRIVATE, writing

if TYPE_CHECKING:
    from datasets import Dataset, Features

BATCH = 1000
"""Rows of one record batch."""


def key(*parts: Any) -> str:
    """24 hexadecimal digits of the SHA-256 of JSON parts."""
    # Keys of one dict may be numbers and text, which cannot be sorted until JSON has made text of them.
    text = json.dumps(json.loads(json.dumps(parts, default=str)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def cached_table(
    cache: Path, key: str, rows: Callable[[], Iterable[Mapping[str, Any]]], features: "Features | None" = None
) -> "Dataset":
    """The table of this key; `rows` is called only when it is not there yet.

    Args:
        cache: folder of the tables.
        key: of everything that the rows depend on.
        rows: makes the rows, all with the same keys.
        features: types of columns that the rows may have; None lets Arrow infer them from the first rows.

    Raises:
        DiskError: the cache cannot be written.
    """
    from datasets import Dataset

    path = cache / f"{key}.arrow"
    if not path.exists():
        with writing(cache):
            cache.mkdir(PRIVATE, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            _write(beside, iter(rows()), features)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    return Dataset.from_file(str(path))


def records(data: "Dataset") -> Iterator[dict[str, Any]]:
    """Rows as Python objects, read in batches: many times faster than one by one, and memory stays small."""
    for table in data.with_format("arrow").iter(10 * BATCH):
        yield from table.to_pylist()


def values(data: "Dataset", column: str) -> Iterator[Any]:
    """The values of one column, likewise."""
    for table in data.select_columns(column).with_format("arrow").iter(10 * BATCH):
        yield from table[column].to_pylist()


def _write(path: Path, rows: Any, features: "Features | None") -> None:
    import pyarrow as pa

    schema = None
    writer = None
    with pa.OSFile(str(path), "wb") as sink:
        while True:
            chunk = list(islice(rows, BATCH))
            if not chunk and writer is not None:
                break
            if writer is None and features is not None:
                first = chunk[0] if chunk else {}
                schema = pa.schema([field for field in features.arrow_schema if field.name in first])
            table = pa.Table.from_pylist([dict(row) for row in chunk], schema=schema)
            with writing(path):
                if writer is None:
                    schema = table.schema
                    writer = pa.ipc.new_stream(sink, schema)
                writer.write_table(table)
            if not chunk:
                break
        with writing(path):
            writer.close()
