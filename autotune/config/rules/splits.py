"""Rules for splits: no row may be in two of them, as far as names and slices tell."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from autotune.config.schema import RunConfig, SplitsConfig
from autotune.errors import AutotuneError, ConfigError, format_override

SPLITS = ("train", "validation", "test")
SLICE = re.compile(r"(?P<name>.+?)(?:\[(?:(?P<first>\d+)(?P<a>%?))?:(?:(?P<last>\d+)(?P<b>%?))?\])?")
DATA_SUFFIX = re.compile(
    r"\.(csv|tsv|jsonl?|ndjson|parquet|arrow|xls[xm]|conllu?|bio|iob|fasttext)(\.(gz|bz2|xz))?(\[[^]]*\])?$",
    re.I,
)
FILE_NAME = re.compile(f"/|{DATA_SUFFIX.pattern}", re.I)
"""Names that are files; all others are names of splits."""


@dataclass(frozen=True)
class Slice:
    """Rows of a named split from `first` to `last`, which is exclusive."""

    name: str
    first: int = 0
    last: int | None = None
    unit: str | None = None
    """`%`, or the empty text for rows; None without bounds or if the bounds have different units."""
    mixed: bool = False
    """Whether the bounds have different units."""

    def overlaps(self, other: "Slice") -> bool:
        """Whether both certainly have rows in common."""
        if self.name != other.name or self.mixed or other.mixed:
            return False
        if None not in (self.unit, other.unit) and self.unit != other.unit:
            return False
        begin = max(self.first, other.first)
        ends = [end for end in (self.last, other.last) if end is not None]
        return begin < min(ends, default=begin + 1)

    def text(self, first: int | None, last: int | None, unit: str) -> str:
        """Returns the split with other bounds, as text."""
        bounds = [f"{bound}{unit}" if bound else "" for bound in (first, last)]
        return f"{self.name}[{':'.join(bounds)}]"


def parse_slices(split: str | None) -> list[Slice]:
    """Parses `train[:10%]+validation`; anything that is not a slice counts as a name."""
    parts = [part.strip() for part in (split or "").split("+") if part.strip()]
    files = [DATA_SUFFIX.search(part) is not None for part in parts]
    # Names of files and folders may contain a +.
    is_one_file = FILE_NAME.search(split or "") is not None and not all(files)
    return [_parse_slice(part) for part in ([str(split).strip()] if is_one_file else parts)]


def _parse_slice(text: str) -> Slice:
    match = SLICE.fullmatch(text)
    if match is None or "[" in match["name"]:
        return Slice(text)
    units = {match[percent_group] for bound, percent_group in (("first", "a"), ("last", "b")) if match[bound]}
    unit = next(iter(units)) if len(units) == 1 else None
    last = int(match["last"]) if match["last"] else None
    return Slice(match["name"], int(match["first"] or 0), last, unit, mixed=len(units) > 1)


def names(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that there is a train split, and that no split has an empty name."""
    splits = config.dataset.splits
    if splits.train is None:
        yield ConfigError(
            "there must be rows to learn from",
            where="dataset.splits.train",
            found="null",
            fix="dataset.splits.train=train",
        )
    for split in SPLITS:
        name = getattr(splits, split)
        if name is not None and not name.strip():
            yield ConfigError(
                "a split has no name",
                where=f"dataset.splits.{split}",
                found=repr(name),
                fix=format_override(f"dataset.splits.{split}", split)
                + (", or null for none" if split != "train" else ""),
            )


def splits_overlap(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that train, validation and test have no rows in common.

    Train and validation may be the same, as in debug=overfit, if there is no test split.
    """
    splits = config.dataset.splits
    for split, other in combinations(SPLITS, 2):
        slices, other_slices = parse_slices(getattr(splits, split)), parse_slices(getattr(splits, other))
        if other == "validation" and _overfits(splits):
            continue
        if any(part.overlaps(other_part) for part in slices for other_part in other_slices):
            yield ConfigError(
                f"{split} and {other} have rows in common, so the score on {other} would mean nothing",
                where=f"dataset.splits.{other}",
                found=f"{split}: {getattr(splits, split)}, {other}: {getattr(splits, other)}",
                fix=_disjoint_fix(split, slices, other, other_slices),
            )


def _overfits(splits: SplitsConfig) -> bool:
    return splits.test is None and splits.validation in ("train", splits.train)


def _disjoint_fix(split: str, slices: list[Slice], other: str, other_slices: list[Slice]) -> str:
    """Returns an override that cuts one of two splits so that they do not overlap; otherwise drops the second one."""
    if len(slices) == len(other_slices) == 1:
        part, other_part = slices[0], other_slices[0]
        unit = part.unit or other_part.unit or ""
        if part.last is not None and (other_part.last is None or other_part.last > part.last):
            return format_override(
                f"dataset.splits.{other}", other_part.text(part.last, other_part.last, unit)
            )
        if part.first > other_part.first:
            return format_override(
                f"dataset.splits.{other}", other_part.text(other_part.first, part.first, unit)
            )
        if other_part.last is not None and (part.last is None or part.last > other_part.last):
            return format_override(f"dataset.splits.{split}", part.text(other_part.last, part.last, unit))
        if other_part.first:
            return format_override(f"dataset.splits.{split}", part.text(part.first, other_part.first, unit))
    return f"dataset.splits.{other}=null"
