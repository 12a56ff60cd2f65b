"""Tables of rows on disk: written once, then memory-mapped, so memory does not grow with the data.

KEY.arrow is an Arrow stream with a footer that Arrow readers ignore: JSON metadata of the rows, its length in 8 bytes,
and the SHA-256 of everything before. It is verified before a table is used; a damaged table is made again.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from autotune.data.cache_use import build_once, hold
from autotune.runtime import signals
from autotune.runtime.files import disk_errors, fsync_path, make_folder

if TYPE_CHECKING:
    from datasets import Dataset, Features

logger = logging.getLogger(__name__)

BATCH = 1000
"""Rows per record batch."""
LENGTH_BYTES, DIGEST_BYTES = 8, 32
"""Bytes at the end of a table: the length of its JSON, big-endian, and the SHA-256 of everything before."""


def cache_key(*parts: Any) -> str:
    """Returns 24 hexadecimal digits of the SHA-256 of values that JSON can hold."""
    # The keys of one dict may be numbers and strings, which cannot be sorted until JSON has turned them all into strings.
    text = json.dumps(json.loads(json.dumps(parts, default=str)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def cached_table(
    cache: Path, key: str, rows: Callable[[], Iterable[Mapping[str, Any]]], features: "Features | None" = None
) -> "Dataset":
    """Returns the table of this key; see `cached_table_with_metadata`."""
    return cached_table_with_metadata(cache, key, rows, features, lambda: None)[0]


def cached_table_with_metadata(
    cache: Path,
    key: str,
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    features: "Features | None",
    make_metadata: Callable[[], Any],
) -> tuple["Dataset", Any]:
    """Returns the table of this key and its metadata; calls `rows` only if there is no intact table.

    Args:
        cache: folder of the tables.
        key: key of everything that the rows depend on.
        rows: makes the rows, all with the same keys.
        features: types of columns that the rows may have; None lets Arrow infer them from the first rows.
        make_metadata: makes the JSON metadata; called after all rows have been made.

    Raises:
        DiskError: the cache cannot be written.
    """
    from datasets import Dataset

    path = cache / f"{key}.arrow"
    hold(path)
    try:
        metadata = _read_metadata(path)
    except (OSError, ValueError):
        with build_once(path):
            try:  # another process may have built it meanwhile
                metadata = _read_metadata(path)
            except (FileNotFoundError, NotADirectoryError):
                metadata = _create_table(path, rows, features, make_metadata)
            except (OSError, ValueError) as error:
                logger.warning("the cached table %s cannot be used: %s; it is made again", path, error)
                metadata = _create_table(path, rows, features, make_metadata)
    return Dataset.from_file(str(path)), metadata


def iter_rows(data: "Dataset") -> Iterator[dict[str, Any]]:
    """Yields rows as Python objects, read in batches: many times faster than one by one, with constant memory."""
    for table in data.with_format("arrow").iter(10 * BATCH):
        signals.raise_if_stopped()
        yield from table.to_pylist()


def iter_column(data: "Dataset", column: str) -> Iterator[Any]:
    """Yields the values of one column, read in batches."""
    # Computing a fingerprint, which nothing reads here, takes longer than reading a few rows.
    for table in data.select_columns(column, new_fingerprint="unused").with_format("arrow").iter(10 * BATCH):
        signals.raise_if_stopped()
        yield from table[column].to_pylist()


def _create_table(
    path: Path,
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    features: "Features | None",
    make_metadata: Callable[[], Any],
) -> Any:
    """Writes a table to a temporary file, renames it into place and returns its metadata."""
    with disk_errors(path.parent):
        make_folder(path.parent)
    # Where there are no locks, another process may build it, too, and on a shared disk that of another machine.
    temporary = path.with_name(f".{path.name}.{int.from_bytes(os.urandom(8))}.part")
    try:
        _write(temporary, iter(rows()), features)
        metadata = make_metadata()
        with disk_errors(path):
            _append_footer(temporary, metadata)
            # The content must be on disk before the rename, and the folder after it: otherwise a power cut may leave
            # a truncated table under the final name.
            fsync_path(temporary)
            os.replace(temporary, path)
            fsync_path(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return metadata


def _append_footer(path: Path, metadata: Any) -> None:
    text = json.dumps(metadata, ensure_ascii=False).encode()
    with path.open("r+b") as file:
        digest = _digest(file, path.stat().st_size)
        footer = text + len(text).to_bytes(LENGTH_BYTES)
        digest.update(footer)
        file.write(footer + digest.digest())


def _read_metadata(path: Path) -> Any:
    """Reads the JSON metadata of a table and verifies its digest.

    Raises:
        OSError: the table cannot be read.
        ValueError: the table is damaged.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        digest = _digest(file, size - DIGEST_BYTES)
        if size < LENGTH_BYTES + DIGEST_BYTES or file.read() != digest.digest():
            raise ValueError(f"its {size} bytes are not those that were written")
        file.seek(size - DIGEST_BYTES - LENGTH_BYTES)
        length = int.from_bytes(file.read(LENGTH_BYTES))
        file.seek(size - DIGEST_BYTES - LENGTH_BYTES - length)
        return json.loads(file.read(length))


def _digest(file: IO[bytes], count: int) -> "hashlib._Hash":
    """Returns the SHA-256 of the next `count` bytes, or fewer if the file ends before."""
    digest = hashlib.sha256()
    while count > 0 and (block := file.read(min(count, 1 << 20))):
        digest.update(block)
        count -= len(block)
    return digest


def _write(path: Path, rows: Any, features: "Features | None") -> None:
    """Writes rows as an Arrow stream; without rows, an empty table."""
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
