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
from autotune.data.folds import cross_validation_folds
from autotune.errors import format_text_override, listing

MIN_ROWS_FOR_TEST, TEST_SHARE, MIN_TEST, MAX_TEST = 2_000, 0.1, 400, 2_000
"""Of a test split that is made where the data have none: fewest rows of all splits, its share of them, its fewest and most rows.
With 1,000 rows, a test split of 200 cost TF-IDF 0.010 of macro-F1 (mean of RePro, ReLi, ToLD-Br); with 7,827, one of a fifth
cost the tagger 0.020 of entity F1 on other documents, one of a tenth 0.017 (LeNER-Br; see scripts/benchmarks/README.md)."""
MIN_ROWS_FOR_ONE_SPLIT = 4_000
"""Rows of train from which on one validation split chooses, instead of folds."""
VALIDATION_SHARE, MIN_VALIDATION, MAX_VALIDATION = 0.1, 400, 2_000
MIN_GROUPS = 10
"""With fewer groups than this, all are needed to choose, in folds: a test or validation split would be a few of them."""
FOLDS = 5
MAX_FOLD_SHARE = 0.6
"""Largest share of rows that may be in one fold, or outside of all, since they belong together."""
ROWS_PER_GROUP = 3
"""Mean rows of a group from which on its values count as repeated."""
NEAR_ROWS = 2_000
"""Rows whose near duplicates are searched for, to see whether folds can keep them together: a second for two thousand."""
FOLDS_SOURCE = (
    "Varma & Simon 2006; with 100 rows and 24 candidates, 5 folds flatter by 0.02 and a split of 10 % by 0.08"
)


@dataclass(frozen=True)
class DataOptions:
    """What the user decides about the rows that test and choose."""

    test_fraction: float | None = None
    """Share of the rows that test; 0: none. None: chosen."""
    folds: int | None = None
    """Folds that choose; 0 or 1: one validation split. None: chosen."""


@dataclass(frozen=True)
class Rows:
    """The rows that were read, as far as dividing them needs them."""

    texts: Sequence[str]
    labels: Sequence[Sequence[str]]
    """Labels of each row, or types of its entities; none for numbers and summaries."""
    groups: Sequence[str] | None
    """Group of each row; None: there are none."""


@dataclass(frozen=True)
class Protocol:
    """How the rows are divided."""

    train: int
    """Rows that are left to learn from and to choose."""
    folds: int | None
    """Number of folds; None: one validation split."""
    settings: Mapping[str, object]
    """Keys and values."""
    decisions: tuple[Decision, ...]


def choose_protocol(sample: Sample, rows: Rows, options: DataOptions, *, fixed: bool) -> Protocol:
    """Returns how many rows test, and how the others choose.

    Args:
        sample: rows and splits of the data.
        rows: the rows that were read.
        options: what the user decides.
        fixed: whether the user named the splits.
    """
    settings: dict[str, object] = {}
    groups = None if rows.groups is None else len(set(rows.groups))
    test, left = _test(sample, options, groups, settings)
    folds = _folds(sample, left, options, groups, settings, rows, fixed=fixed)
    count = folds.value if isinstance(folds.value, int) else None
    if "dataset.splits.train" in settings and sample.validation is not None:
        left += sample.validation[1]
    return Protocol(left, count, settings, (test, folds))


def _test(
    sample: Sample, options: DataOptions, groups: int | None, settings: dict[str, object]
) -> tuple[Decision, int]:
    """Returns what tests, and the rows that are left."""
    rows = sample.total
    if sample.test is not None:
        because = "the data have a test split; it is scored once, at the end"
        rest = ("none",)
        return Decision("test", Path(sample.test).name, because, DATA, rest, "dataset.splits.test=null"), rows
    if options.test_fraction is not None:
        fraction, source = options.test_fraction, YOU
        because = "you asked for it" if fraction else "you asked for none"
    elif rows < MIN_ROWS_FOR_TEST:
        fraction, source = 0.0, DATA
        because = f"{rows} rows are too few for a test split; the score is that of the folds, corrected for choosing the best"
    elif groups is not None and groups < MIN_GROUPS:
        fraction, source = 0.0, DATA
        because = f"{groups} groups are too few for a test split; the score is that of the folds, corrected for choosing the best"
    else:
        fraction, source = round(min(max(TEST_SHARE, MIN_TEST / rows), MAX_TEST / rows), 4), DATA
        percent = f"{100 * fraction:.3g}"
        because = (
            f"{percent} % of {rows} rows; they are scored once, at the end"
            if sample.whole
            else f"{percent} % of about {rows} rows; they are scored once, at the end"
        )
    if not fraction:
        return Decision("test", None, because, source, ("20 %",), "auto.test_fraction=0.2"), rows
    settings["dataset.test_fraction"] = fraction
    held_out = round(fraction * rows)
    return Decision("test", held_out, because, source, ("none",), "auto.test_fraction=0"), rows - held_out


