"""What `dataset.splits.<split>` says: names of splits or files, each with a slice, joined by +."""

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
    """Rows of one split, from the first to the last, which is exclusive; positions are counts or percentages."""

    name: str
    first: str | None = None
    last: str | None = None

    def of(self, data: Dataset) -> Dataset:
        """These rows of the whole split."""
        if self.first is None and self.last is None:
            return data
        rows = range(self._position(self.first, 0, data), self._position(self.last, len(data), data))
        return data.select(rows or [])  # select refuses an empty range that begins behind the last row

    @staticmethod
    def _position(text: str | None, default: int, data: Dataset) -> int:
        if text is None:
            return default
        return len(data) * int(text[:-1]) // 100 if text.endswith("%") else min(int(text), len(data))


def parts(split: str | None, folder: Path) -> list[Part]:
    """The parts of `train[:10%]+validation`; none for null.

    Args:
        split: value of `dataset.splits.<split>`.
        folder: where files may be that it names; the name of a file may hold a +.

    Raises:
        DataError: what stands in brackets is no slice.
    """
    if split is None:
        return []
    whole = SLICE.fullmatch(split)
    name = whole["name"] if whole is not None else split
    one = Path(name).exists() or (folder / name).exists()
    return [_part(piece.strip(), split) for piece in ([split] if one else split.split("+"))]


def joined(pieces: Sequence[tuple[Part, Dataset]]) -> Dataset:
    """The rows of several parts, out of whole splits, one behind the other; ids that repeat get the part's name."""
    taken = [part.of(data) for part, data in pieces]
    if len(taken) == 1:
        return taken[0]
    ids = [list(data["id"]) for data in taken]
    if len(set(chain(*ids))) < sum(map(len, ids)):
        named = [[f"{part.name}:{one}" for one in own] for (part, _), own in zip(pieces, ids, strict=True)]
        taken = [
            data.remove_columns("id").add_column("id", own) for data, own in zip(taken, named, strict=True)
        ]
    return concatenate_datasets(taken)


def _part(text: str, split: str) -> Part:
    found = SLICE.fullmatch(text)
    if found is not None:
        return Part(found["name"], found["first"], found["last"])
    if not text or (text.endswith("]") and not Path(text).exists()):
        raise DataError(
            "what stands in brackets is no slice" if text else "a + has nothing on one side",
            where="dataset.splits",
            found=split,
            fix="train[:1000], train[1000:], train[:10%], train[10%:20%] or a sum, train[:10%]+validation",
        )
    return Part(text)
