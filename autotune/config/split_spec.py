"""The grammar of `dataset.splits.<split>`: names of splits or files, each with an optional slice, joined by +.

`train[:10%]+validation` is the first tenth of the split train and all of the split validation.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from autotune.config.formats import DATA_SUFFIX

SPLITS = ("train", "validation", "test")
FILE_NAME = re.compile(f"/|{DATA_SUFFIX.pattern}", re.I)
"""Names that are files; all others are names of splits."""
_SLICE = re.compile(r"(?P<name>.+?)(?:\[(?P<first>\d+%?)?:(?P<last>\d+%?)?\])?")


@dataclass(frozen=True)
class Bound:
    """An end of a slice: a number of rows, or a percentage of them."""

    number: int
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"

    def position(self, rows: int) -> int:
        """Returns the bound as a row of a split that has so many rows."""
        return rows * self.number // 100 if self.percent else min(self.number, rows)


@dataclass(frozen=True)
class Slice:
    """Rows of a named split or file from `first` to `last`, which is exclusive."""

    name: str
    first: Bound | None = None
    last: Bound | None = None

    def __str__(self) -> str:
        bounds = [
            str(bound) if bound is not None and bound.number else "" for bound in (self.first, self.last)
        ]
        return f"{self.name}[{':'.join(bounds)}]"

    @property
    def is_whole(self) -> bool:
        """Whether neither end is given."""
        return self.first is None and self.last is None

    @property
    def is_valid(self) -> bool:
        """Whether there is a name, and what is in brackets at its end is a slice."""
        return self.name != "" and not self.name.endswith("]")

    def rows(self, count: int) -> range:
        """Returns the positions of the rows in a split of `count` rows."""
        first = self.first.position(count) if self.first is not None else 0
        return range(first, self.last.position(count) if self.last is not None else count)


def parse_split(split: str | None, is_file: Callable[[str], bool] | None = None) -> list[Slice]:
    """Returns the slices of a value; none for null. A name may be empty or end with an invalid slice.

    Args:
        split: value of `dataset.splits.<split>`.
        is_file: whether a file has this name, for file names that contain a +; without it, the name decides.
    """
    if split is None:
        return []
    parts = [part.strip() for part in split.split("+")]
    if is_file is not None:
        is_one_file = is_file(_parse_slice(split).name)
    else:
        is_one_file = FILE_NAME.search(split) is not None and not all(map(DATA_SUFFIX.search, parts))
    return [_parse_slice(part) for part in ([split.strip()] if is_one_file else parts)]


def _parse_slice(text: str) -> Slice:
    match = _SLICE.fullmatch(text)
    return Slice(match["name"], _bound(match["first"]), _bound(match["last"])) if match else Slice(text)


def _bound(text: str | None) -> Bound | None:
    return Bound(int(text.removesuffix("%")), text.endswith("%")) if text else None
