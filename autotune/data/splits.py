"""Splits that the data do not have: made from train, seeded, stratified or in groups."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset


def hold_out(
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
    """
    wanted = min(max(1, round(fraction * len(data))), len(data) - 1)
    random = np.random.default_rng(seed)
    if group is not None:
        chosen, how = _whole_groups(list(data[group]), wanted, random), f"whole groups of {group}"
    elif label is not None:
        chosen, how = _stratified(list(data[label]), wanted, random), f"stratified by {label}"
    else:
        chosen, how = set(random.permutation(len(data))[:wanted].tolist()), "at random"
    stay = [index for index in range(len(data)) if index not in chosen]
    return data.select(stay), data.select(sorted(chosen)), how


def _stratified(labels: Sequence[Any], wanted: int, random: np.random.Generator) -> set[int]:
    """Shares by largest remainder; every class keeps at least one row, so a class of one row stays whole."""
    members: dict[Any, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        members[label].append(index)
    exact = {label: wanted * len(rows) / len(labels) for label, rows in members.items()}
    taken = {label: min(int(share), len(members[label]) - 1) for label, share in exact.items()}
    for label in sorted(exact, key=lambda one: (taken[one] - exact[one], str(one))):
        if sum(taken.values()) < wanted and taken[label] < len(members[label]) - 1:
            taken[label] += 1
    return {
        index for label, rows in sorted(members.items(), key=lambda item: str(item[0]))
        for index in random.permutation(rows)[: taken[label]].tolist()
    }  # fmt: skip


def _whole_groups(groups: Sequence[Any], wanted: int, random: np.random.Generator) -> set[int]:
    """Groups in random order, each taken when it brings the number of rows nearer to what is wanted."""
    members: dict[Any, list[int]] = defaultdict(list)
    for index, name in enumerate(groups):
        members[name].append(index)
    names = sorted(members, key=str)
    chosen: set[int] = set()
    for position in random.permutation(len(names)):
        rows = members[names[position]]
        if abs(len(chosen) + len(rows) - wanted) < abs(len(chosen) - wanted):
            chosen |= set(rows)
    if not chosen:
        smallest = min(members.values(), key=len)
        chosen = set(smallest)
    return chosen
