"""Parses `dataset.splits.<split>`: names of splits or files, each with an optional slice, joined by +."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from datasets import Dataset, concatenate_datasets

from autotune.errors import DataError

SLICE = re.compile(r"(?P<name>.+?)\[(?P<first>\d+%?)?:(?P<last>\d+%?)?\]")


@dataclass(frozen=True)
class Part:
    """A slice of one split: rows [first, last), as counts or percentages."""

    name: str
    first: str | None = None
    last: str | None = None

    def select(self, data: Dataset) -> Dataset:
        """Returns the rows of this part, given the whole split."""
        if self.first is None and self.last is None:
            return data
        rows = range(self._position(self.first, 0, data), self._position(self.last, len(data), data))
        return data.select(rows or [])  # select refuses an empty range that begins behind the last row

    @staticmethod
    def _position(text: str | None, default: int, data: Dataset) -> int:
        if text is None:
            return default
        return len(data) * int(text[:-1]) // 100 if text.endswith("%") else min(int(text), len(data))


def parse_split(split: str | None, folder: Path) -> list[Part]:
    """Returns the parts of a value such as `train[:10%]+validation`; none for null.

    Args:
        split: value of `dataset.splits.<split>`.
        folder: folder that may contain a file of this name; a file name may contain a +.

    Raises:
        DataError: invalid slice.
    """
    if split is None:
        return []
    match = SLICE.fullmatch(split)
    name = match["name"] if match is not None else split
    is_file = Path(name).exists() or (folder / name).exists()
    return [_parse_part(text.strip(), split) for text in ([split] if is_file else split.split("+"))]


def concatenate_parts(pieces: Sequence[tuple[Part, Dataset]]) -> Dataset:
    """Concatenates the rows of several parts, given their whole splits; prefixes ids with the part's name if they repeat."""
    tables = [part.select(data) for part, data in pieces]
    if len(tables) == 1:
        return tables[0]
    ids = [list(data["id"]) for data in tables]
    if len(set(chain(*ids))) < sum(map(len, ids)):
        named = [
            [f"{part.name}:{row_id}" for row_id in ids_of_part]
            for (part, _), ids_of_part in zip(pieces, ids, strict=True)
        ]
        tables = [
            data.remove_columns("id").add_column("id", ids_of_part)
            for data, ids_of_part in zip(tables, named, strict=True)
        ]
    return concatenate_datasets(tables)


def _parse_part(text: str, split: str) -> Part:
    match = SLICE.fullmatch(text)
    if match is not None:
        return Part(match["name"], match["first"], match["last"])
    if not text or (text.endswith("]") and not Path(text).exists()):
        raise DataError(
            "invalid slice" if text else "a + has nothing on one side",
            where="dataset.splits",
            found=split,
            fix="train[:1000], train[1000:], train[:10%], train[10%:20%] or a sum, train[:10%]+validation",
        )
    return Part(text)
