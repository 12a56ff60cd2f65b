"""Splits that the data do not have: made from train, seeded, stratified or in groups."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from datasets import Dataset

from autotune.data.cache import iter_column
from autotune.data.duplicates import alike, first_positions, hashes
from autotune.data.parts import Part, joined
from autotune.errors import DataError, listing


@dataclass(frozen=True)
class Whole:
    """A part of a split, with all rows of the source that it is a part of."""

    part: Part
    source: str
    """Two parts with the same name of a source have the same rows."""
    data: Dataset


def sliced(wholes: Sequence[Whole]) -> Dataset:
    """The rows of a split."""
    return joined([(one.part, one.data) for one in wholes])


def take_test(
    splits: Mapping[str, Sequence[Whole]],
    fraction: float,
    *,
    seed: int,
    label: str | None,
    group: str | None,
    distinct: str | None,
) -> tuple[dict[str, list[Whole]], Dataset, str]:
    """A test set out of everything that train is a part of, so that it does not depend on how train is sliced.

    Args:
        splits: all of them, `train` among them; slices are not yet taken.
        fraction: share of the rows of train's sources.
        seed: of the choice.
        label: column whose values keep their shares.
        group: column whose equal values stay together.
        distinct: column of the text; only the first of equal texts is a row of test or train. None: all are.

    Returns:
        The splits without the rows of test, test, and how it was chosen, in words.
    """
    sources = {one.source: one for one in splits["train"]}
    whole = joined([(Part(one.part.name), one.data) for one in sources.values()])
    rows = np.arange(len(whole))
    if distinct is not None:
        rows = np.flatnonzero(first_positions(hashes(iter_column(whole, distinct), alike)) == rows)
    chosen, how = _choose(whole.select(rows), fraction, seed=seed, label=label, group=group)
    test = rows[sorted(chosen)]
    ends = np.cumsum([len(one.data) for one in sources.values()])
    stays = dict(
        zip(
            sources,
            np.split(np.isin(np.arange(len(whole)), np.setdiff1d(rows, test)), ends[:-1]),
            strict=True,
        )
    )

    def without_test(split: str, one: Whole) -> Whole:
        if one.source not in stays:
            return one
        if split == "train":
            return replace(one, data=one.data.select(np.flatnonzero(stays[one.source])))
        # Only train leaves rows without text out, so the same row may have another position here.
        gone = set(sources[one.source].data.select(np.flatnonzero(~stays[one.source]))["id"])
        mine = [position for position, name in enumerate(one.data["id"]) if name not in gone]
        return replace(one, data=one.data.select(mine))

    rest = {split: [without_test(split, one) for one in wholes] for split, wholes in splits.items()}
    return rest, whole.select(test), how


def split_off(
    data: Dataset, fraction: float, *, seed: int, label: str | None, group: str | None
) -> tuple[Dataset, Dataset, str]:
    """Parts rows into those that stay and those that are held out, both in their old order.

    Args:
        data: rows.
        fraction: share that is held out; at least one row, and one stays.
        seed: of the choice.
        label: column whose values keep their shares.
        group: column whose equal values stay together; comes before `label`.

    Returns:
        What stays, what is held out, and how it was chosen, in words.

    Raises:
        DataError: there are not two rows, or not two groups.
    """
    chosen, how = _choose(data, fraction, seed=seed, label=label, group=group)
    stay = [index for index in range(len(data)) if index not in chosen]
    return data.select(stay), data.select(sorted(chosen)), how


def _choose(
    data: Dataset, fraction: float, *, seed: int, label: str | None, group: str | None
) -> tuple[set[int], str]:
    """The numbers of the rows to hold out, and how they were chosen."""
    if len(data) < 2:
        raise DataError(
            "one row cannot be parted into train and another split", fix="dataset.validation_fraction=0"
        )
    wanted = min(max(1, round(fraction * len(data))), len(data) - 1)
    random = np.random.default_rng(seed)
    if group is not None:
        return _whole_groups(list(iter_column(data, group)), wanted, random), "whole groups"
    if label is not None:
        return _stratified(list(iter_column(data, label)), wanted, random)
    return _plain(len(data), wanted, random), "at random"


def _plain(rows: int, wanted: int, random: np.random.Generator) -> set[int]:
    return set(random.permutation(rows)[:wanted].tolist())


def _members(values: Sequence[Any]) -> dict[Any, list[int]]:
    """Row numbers by value, values in order."""
    members: dict[Any, list[int]] = defaultdict(list)
    for index, value in enumerate(values):
        members[value].append(index)
    return dict(sorted(members.items(), key=lambda item: str(item[0])))


def _stratified(labels: Sequence[Any], wanted: int, random: np.random.Generator) -> tuple[set[int], str]:
    """Shares by largest remainder; every class keeps at least one row, so a class of one row stays whole."""
    members = _members(labels)
    exact = {label: wanted * len(rows) / len(labels) for label, rows in members.items()}
    taken = {label: min(int(share), len(members[label]) - 1) for label, share in exact.items()}
    for label in sorted(exact, key=lambda one: (taken[one] - exact[one], str(one))):
        if sum(taken.values()) < wanted and taken[label] < len(members[label]) - 1:
            taken[label] += 1
    single = [str(label) for label, rows in members.items() if len(rows) == 1]
    if len(single) == len(members):
        return _plain(len(labels), wanted, random), "at random, because no label has two rows"
    how = "stratified by label" + (f"; labels with one row stay: {listing(single)}" if single else "")
    chosen = {
        index
        for label, rows in members.items()
        for index in random.permutation(rows)[: taken[label]].tolist()
    }
    return chosen, how


def _whole_groups(groups: Sequence[Any], wanted: int, random: np.random.Generator) -> set[int]:
    """Groups in random order, each taken when it brings the number of rows nearer to what is wanted."""
    members = _members(groups)
    if len(members) < 2:
        raise DataError(
            "all rows are in one group, which cannot be parted",
            where="dataset.columns.group",
            found=str(next(iter(members))),
            fix="dataset.columns.group=null",
        )
    names = list(members)
    taken: list[Any] = []
    rows = 0
    for position in random.permutation(len(names)):
        name = names[position]
        more = rows + len(members[name])
        if abs(more - wanted) < abs(rows - wanted) and len(taken) < len(names) - 1:
            taken.append(name)
            rows = more
    taken = taken or [min(names, key=lambda name: len(members[name]))]
    return {index for name in taken for index in members[name]}


def scored_splits(splits: Iterable[str]) -> list[str]:
    """The splits that a run is scored on, the one that is its result last."""
    names = list(splits)
    return [name for name in names if name != "train"] or names
