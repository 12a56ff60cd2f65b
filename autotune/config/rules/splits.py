"""No row is in two splits, as far as their names and slices tell."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from autotune.config.schema import RunConfig, SplitsConfig
from autotune.errors import AutotuneError, ConfigError, format_override

SPLITS = ("train", "validation", "test")
PIECE = re.compile(r"(?P<name>.+?)(?:\[(?:(?P<first>\d+)(?P<a>%?))?:(?:(?P<last>\d+)(?P<b>%?))?\])?")
SUFFIX = re.compile(
    r"\.(csv|tsv|jsonl?|ndjson|parquet|arrow|xls[xm]|conllu?|bio|iob|fasttext)(\.(gz|bz2|xz))?(\[[^]]*\])?$",
    re.I,
)
FILE = re.compile(f"/|{SUFFIX.pattern}", re.I)
"""Names that are files; others are splits."""


@dataclass(frozen=True)
class Slice:
    """Rows of a named split, from the first to the last, which is exclusive."""

    name: str
    first: int = 0
    last: int | None = None
    unit: str | None = None
    """% or nothing; None where there are no bounds, or bounds in both."""
    mixed: bool = False

    def meets(self, other: "Slice") -> bool:
        """Whether they surely have rows in common."""
        if self.name != other.name or self.mixed or other.mixed:
            return False
        if None not in (self.unit, other.unit) and self.unit != other.unit:
            return False
        begin = max(self.first, other.first)
        ends = [end for end in (self.last, other.last) if end is not None]
        return begin < min(ends, default=begin + 1)

    def text(self, first: int | None, last: int | None, unit: str) -> str:
        """The split with other bounds."""
        bounds = [f"{bound}{unit}" if bound else "" for bound in (first, last)]
        return f"{self.name}[{':'.join(bounds)}]"


def pieces(split: str | None) -> list[Slice]:
    """The parts of `train[:10%]+validation`; what is no slice is taken for a name."""
    parts = [part.strip() for part in (split or "").split("+") if part.strip()]
    files = [SUFFIX.search(part) is not None for part in parts]
    # The name of a file may hold a +, and so may that of its folder.
    whole = FILE.search(split or "") is not None and not all(files)
    return [_slice(part) for part in ([str(split).strip()] if whole else parts)]


def _slice(text: str) -> Slice:
    found = PIECE.fullmatch(text)
    if found is None or "[" in found["name"]:
        return Slice(text)
    units = {found[mark] for bound, mark in (("first", "a"), ("last", "b")) if found[bound]}
    unit = next(iter(units)) if len(units) == 1 else None
    last = int(found["last"]) if found["last"] else None
    return Slice(found["name"], int(found["first"] or 0), last, unit, mixed=len(units) > 1)


def named(config: RunConfig) -> Iterator[AutotuneError]:
    """There is a split to learn from, and what stands in their place are names."""
    splits = config.dataset.splits
    if splits.train is None:
        yield ConfigError(
            "there must be rows to learn from",
            where="dataset.splits.train",
            found="null",
            fix="dataset.splits.train=train",
        )
    for split in SPLITS:
        given = getattr(splits, split)
        if given is not None and not given.strip():
            yield ConfigError(
                "a split has no name",
                where=f"dataset.splits.{split}",
                found=repr(given),
                fix=format_override(f"dataset.splits.{split}", split)
                + (", or null for none" if split != "train" else ""),
            )


def splits_overlap(config: RunConfig) -> Iterator[AutotuneError]:
    """Rows that are learned do not choose the checkpoint, and neither kind is scored in the end.

    Learning the same rows that are scored, as debug=overfit does, is told by a test of null.
    """
    splits = config.dataset.splits
    for one, other in combinations(SPLITS, 2):
        ours, theirs = pieces(getattr(splits, one)), pieces(getattr(splits, other))
        if other == "validation" and _overfits(splits):
            continue
        if any(mine.meets(yours) for mine in ours for yours in theirs):
            yield ConfigError(
                f"{one} and {other} have rows in common, so the score on {other} would mean nothing",
                where=f"dataset.splits.{other}",
                found=f"{one}: {getattr(splits, one)}, {other}: {getattr(splits, other)}",
                fix=_parted(one, ours, other, theirs),
            )


def _overfits(splits: SplitsConfig) -> bool:
    return splits.test is None and splits.validation in ("train", splits.train)


def _parted(one: str, ours: list[Slice], other: str, theirs: list[Slice]) -> str:
    """One of the two cut so that they do not meet."""
    if len(ours) == len(theirs) == 1:
        mine, yours = ours[0], theirs[0]
        unit = mine.unit or yours.unit or ""
        if mine.last is not None and (yours.last is None or yours.last > mine.last):
            return format_override(f"dataset.splits.{other}", yours.text(mine.last, yours.last, unit))
        if mine.first > yours.first:
            return format_override(f"dataset.splits.{other}", yours.text(yours.first, mine.first, unit))
        if yours.last is not None and (mine.last is None or mine.last > yours.last):
            return format_override(f"dataset.splits.{one}", mine.text(yours.last, mine.last, unit))
        if yours.first:
            return format_override(f"dataset.splits.{one}", mine.text(mine.first, yours.first, unit))
    return f"dataset.splits.{other}=null"
