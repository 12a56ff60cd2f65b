"""Folds of rows for cross-validation and cross-fitting: rows that belong together are in one fold."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from autotune.data.duplicates import alike_form, first_positions, hashes, near_duplicates

ALWAYS_TRAIN = -1
"""In place of a fold: rows that are in train of every fold."""
SIMILARITY = 0.8
"""Texts with at least this Jaccard similarity stay together: the default of `check.near_duplicates`."""
MAX_NEAR_TEXTS = 50_000
"""With more texts than this, only texts that are alike stay together, as a search for near duplicates takes too long."""


def clusters(texts: Sequence[str], groups: Sequence[str] | None = None) -> NDArray[np.int64]:
    """Returns the number of the cluster of each row: rows of one group, and duplicates and near duplicates.

    Args:
        texts: text of each row.
        groups: group of each row; None: there are none.

    Returns:
        int64 (rows,), from 0.
    """
    first = first_positions(hashes(texts, alike_form))
    parents = first.tolist()

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    distinct = np.flatnonzero(first == np.arange(len(first))).tolist()
    pairs: Iterable[tuple[int, int]] = ()
    if len(distinct) <= MAX_NEAR_TEXTS:
        pairs = near_duplicates({row: alike_form(texts[row]) for row in distinct}, SIMILARITY)
    if groups is not None:
        pairs = chain(pairs, enumerate(first_positions(hashes(groups, str)).tolist()))
    for left, right in pairs:
        parents[root(left)] = root(right)
    roots = np.array([root(row) for row in range(len(texts))], dtype=np.int64)
    _, numbers, inverse = np.unique(roots, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(numbers))  # clusters are numbered in the order of their first rows
    return order[inverse].astype(np.int64)


def assign_folds(
    labels: Sequence[str], cluster: NDArray[np.int64], *, count: int, seed: int
) -> NDArray[np.int64]:
    """Returns the fold of each row; whole clusters, with labels spread as evenly as clusters allow.

    Clusters are taken in random order, the largest first. Each goes to the fold with the fewest rows of the label that is
    most frequent in the cluster, and of folds that are equal in this to the one with the fewest rows.

    Args:
        labels: label of each row.
        cluster: number of the cluster of each row: int64 (rows,).
        count: number of folds.
        seed: seed of the order.

    Returns:
        int64 (rows,), from 0.
    """
    members: dict[int, Counter[str]] = {}
    for number, label in zip(cluster.tolist(), labels, strict=True):
        members.setdefault(number, Counter())[label] += 1
    order = np.random.default_rng(seed).permutation(sorted(members)).tolist()
    order.sort(key=lambda number: -members[number].total())
    of_label: dict[str, list[int]] = {label: [0] * count for label in sorted(set(labels))}
    sizes, chosen = [0] * count, dict[int, int]()
    for number in order:
        label = max(sorted(members[number]), key=members[number].__getitem__)
        fold = min(range(count), key=lambda index: (of_label[label][index], sizes[index], index))
        chosen[number] = fold
        sizes[fold] += members[number].total()
        for name, rows in members[number].items():
            of_label[name][fold] += rows
    return np.array([chosen[number] for number in cluster.tolist()], dtype=np.int64)


def cross_validation_folds(
    texts: Sequence[str],
    labels: Sequence[Sequence[str]],
    groups: Sequence[str] | None = None,
    *,
    count: int,
    seed: int,
) -> NDArray[np.int64]:
    """Returns the fold of each row; the order of the rows changes nothing.

    A label whose rows are all in one cluster, or would all be in one fold, cannot be in train and test at once: then a cluster
    of it is `ALWAYS_TRAIN`.

    Args:
        texts: text of each row.
        labels: labels of each row: one, several or none. A row counts for the one that is rarest over all rows.
        groups: group of each row; None: there are none.
        count: number of folds.
        seed: seed of the choice.

    Returns:
        int64 (rows,), from 0.

    Raises:
        ValueError: there are fewer clusters than folds.
    """
    order = np.argsort(
        hashes(texts, str), kind="stable"
    )  # rows with equal hashes have equal texts: they are one cluster
    cluster = np.empty(len(order), dtype=np.int64)
    sorted_groups = None if groups is None else [groups[row] for row in order]
    cluster[order] = clusters([texts[row] for row in order], sorted_groups)
    places: dict[str, set[int]] = {}
    for number, names in zip(cluster.tolist(), labels, strict=True):
        for name in names:
            places.setdefault(name, set()).add(number)
    bound = {number for numbers in places.values() if len(numbers) == 1 for number in numbers}
    free = np.flatnonzero(~np.isin(cluster, sorted(bound)))
    num_clusters = len(np.unique(cluster[free]))
    if num_clusters < count:
        raise ValueError(num_clusters)
    counts = Counter(name for names in labels for name in names)
    strata = [min(names, key=lambda name: (counts[name], name), default="") for names in labels]
    folds = np.full(len(order), ALWAYS_TRAIN, dtype=np.int64)
    folds[free] = assign_folds([strata[row] for row in free], cluster[free], count=count, seed=seed)
    for name in sorted(places):  # a row with several labels may bring all rows of one of them into one fold
        numbers = sorted(places[name])
        if len(set(folds[np.isin(cluster, numbers)].tolist())) == 1:
            folds[cluster == numbers[0]] = ALWAYS_TRAIN
    if (num_folds := len(set(folds.tolist()) - {ALWAYS_TRAIN})) < count:
        raise ValueError(num_folds)
    return folds
