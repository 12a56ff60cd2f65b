"""The batch plan: which rows an optimizer step learns from, and how they are cut into micro-batches.

A pure function of (seed, epoch, update, ranks, budget), so that a run's position is one integer and the rows
of an update depend on neither the number of processes nor the memory of the machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

MICRO_BATCH_OVERHEAD = 64
"""What starting one more micro-batch costs, in padded tokens: measured on a CPU with a 6-layer BERT of hidden
size 384, where it only has to keep rows of nearly equal length together."""


@dataclass(frozen=True)
class MicroBatch:
    """Features that go through the model together."""

    features: Indices
    """Numbers of features, int64."""
    filler: bool = False
    """Holds a rank's place where an update has fewer features than ranks; counts nothing."""


class BatchPlan:
    """The updates of a training run.

    Args:
        feature_rows: row of each feature, ascending, int64 (features,).
        lengths: tokens of each feature, one column a padded tensor (source, target), int64 (features, tensors).
        batch_size: rows an update, over all ranks.
        budget: padded tokens a micro-batch; a feature longer than that stands alone.
        seed: of the order of rows.
    """

    def __init__(
        self, feature_rows: Indices, lengths: Indices, *, batch_size: int, budget: int, seed: int
    ) -> None:
        self.rows, self.first = np.unique(feature_rows, return_index=True)
        self.end = np.append(self.first[1:], len(feature_rows))
        self.lengths = lengths
        self.batch_size, self.budget, self.seed = batch_size, budget, seed

    @property
    def updates_per_epoch(self) -> int:
        """Optimizer steps in a pass over the rows; the last may have fewer rows."""
        return -(-len(self.rows) // self.batch_size)

    def update(self, number: int) -> Indices:
        """Features of the update with this number, counted from 0 over all epochs."""
        epoch, position = divmod(number, self.updates_per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.rows))
        chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
        return np.concatenate([np.arange(self.first[row], self.end[row]) for row in chosen])

    def micro_batches(self, number: int, *, rank: int = 0, ranks: int = 1) -> list[MicroBatch]:
        """This rank's share of an update: at least one micro-batch, every feature in exactly one over all ranks."""
        features = self.update(number)
        cuts = cut(self.lengths[features], self.budget, at_least=ranks)
        costs = [padded(self.lengths[features[chosen]]) for chosen in cuts]
        loads = np.zeros(ranks, dtype=np.int64)
        mine: list[MicroBatch] = []
        for index in np.argsort(costs, kind="stable")[::-1]:
            lightest = int(np.argmin(loads))
            loads[lightest] += costs[index]
            if lightest == rank:
                mine.append(MicroBatch(features[cuts[index]]))
        return mine or [MicroBatch(features[:1], filler=True)]


def padded(lengths: Indices) -> int:
    """Tokens that features of these lengths, int64 (features, tensors), take when padded to the longest."""
    return int(len(lengths) * lengths.max(axis=0).sum()) if len(lengths) else 0


def cut(lengths: Indices, budget: int, *, at_least: int = 1) -> list[Indices]:
    """Cuts features into groups that together cost the least padding.

    Sorted by length, the cheapest cut is found by dynamic programming over the last group: cost of a group is
    its padded tokens plus MICRO_BATCH_OVERHEAD, and no group of two or more passes the budget.

    Args:
        lengths: int64 (features, tensors).
        budget: padded tokens a group.
        at_least: groups wanted; met as long as there are so many features.

    Returns:
        Positions in `lengths` of each group.
    """
    order = np.argsort(lengths.sum(axis=1), kind="stable")
    total = len(order)
    at_least = min(at_least, total)
    while True:
        groups = _cheapest(lengths[order], budget)
        if len(groups) >= at_least:
            return [order[start:end] for start, end in groups]
        budget //= 2


def _cheapest(lengths: Indices, budget: int) -> list[tuple[int, int]]:
    """Borders of the cheapest groups of sorted features; the budget is below 1 only when every feature stands alone."""
    total = len(lengths)
    best = np.zeros(total + 1)
    previous = np.zeros(total + 1, dtype=np.int64)
    for end in range(1, total + 1):
        longest = np.maximum.accumulate(lengths[:end][::-1], axis=0).sum(axis=1)
        sizes = longest * np.arange(1, end + 1)
        allowed = max(1, int(np.searchsorted(sizes, budget, side="right")))
        costs = best[end - np.arange(1, allowed + 1)] + sizes[:allowed] + MICRO_BATCH_OVERHEAD
        chosen = int(np.argmin(costs)) + 1
        best[end], previous[end] = costs[chosen - 1], end - chosen
    groups = []
    end = total
    while end > 0:
        groups.append((int(previous[end]), end))
        end = int(previous[end])
    return groups


def prediction_batches(lengths: Indices, budget: int) -> Iterator[Indices]:
    """Every feature once, the longest first, at most `budget` padded tokens a batch (or one feature)."""
    order = np.argsort(-lengths.sum(axis=1), kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]].sum()))
        end = start + max(1, budget // longest)
        yield order[start:end]
        start = end
