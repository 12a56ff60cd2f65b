"""Rules for splits: no row may be in two of them, as far as names and slices tell."""

from collections.abc import Iterator
from itertools import combinations

from autotune.config.schema import RunConfig, SplitsConfig
from autotune.config.split_spec import SPLITS, Slice, parse_split
from autotune.errors import AutotuneError, ConfigError, format_override


def splits_overlap(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that train, validation and test have no rows in common.

    Train and validation may be the same, as in debug=overfit, if there is no test split.
    """
    splits = config.dataset.splits
    for split, other in combinations(SPLITS, 2):
        slices, other_slices = parse_split(getattr(splits, split)), parse_split(getattr(splits, other))
        if other == "validation" and _overfits(splits):
            continue
        if any(_overlap(part, other_part) for part in slices for other_part in other_slices):
            yield ConfigError(
                f"{split} and {other} have rows in common, so the score on {other} would mean nothing",
                where=f"dataset.splits.{other}",
                found=f"{split}: {getattr(splits, split)}, {other}: {getattr(splits, other)}",
                fix=_disjoint_fix(split, slices, other, other_slices),
            )


def fold(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the fold exists, and that nothing keeps its rows out of test alone."""
    data = config.dataset
    if data.fold is None:
        return
    number, count = map(int, data.fold.split("/"))
    if not (number <= count and count > 1):
        yield ConfigError(
            "the fold does not exist: folds are counted from 1, and there are at least two",
            where="dataset.fold",
            found=data.fold,
            fix=format_override("dataset.fold", f"{min(number, max(2, count))}/{max(2, count)}"),
        )
    if data.streaming:
        yield ConfigError(
            "a stream has no folds",
            where="dataset.fold",
            found=f"{data.fold}, with dataset.streaming=true",
            fix="dataset.streaming=false, or dataset.fold=null",
        )
    if _overfits(data.splits):
        yield ConfigError(
            "validation would have the rows of the fold that is test",
            where="dataset.splits.validation",
            found=f"{data.splits.validation}, with dataset.fold={data.fold}",
            fix="dataset.splits.validation=validation, or dataset.fold=null",
        )


def _overfits(splits: SplitsConfig) -> bool:
    return splits.test is None and splits.validation in ("train", splits.train)


def _overlap(part: Slice, other: Slice) -> bool:
    """Whether both certainly have rows in common: rows and percentages cannot be compared."""
    bounds = [bound for bound in (part.first, part.last, other.first, other.last) if bound is not None]
    if not part.name or part.name != other.name or len({bound.percent for bound in bounds}) > 1:
        return False
    ends = [slice_.last.number for slice_ in (part, other) if slice_.last is not None]
    begin = max(_start(part), _start(other))
    return begin < min(ends, default=begin + 1)


def _start(part: Slice) -> int:
    return part.first.number if part.first is not None else 0


def _disjoint_fix(split: str, slices: list[Slice], other: str, other_slices: list[Slice]) -> str:
    """Returns an override that cuts one of two splits so that they do not overlap; otherwise drops the second one."""
    if len(slices) == len(other_slices) == 1:
        part, other_part = slices[0], other_slices[0]
        if part.last is not None and (other_part.last is None or other_part.last.number > part.last.number):
            return _cut(other, Slice(other_part.name, part.last, other_part.last))
        if _start(part) > _start(other_part):
            return _cut(other, Slice(other_part.name, other_part.first, part.first))
        if other_part.last is not None and (part.last is None or part.last.number > other_part.last.number):
            return _cut(split, Slice(part.name, other_part.last, part.last))
        if _start(other_part):
            return _cut(split, Slice(part.name, part.first, other_part.first))
    return f"dataset.splits.{other}=null"


def _cut(split: str, part: Slice) -> str:
    return format_override(f"dataset.splits.{split}", str(part))