def _folds(
    sample: Sample,
    left: int,
    options: DataOptions,
    groups: int | None,
    settings: dict[str, object],
    rows: Rows,
    *,
    fixed: bool,
) -> Decision:
    """Returns what chooses."""
    asked, validation = options.folds, sample.validation
    source = DATA if asked is None else YOU
    has_own = validation is not None and (fixed or validation[1] >= MIN_VALIDATION)
    is_large = left >= MIN_ROWS_FOR_ONE_SPLIT and (groups is None or groups >= MIN_GROUPS)
    if asked in (0, 1) or (asked is None and (has_own or is_large)):
        rest, override = ("5 folds",), f"auto.folds={FOLDS}"
        if validation is not None:
            because = (
                f"the data have a validation split of {validation[1]} rows, on which models are compared"
            )
        else:
            share = min(max(VALIDATION_SHARE, MIN_VALIDATION / left), MAX_VALIDATION / left, 0.5)
            settings["dataset.validation_fraction"] = round(share, 4)
            because = f"of {left} rows, about {round(share * left)} in one validation split are enough to compare models"
        return Decision("folds", "validation", because, source, rest, override)
    count = possible_folds(asked or FOLDS, rows)
    if count is None:
        because = (
            "too many texts resemble each other for folds that keep them together; scores on one validation split are a "
            "little too high"
        )
        return Decision("folds", "validation", because)
    if validation is not None:
        settings |= {"dataset.splits.train": "train+validation", "dataset.splits.validation": None}
        because = (
            f"with {left} rows of train and {validation[1]} of validation, {count} folds compare models better than "
            "one split"
        )
    else:
        because = f"with {left} rows, {count} folds compare models better than one validation split"
    rest, override = ("one validation split",), "auto.folds=1"
    return Decision("folds", count, because, FOLDS_SOURCE if asked is None else YOU, rest, override)


def possible_folds(count: int, rows: Rows) -> int | None:
    """Returns the number of folds: fewer where rows that belong together are fewer clusters; None if there cannot be two.

    A rare label does not lower it: out-of-fold predictions are scored together, and `data.folds` spreads two rows of a label
    over two folds.
    """
    read = slice(NEAR_ROWS)
    groups = None if rows.groups is None else rows.groups[read]
    for folds in range(count, 1, -1):
        try:
            assigned = cross_validation_folds(
                rows.texts[read], rows.labels[read], groups, count=folds, seed=0
            )
        except ValueError:
            continue
        _, sizes = np.unique(assigned, return_counts=True)
        return folds if sizes.max() <= MAX_FOLD_SHARE * len(assigned) else None
    return None


def find_group(columns: Mapping[str, Profile], used: Sequence[Profile], rows: int) -> list[Profile]:
    """Returns the columns whose equal values belong together by their names and repeat, the closest tie first.

    Args:
        columns: profile of each column.
        used: texts and targets; what says the same as one of them is not a group.
        rows: rows that were read.
    """
    candidates = []
    for profile in columns.values():
        rank = group_rank(profile.name)
        if rank is None or profile in used or profile.filled < rows or profile.lists is not None:
            continue
        repeats = 2 <= len(profile.counts) <= rows / ROWS_PER_GROUP
        if repeats and not any(say_the_same(profile, other) for other in used):
            candidates.append((rank, profile.name, profile))
    return [profile for *_, profile in sorted(candidates, key=lambda item: item[:2])]


def decide_group(
    candidates: Sequence[Profile],
    named: str | None,
    texts: Sequence[str],
    labels: Sequence[Sequence[str]],
    *,
    is_named: bool,
) -> Decision:
    """Returns the column of groups: the closest tie of those that folds can keep together.

    Args:
        candidates: from `find_group`.
        named: `dataset.columns.group`.
        texts: texts that were read.
        labels: labels of each row.
        is_named: whether the user set that key, even to null.
    """
    if is_named or named is not None:
        return Decision("group", named, "you named it" if named else "you want none", YOU)
    if not candidates:
        because = "there is no column of rows that belong together"
        return Decision("group", None, because, override="dataset.columns.group=COLUMN")
    for number, profile in enumerate(candidates):
        if possible_folds(FOLDS, Rows(texts, labels, list(map(str, profile.values)))) is None:
            continue
        because = (
            f"{len(profile.counts)} values recur; rows with the same one are never on both sides of a split"
        )
        others = [*candidates[:number], *candidates[number + 1 :]]
        rest = tuple(format_text_override("dataset.columns.group", other.name) for other in others)
        return Decision("group", profile.name, because, DATA, rest, "dataset.columns.group=null")
    names = listing(profile.name for profile in candidates)
    because = f"groups of {names} share texts with each other, so folds cannot keep all of them whole"
    return Decision(
        "group", None, because, override=format_text_override("dataset.columns.group", candidates[0].name)
    )


def decide_duplicates(texts: Sequence[str], *, holds_out: bool) -> Decision:
    """Returns what is done about texts that repeat.

    Args:
        texts: texts that were read.
        holds_out: whether there is or will be a test split, and rows are independent of each other.
    """
    first = first_positions(hashes(texts, alike_form))
    repeated = int(np.sum(first != np.arange(len(first))))
    because = f"{repeated} of {len(texts)} texts repeat; repeats and near duplicates stay in one fold"
    if not holds_out:
        return Decision("duplicates", "kept", because)
    because = (
        f"{repeated} of {len(texts)} texts repeat; repeats and near duplicates stay in one fold, and rows of train whose text "
        "is also in validation or test are left out"
    )
    return Decision("duplicates", "leaks", because, DATA, ("none", "repeats", "all"), "dataset.dedup=none")


def label_counts(counts: Mapping[str, int], total: int, read: int) -> Counter[str]:
    """Returns the rows of each label in all of train, from those in the rows that were read."""
    return Counter({name: round(count * total / max(1, read)) for name, count in counts.items()})
