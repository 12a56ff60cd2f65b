"""Train sets larger than the disk: read section by section, each kept only while it is learned from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.data.local import Source
from autotune.errors import DataError


def part_of(source: Source, first: int, rows: int) -> Source:
    """Some raw rows of a source, from the one with the number `first`."""

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return islice(iter(source.raw(notes)), first, first + rows)

    return replace(
        source,
        raw=raw,
        line=source.line if first == 0 else None,
        identity=f"{source.identity} {first} {rows}",
    )


class Sections:
    """The sections of a train set, by number; a section is the same however often and whenever it is asked for.

    Args:
        whole: the train set.
        rows: of a section; the last may have fewer.
        read: makes canonical rows of a part of it, kept on disk.
        first: the section with the number 0, which stays.
    """

    def __init__(self, whole: Source, rows: int, read: Callable[[Source], Dataset], first: Dataset) -> None:
        self.whole, self.rows, self.read, self.first = whole, rows, read, first
        self.count: int | None = None
        """Of sections, known once the last has been passed."""
        self._kept: tuple[int, Dataset] = (0, first)
        self._stream: Iterator[Mapping[str, Any]] = iter(())
        self._position = -1
        """Number of the raw row that the stream gives next; negative before it is opened."""

    def __call__(self, number: int) -> Dataset:
        """A section; those behind the last begin anew with 0. The one before is removed from the disk.

        Raises:
            DataError: rows that cannot be read, or none that is not left out.
        """
        place = number if self.count is None else number % self.count
        if place == self._kept[0]:
            return self._kept[1]
        if self._kept[0]:
            delete_cached_files(self._kept[1])
        self._kept = (0, self.first)
        if place == 0:
            return self.first
        began = place * self.rows
        ahead = list(islice(self._from(began), 1))
        self._position += len(ahead)
        if not ahead:
            self.count = place
            return self(number)
        data = self.read(self._source(place, ahead))
        if not len(data):
            raise DataError(
                f"no row of section {place} of train is left",
                where=f"{self.whole.where}, rows {began} to {began + self.rows - 1}",
                fix=f"dataset.section_rows={10 * self.rows}",
            )
        self._kept = (place, data)
        return data

    def _source(self, place: int, ahead: list[Mapping[str, Any]]) -> Source:
        """The raw rows of a section; the stream goes on where it stands, so that nothing is read twice."""
        began = place * self.rows

        def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
            yield from ahead
            for row in islice(self._from(began + len(ahead)), self.rows - len(ahead)):
                self._position += 1
                yield row

        where = f"{self.whole.where}, section {place} (from row {began})"
        return Source(raw, f"{self.whole.identity} {began} {self.rows}", where)

    def _from(self, position: int) -> Iterator[Mapping[str, Any]]:
        """The stream at a position, opened anew where it is behind it."""
        if not 0 <= self._position <= position:
            self._stream, self._position = iter(self.whole.raw([])), 0
        for _ in islice(self._stream, position - self._position):
            self._position += 1
        return self._stream


def delete_cached_files(data: Dataset | None) -> None:
    """Removes the files of a table; what has been mapped into memory stays readable."""
    for file in data.cache_files if data is not None else ():
        Path(file["filename"]).unlink(missing_ok=True)
