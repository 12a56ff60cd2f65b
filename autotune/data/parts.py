"""Reads `dataset.splits.<split>` against the files that exist, and selects and concatenates its rows."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from datasets import Dataset, concatenate_datasets

from autotune.config.split_spec import Slice, parse_split
from autotune.errors import DataError


def parts_of(split: str | None, folder: Path) -> list[Slice]:
    """Returns the parts of a value such as `train[:10%]+validation`; none for null.

    Args:
        split: value of `dataset.splits.<split>`.
        folder: folder that may contain a file of this name; a file name may contain a +.

    Raises:
        DataError: invalid slice.
    """
    parts = parse_split(split, lambda name: Path(name).exists() or (folder / name).exists())
    for part in parts:
        if not part.is_valid and not (part.name and Path(part.name).exists()):
            raise DataError(
                "invalid slice" if part.name else "a + has nothing on one side",
                where="dataset.splits",
                found=split,
                fix="train[:1000], train[1000:], train[:10%], train[10%:20%] or a sum, train[:10%]+validation",
            )
    return parts


def _select(part: Slice, data: Dataset) -> Dataset:
    if part.is_whole:
        return data
    return data.select(
        part.rows(len(data)) or []
    )  # select refuses an empty range that begins behind the last row


def concatenate_parts(pieces: Sequence[tuple[Slice, Dataset]]) -> Dataset:
    """Concatenates the rows of several parts, given their whole splits; prefixes ids with the part's name if they repeat."""
    tables = [_select(part, data) for part, data in pieces]
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
