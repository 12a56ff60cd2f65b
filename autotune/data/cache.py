"""Tables of rows on disk: written once, memory-mapped afterwards, so that memory does not grow with the data.

KEY.arrow is an Arrow stream and a footer that readers of Arrow do not look at: JSON about the rows, its length in 8 bytes,
and the SHA-256 of all of that. It is compared before a table is used: what is damaged is made again.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from autotune.data.cache_use import hold
from autotune.runtime import signals
from autotune.runtime.files import disk_errors, fsync_path, make_folder

if TYPE_CHECKING:
    from datasets import Dataset, Features

logger = logging.getLogger(__name__)

BATCH = 1000
"""Rows of one record batch."""
LENGTH, DIGEST = 8, 32
"""Bytes at the end of a table: the length of its JSON, big-endian, and the SHA-256 of all before."""


def cache_key(*parts: Any) -> str:
    """24 hexadecimal digits of the SHA-256 of JSON parts."""
    # Keys of one dict may be numbers and text, which cannot be sorted until JSON has made text of them.
    text = json.dumps(json.loads(json.dumps(parts, default=str)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def cached_table(
    cache: Path, key: str, rows: Callable[[], Iterable[Mapping[str, Any]]], features: "Features | None" = None
) -> "Dataset":
    """The table of this key; see `cached_table_with`."""
    return cached_table_with(cache, key, rows, features, lambda: None)[0]


def cached_table_with(
    cache: Path,
    key: str,
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    features: "Features | None",
    about: Callable[[], Any],
) -> tuple["Dataset", Any]:
    """The table of this key, and JSON about it; `rows` is called only where there is none that is whole.

    Args:
        cache: folder of the tables.
        key: of everything that the rows depend on.
        rows: makes the rows, all with the same keys.
        features: types of columns that the rows may have; None lets Arrow infer them from the first rows.
        about: makes the JSON, when all rows have been made.

    Raises:
        DiskError: the cache cannot be written.
    """
    from datasets import Dataset

    path = cache / f"{key}.arrow"
    hold(path)
    try:
        known = _read_about(path)
    except (FileNotFoundError, NotADirectoryError):
        known = _make(path, rows, features, about)
    except (OSError, ValueError) as error:
        logger.warning("the cached table %s cannot be used: %s; it is made again", path, error)
        known = _make(path, rows, features, about)
    return Dataset.from_file(str(path)), known


def iter_rows(data: "Dataset") -> Iterator[dict[str, Any]]:
    """Rows as Python objects, read in batches: many times faster than one by one, and memory stays small."""
    for table in data.with_format("arrow").iter(10 * BATCH):
        signals.raise_if_stopped()
        yield from table.to_pylist()


def iter_column(data: "Dataset", column: str) -> Iterator[Any]:
    """The values of one column, likewise."""
    for table in data.select_columns(column).with_format("arrow").iter(10 * BATCH):
        signals.raise_if_stopped()
        yield from table[column].to_pylist()


def _make(
    path: Path,
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    features: "Features | None",
    about: Callable[[], Any],
) -> Any:
    """Writes a table beside and puts it into place; what is known about it is returned."""
    with disk_errors(path.parent):
        make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write(beside, iter(rows()), features)
        known = about()
        with disk_errors(path):
            _write_footer(beside, known)
            fsync_path(beside)
            os.replace(beside, path)
            fsync_path(path.parent)
    finally:
        beside.unlink(missing_ok=True)
    return known


def _write_footer(path: Path, about: Any) -> None:
    text = json.dumps(about, ensure_ascii=False).encode()
    with path.open("r+b") as file:
        digest = _digest(file, path.stat().st_size)
        footer = text + len(text).to_bytes(LENGTH)
        digest.update(footer)
        file.write(footer + digest.digest())


def _read_about(path: Path) -> Any:
    """The JSON about a table.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not as it was written.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        digest = _digest(file, size - DIGEST)
        if size < LENGTH + DIGEST or file.read() != digest.digest():
            raise ValueError(f"its {size} bytes are not those that were written")
        file.seek(size - DIGEST - LENGTH)
        length = int.from_bytes(file.read(LENGTH))
        file.seek(size - DIGEST - LENGTH - length)
        return json.loads(file.read(length))


def _digest(file: IO[bytes], count: int) -> "hashlib._Hash":
    """SHA-256 of the next bytes, up to `count`."""
    digest = hashlib.sha256()
    while count > 0 and (part := file.read(min(count, 1 << 20))):
        digest.update(part)
        count -= len(part)
    return digest


def _write(path: Path, rows: Any, features: "Features | None") -> None:
    import pyarrow as pa

    schema = None
    writer = None
    with pa.OSFile(str(path), "wb") as sink:
        while True:
            signals.raise_if_stopped()
            chunk = list(islice(rows, BATCH))
            if not chunk and writer is not None:
                break
            if writer is None and features is not None:
                first = chunk[0] if chunk else {}
                schema = pa.schema([field for field in features.arrow_schema if field.name in first])
            table = pa.Table.from_pylist([dict(row) for row in chunk], schema=schema)
            with disk_errors(path):
                if writer is None:
                    schema = table.schema
                    writer = pa.ipc.new_stream(sink, schema)
                writer.write_table(table)
            if not chunk:
                break
        with disk_errors(path):
            writer.close()
