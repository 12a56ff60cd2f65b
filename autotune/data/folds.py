"""Folds of rows for cross-fitting: rows that belong together are in one fold."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotune.data.duplicates import alike_form, first_positions, hashes, near_duplicates

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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = first_positions(hashes(texts, alike_form))
    rows = np.arange(len(texts))
    edges = [np.stack([rows, first])]
    distinct = np.flatnonzero(first == rows)
    if len(distinct) <= MAX_NEAR_TEXTS:
        forms = {int(number): alike_form(texts[number]) for number in distinct}
        edges.append(np.array(list(near_duplicates(forms, SIMILARITY)), dtype=np.int64).reshape(-1, 2).T)
    if groups is not None:
        edges.append(np.stack([rows, first_positions(hashes(groups, str))]))
    left, right = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(texts), len(texts)))
    return connected_components(graph, directed=False)[1].astype(np.int64)


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
