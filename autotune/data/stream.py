"""Train sets larger than the disk: read section by section, each kept only while it is trained on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.data.local import Source
from autotune.errors import DataError


def slice_source(source: Source, first: int, rows: int) -> Source:
    """Returns a source with `rows` raw rows, starting at row number `first`."""

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return islice(iter(source.raw(notes)), first, first + rows)

    return replace(
        source,
        raw=raw,
        line=source.line if first == 0 else None,
        identity=f"{source.identity} {first} {rows}",
    )


class Sections:
    """Gives the sections of a train set by number; a section has the same rows on every call.

    Args:
        whole: the train set.
        rows: rows per section; the last may have fewer.
        read: converts a slice of the train set to canonical rows on disk.
        first: section 0, which is never removed.
    """

    def __init__(self, whole: Source, rows: int, read: Callable[[Source], Dataset], first: Dataset) -> None:
        self.whole, self.rows, self.read, self.first = whole, rows, read, first
        self.count: int | None = None
        """Number of sections, known once the last has been passed."""
        self._kept: tuple[int, Dataset] = (0, first)
        self._stream: Iterator[Mapping[str, Any]] = iter(())
        self._position = -1
        """Number of the next raw row of the stream; negative before it is opened."""

    def __call__(self, number: int) -> Dataset:
        """Returns a section and removes the previous one from the disk; after the last, section 0 follows again.

        Raises:
            DataError: rows cannot be read, or every row of the section was left out.
        """
        index = number if self.count is None else number % self.count
        if index == self._kept[0]:
            return self._kept[1]
        if self._kept[0]:
            delete_cached_files(self._kept[1])
        self._kept = (0, self.first)
        if index == 0:
            return self.first
        start = index * self.rows
        # Reads one row ahead to find out whether the section exists: the length of a stream is unknown.
        head = list(islice(self._stream_from(start), 1))
        self._position += len(head)
        if not head:
            self.count = index
            return self(number)
        data = self.read(self._source(index, head))
        if not len(data):
            raise DataError(
                f"no row of section {index} of train is left",
                where=f"{self.whole.where}, rows {start} to {start + self.rows - 1}",
                fix=f"dataset.section_rows={10 * self.rows}",
            )
        self._kept = (index, data)
        return data

    def _source(self, index: int, head: list[Mapping[str, Any]]) -> Source:
        """Returns the source of a section's raw rows; it continues the open stream, so no row is read twice."""
        start = index * self.rows

        def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
            yield from head
            for row in islice(self._stream_from(start + len(head)), self.rows - len(head)):
                self._position += 1
                yield row

        where = f"{self.whole.where}, section {index} (from row {start})"
        return Source(raw, f"{self.whole.identity} {start} {self.rows}", where)

    def _stream_from(self, position: int) -> Iterator[Mapping[str, Any]]:
        """Returns the stream at a position; reopens it if it has already passed that position."""
        if not 0 <= self._position <= position:
            self._stream, self._position = iter(self.whole.raw([])), 0
        for _ in islice(self._stream, position - self._position):
            self._position += 1
        return self._stream


def delete_cached_files(data: Dataset | None) -> None:
    """Deletes the files of a table; open memory maps remain readable."""
    for file in data.cache_files if data is not None else ():
        Path(file["filename"]).unlink(missing_ok=True)
