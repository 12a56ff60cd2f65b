"""Which rows test, which rows choose, and which rows must stay together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autotune.auto.decisions import DATA, YOU, Decision
from autotune.auto.names import group_rank
from autotune.auto.profiles import Profile, say_the_same
from autotune.auto.sample import Sample
from autotune.data.duplicates import alike_form, first_positions, hashes
from autotune.data.folds import clusters
from autotune.errors import ConfigError, format_override, format_text_override

MIN_ROWS_FOR_TEST, TEST_SHARE, MAX_TEST = 600, 0.2, 2_000
"""Without a test split of the user: from so many rows on this share of them, at most so many rows."""
MIN_ROWS_FOR_ONE_SPLIT = 4_000
"""Rows of train from which on one validation split chooses, instead of folds."""
VALIDATION_SHARE, MIN_VALIDATION, MAX_VALIDATION = 0.1, 400, 2_000
FOLDS = 5
MAX_GROUP_SHARE = 0.6
"""Largest share of rows that one group may have: else the folds would be of very different sizes."""
ROWS_PER_GROUP = 3
"""Mean rows of a group from which on its values count as repeated."""
NEAR_ROWS = 5_000
"""Rows up to which near duplicates are searched for, which takes a second for a thousand rows or two."""
CHOICE_SOURCE = (
    "4.3 of the study: 24 candidates on 100 to 300 rows; folds choose better than one split of 10 %"
)


@dataclass(frozen=True)
class DataOptions:
    """What the user decides about the rows that test and choose."""

    test_fraction: float | None = None
    """Share of the rows that test; 0: none. None: chosen."""
    folds: int | None = None
    """Folds that choose; 0 or 1: one validation split. None: chosen."""


@dataclass(frozen=True)
class Protocol:
    """How the rows are divided."""

    train: int
    """Rows that are left to learn from and to choose."""
    folds: int | None
    """Number of folds; None: one validation split."""
    settings: Mapping[str, str | float]
    """Keys and values."""
    decisions: tuple[Decision, ...]


def choose_protocol(sample: Sample, clusters_left: int, options: DataOptions) -> Protocol:
    """Returns how many rows test, and how the others choose.

    Args:
        sample: rows and splits of the data.
        clusters_left: groups, or clusters of duplicates, among the rows that were read: folds cannot be more.
        options: what the user decides.

    Raises:
        ConfigError: there are fewer than two groups, so nothing can be held out.
    """
    if clusters_left < 2:
        raise ConfigError(
            "all rows have the same text or are in one group, so none can be held out",
            where=sample.where,
            fix="more rows, or dataset.columns.group=null",
        )
    settings: dict[str, str | float] = {}
    test, rows = _test(sample, options, settings)
    folds = _folds(sample, rows, clusters_left, options, settings)
    count = folds.value if isinstance(folds.value, int) and folds.value > 1 else None
    if count is not None and "dataset.splits.train" in settings and sample.validation is not None:
        rows += sample.validation[1]
    return Protocol(rows, count, settings, (test, folds))


def _test(sample: Sample, options: DataOptions, settings: dict[str, str | float]) -> tuple[Decision, int]:
    """Returns what tests, and the rows that are left."""
    rows, override = sample.total, "auto.test_fraction=0"
    if sample.test is not None:
        because = "the data have a test split; it is scored once, at the end"
        return Decision(
            "test",
            Path(sample.test).name,
            because,
            alternatives=("none",),
            override="dataset.splits.test=null",
        ), rows
    fraction = options.test_fraction
    if fraction is None:
        fraction = 0.0 if rows < MIN_ROWS_FOR_TEST else min(TEST_SHARE, round(MAX_TEST / rows, 4))
    held_out = round(fraction * rows)
    source = DATA if options.test_fraction is None else YOU
    if not held_out:
        because = (
            f"{rows} rows are too few to hold some out (fewer than {MIN_ROWS_FOR_TEST}): the score is that of the folds, "
            "corrected for choosing"
            if source == DATA
            else "no rows are held out, as you asked"
        )
        return Decision("test", 0, because, source, ("20 %",), "auto.test_fraction=0.2"), rows
    settings["dataset.test_fraction"] = fraction
    because = f"about {held_out} of {rows} rows are held out, and scored once, at the end"
    return Decision("test", held_out, because, source, ("none",), override), rows - held_out


def _folds(
    sample: Sample, rows: int, clusters_left: int, options: DataOptions, settings: dict[str, str | float]
) -> Decision:
    """Returns what chooses."""
    asked = options.folds
    validation = sample.validation
    one_split = f"auto.folds={min(FOLDS, clusters_left)}", "auto.folds=1"
    has_enough = validation is not None and validation[1] >= MIN_VALIDATION
    if (asked is None and (rows >= MIN_ROWS_FOR_ONE_SPLIT or has_enough)) or asked in (0, 1):
        source = DATA if asked is None else YOU
        if validation is not None:
            because = f"the data have a validation split of {validation[1]} rows, which chooses"
            return Decision("folds", "validation", because, source, ("5 folds",), one_split[0])
        share = min(max(VALIDATION_SHARE, MIN_VALIDATION / rows), MAX_VALIDATION / rows, 0.5)
        settings["dataset.validation_fraction"] = round(share, 4)
        because = f"{rows} rows are enough for one validation split, of about {round(share * rows)} of them"
        return Decision("folds", "validation", because, source, ("5 folds",), one_split[0])
    count = min(asked or FOLDS, clusters_left)
    source = CHOICE_SOURCE if asked is None else YOU
    if validation is not None:
        settings |= {"dataset.splits.train": "train+validation", "dataset.splits.validation": "null"}
        because = f"{rows} rows of train and {validation[1]} of validation together choose in {count} folds: few rows choose badly"
    else:
        because = f"{rows} rows choose in {count} folds, each row once: few rows choose badly"
    return Decision("folds", count, because, source, ("one validation split",), one_split[1])


def find_group(
    columns: Mapping[str, Profile], used: Sequence[Profile], label: Profile | None, rows: int
) -> list[Profile]:
    """Returns the columns whose equal values belong together by their names and repeat, the closest tie first.

    Args:
        columns: profile of each column.
        used: texts and targets.
        label: column of the classes, if there is one: what says the same is not a group.
        rows: rows that were read.
    """
    candidates = []
    for profile in columns.values():
        rank = group_rank(profile.name)
        if rank is None or profile in used or profile.filled < rows or profile.lists is not None:
            continue
        largest = max(profile.counts.values(), default=rows)
        repeats = 2 <= len(profile.counts) <= rows / ROWS_PER_GROUP and largest <= MAX_GROUP_SHARE * rows
        if repeats and not (label is not None and say_the_same(profile, label)):
            candidates.append((rank, profile.name, profile))
    return [profile for *_, profile in sorted(candidates, key=lambda item: item[:2])]


def decide_group(candidates: Sequence[Profile], named: str | None, *, is_named: bool) -> Decision:
    """Returns the column of groups, if there is one.

    Args:
        candidates: from `find_group`.
        named: `dataset.columns.group`.
        is_named: whether the user set that key, even to null.
    """
    if is_named or named is not None:
        return Decision("group", named, "you named it" if named else "you want none", YOU, (), None)
    if not candidates:
        return Decision(
            "group",
            None,
            "no column says which rows belong together",
            override="dataset.columns.group=COLUMN",
        )
    best, *others = candidates
    size = round(best.filled / len(best.counts), 1)
    because = (
        f"{best.name} has {len(best.counts)} values of {size} rows on average; rows with the same one are never on both sides "
        "of a split"
    )
    rest = tuple(format_text_override("dataset.columns.group", other.name) for other in others)
    return Decision("group", best.name, because, DATA, rest, format_override("dataset.columns.group", None))


def decide_duplicates(
    texts: Sequence[str], groups: Sequence[str] | None, *, holds_out: bool
) -> tuple[Decision, int]:
    """Returns what is done about texts that repeat, and the number of clusters of rows that stay together.

    Args:
        texts: texts that were read.
        groups: group of each row; None: there are none.
        holds_out: whether there is or will be a test split.
    """
    first = first_positions(hashes(texts, alike_form))
    repeated = int(np.sum(first != np.arange(len(first))))
    if len(texts) <= NEAR_ROWS:
        near = int(np.sum(np.bincount(clusters(texts)) > 1)) if texts else 0
        count = len(np.unique(clusters(texts, groups)))
        because = f"{repeated} of {len(texts)} texts repeat, and {near} clusters of near duplicates stay together in folds"
    else:
        count = len(np.unique(first)) if groups is None else len(set(groups))
        because = f"{repeated} of {len(texts)} texts repeat"
    if not holds_out:
        return Decision("duplicates", "kept", because), count
    value, rest = "leaks", "; rows of train whose text is also in validation or test are left out"
    return Decision(
        "duplicates", value, because + rest, DATA, ("none", "repeats", "all"), "dataset.dedup=none"
    ), count


def label_counts(counts: Mapping[str, int], total: int, read: int) -> Counter[str]:
    """Returns the rows of each label in all of train, from those in the rows that were read."""
    return Counter({name: round(count * total / max(1, read)) for name, count in counts.items()})
