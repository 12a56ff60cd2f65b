"""Makes missing splits from train: seeded, stratified by label or by whole groups."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from datasets import Dataset

from autotune.config.split_spec import Slice
from autotune.data.cache import iter_column
from autotune.data.duplicates import alike_form, first_positions, hashes, iter_texts
from autotune.data.parts import concatenate_parts
from autotune.errors import DataError, listing


@dataclass(frozen=True)
class SourceSlice:
    """A slice of a source, with all rows of that source."""

    part: Slice
    source: str
    """Identity of the source: slices with the same value have the same `data`."""
    data: Dataset


def concatenate_slices(slices: Sequence[SourceSlice]) -> Dataset:
    """Returns the rows of a split."""
    return concatenate_parts([(item.part, item.data) for item in slices])


def take_test(
    splits: Mapping[str, Sequence[SourceSlice]],
    fraction: float,
    *,
    seed: int,
    label: str | None,
    group: str | None,
    distinct: str | None,
) -> tuple[dict[str, list[SourceSlice]], Dataset, str]:
    """Makes a test set from all rows of the sources of train, so it does not depend on how train is sliced.

    Args:
        splits: all splits, including `train`, not yet sliced.
        fraction: share of the rows of train's sources.
        seed: seed of the choice.
        label: column whose values keep their shares.
        group: column whose equal values stay together.
        distinct: column of the text; only the first of equal texts is kept, in test or in train. None: all are kept.

    Returns:
        The splits without the rows of test, the test set, and a description of how it was chosen.
    """
    sources = {item.source: item for item in splits["train"]}
    pool = concatenate_parts([(Slice(item.part.name), item.data) for item in sources.values()])
    candidates = np.arange(len(pool))
    if distinct is not None:
        candidates = np.flatnonzero(
            first_positions(hashes(iter_texts(pool, distinct), alike_form)) == candidates
        )
    chosen, how = _choose_rows(pool.select(candidates), fraction, seed=seed, label=label, group=group)
    test_rows = candidates[sorted(chosen)]
    ends = np.cumsum([len(item.data) for item in sources.values()])
    keep_masks = dict(
        zip(
            sources,
            np.split(np.isin(np.arange(len(pool)), np.setdiff1d(candidates, test_rows)), ends[:-1]),
            strict=True,
        )
    )

    def without_test(split: str, item: SourceSlice) -> SourceSlice:
        if item.source not in keep_masks:
            return item
        if split == "train":
            return replace(item, data=item.data.select(np.flatnonzero(keep_masks[item.source])))
        # Compares ids, not positions: only train drops rows without text, so the same row may have another position here.
        removed = set(sources[item.source].data.select(np.flatnonzero(~keep_masks[item.source]))["id"])
        kept = [position for position, name in enumerate(item.data["id"]) if name not in removed]
        return replace(item, data=item.data.select(kept))

    rest = {split: [without_test(split, item) for item in slices] for split, slices in splits.items()}
    return rest, pool.select(test_rows), how


def split_off(
    data: Dataset, fraction: float, *, seed: int, label: str | None, group: str | None
) -> tuple[Dataset, Dataset, str]:
    """Splits rows into those that are kept and those that are held out, both in their original order.

    Args:
        data: rows.
        fraction: share to hold out; at least one row is held out and at least one is kept.
        seed: seed of the choice.
        label: column whose values keep their shares.
        group: column whose equal values stay together; takes precedence over `label`.

    Returns:
        The rows kept, the rows held out, and a description of how they were chosen.

    Raises:
        DataError: there are fewer than two rows, or fewer than two groups.
    """
    chosen, how = _choose_rows(data, fraction, seed=seed, label=label, group=group)
    kept = [index for index in range(len(data)) if index not in chosen]
    return data.select(kept), data.select(sorted(chosen)), how


def _choose_rows(
    data: Dataset, fraction: float, *, seed: int, label: str | None, group: str | None
) -> tuple[set[int], str]:
    """Returns the positions of the rows to hold out and a description of how they were chosen."""
    if len(data) < 2:
        raise DataError(
            "one row cannot be split into train and another split", fix="dataset.validation_fraction=0"
        )
    count = min(max(1, round(fraction * len(data))), len(data) - 1)
    rng = np.random.default_rng(seed)
    if group is not None:
        return _rows_of_groups(list(iter_column(data, group)), count, rng), "whole groups"
    if label is not None:
        return _stratified_rows(_strata(list(iter_column(data, label))), count, rng)
    return _random_rows(len(data), count, rng), "at random"


def _strata(labels: Sequence[Any]) -> list[Any]:
    """Returns the label of each row; of rows with several labels, the one that is rarest in all rows, so that a split gets
    its share of rare labels, and None for rows without any."""
    if not any(isinstance(value, list) for value in labels):
        return list(labels)
    counts = Counter(name for names in labels for name in names)
    return [min(names, key=lambda name: (counts[name], name), default=None) for names in labels]


def _random_rows(rows: int, count: int, rng: np.random.Generator) -> set[int]:
    return set(rng.permutation(rows)[:count].tolist())


def _rows_by_value(values: Sequence[Any]) -> dict[Any, list[int]]:
    """Returns the row positions of each value, with the values in order."""
    members: dict[Any, list[int]] = defaultdict(list)
    for index, value in enumerate(values):
        members[value].append(index)
    return dict(sorted(members.items(), key=lambda item: str(item[0])))


def _stratified_rows(labels: Sequence[Any], count: int, rng: np.random.Generator) -> tuple[set[int], str]:
    """Chooses rows of each label by largest remainder; every label keeps a row, so a label with one row gives none."""
    members = _rows_by_value(labels)
    exact = {label: count * len(rows) / len(labels) for label, rows in members.items()}
    taken = {label: min(int(share), len(members[label]) - 1) for label, share in exact.items()}
    for label in sorted(exact, key=lambda name: (taken[name] - exact[name], str(name))):
        if sum(taken.values()) < count and taken[label] < len(members[label]) - 1:
            taken[label] += 1
    single = [str(label) for label, rows in members.items() if len(rows) == 1]
    if len(single) == len(members):
        return _random_rows(len(labels), count, rng), "at random, because no label has two rows"
    how = "stratified by label" + (f"; labels with one row stay: {listing(single)}" if single else "")
    chosen = {
        index for label, rows in members.items() for index in rng.permutation(rows)[: taken[label]].tolist()
    }
    return chosen, how


def _rows_of_groups(groups: Sequence[Any], count: int, rng: np.random.Generator) -> set[int]:
    """Goes through the groups in random order and takes each one that brings the number of rows closer to `count`."""
    members = _rows_by_value(groups)
    if len(members) < 2:
        raise DataError(
            "all rows are in one group, which cannot be split",
            where="dataset.columns.group",
            found=str(next(iter(members))),
            fix="dataset.columns.group=null",
        )
    names = list(members)
    taken: list[Any] = []
    rows = 0
    for position in rng.permutation(len(names)):
        name = names[position]
        total = rows + len(members[name])
        if abs(total - count) < abs(rows - count) and len(taken) < len(names) - 1:
            taken.append(name)
            rows = total
    taken = taken or [min(names, key=lambda name: len(members[name]))]
    return {index for name in taken for index in members[name]}


def scored_splits(splits: Iterable[str]) -> list[str]:
    """Returns the splits that a run is scored on; the last one gives its final result."""
    names = list(splits)
    return [name for name in names if name != "train"] or names
