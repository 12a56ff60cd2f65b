"""The batch plan: which rows an optimizer step learns from, and how they are cut into micro-batches.

A pure function of (seed, epoch, step, ranks, budget), so that a run's position is one integer and the rows
of a step depend on neither the number of processes nor the memory of the machine. It holds three numbers a
row and looks at the rows of one step at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.config.enums import Batching

Indices = NDArray[np.int64]
Lengths = NDArray[np.integer[Any]]

POOL_STEPS = 50
"""Bucketed batching sorts the rows of so many steps together."""
CUTS_A_RANK = 8
"""So many micro-batches a rank are tried, at most, to give all ranks the same work."""


@dataclass(frozen=True)
class MicroBatchCost:
    """What a micro-batch costs, in padded tokens that need no attention.

    Measured on a CPU with BERTs of hidden sizes 384 and 768.
    """

    attention: float = 1500.0
    """Length at which attention, whose cost grows with the square of the length, costs as much as all the rest."""
    overhead: float = 64.0
    """Of starting one more micro-batch."""

    def of(self, rows: Lengths | int, length: Lengths | int) -> NDArray[np.float64]:
        """Cost of micro-batches with so many rows, padded to such lengths (all tensors together)."""
        width = np.asarray(length, dtype=np.float64)
        return np.asarray(rows * width * (1 + width / self.attention) + self.overhead)


class BatchPlan:
    """The steps of a training run.

    Args:
        feature_rows: row of each feature, ascending, integers (features,).
        lengths: tokens of each feature, one column a padded tensor (source, target), integers (features, tensors).
        batch_size: rows a step, over all ranks.
        budget: padded tokens a micro-batch; a feature longer than that stands alone. May be lowered on the way.
        seed: of the order of rows.
        batching: how the rows of a step are found.
        cost: of a micro-batch.
    """

    def __init__(
        self,
        feature_rows: Lengths,
        lengths: Lengths,
        *,
        batch_size: int,
        budget: int,
        seed: int,
        batching: Batching = Batching.exact,
        cost: MicroBatchCost = MicroBatchCost(),
    ) -> None:
        begins = np.flatnonzero(np.diff(feature_rows, prepend=-1))
        self.borders = np.append(begins, len(feature_rows)).astype(np.int32)
        """First feature of each row, and behind the last row the number of features."""
        self.lengths = np.ascontiguousarray(lengths, dtype=np.int32)
        self.batch_size, self.budget, self.seed = batch_size, budget, seed
        self.batching, self.cost = batching, cost
        self._epoch: int | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.borders) - 1

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in a pass over the rows; one of them may have fewer rows, in exact batching the last."""
        return -(-self.rows // self.batch_size)

    def step_features(self, number: int) -> Indices:
        """Features of the step with this number, counted from 0 over all epochs; int64 (features,)."""
        epoch, position = divmod(number, self.steps_per_epoch)
        order = self._order(epoch)
        if self.batching is Batching.bucketed:
            chosen = self._bucket(epoch, position)
        else:
            chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
        return np.concatenate([np.arange(self.borders[row], self.borders[row + 1]) for row in chosen])

    def micro_batches(self, number: int, *, rank: int = 0, ranks: int = 1) -> list[Indices]:
        """This rank's share of a step, the most expensive micro-batch first: every feature is in exactly one
        micro-batch of one rank. Where a step has fewer features than ranks some have none."""
        features = self.step_features(number)
        if self.batching is Batching.packed:
            groups = pack_by_cost(self.lengths[features], self.budget, ranks=ranks, cost=self.cost)
            return [features[chosen] for chosen in groups[rank::ranks]]
        shares = assign_to_ranks(self.lengths[features], self.budget, ranks=ranks, cost=self.cost)
        return [features[chosen] for chosen in shares[rank]]

    def tokens(self, features: Indices) -> int:
        """What features take together: with their padding, or without where they are packed."""
        lengths = self.lengths[features]
        return int(lengths.sum()) if self.batching is Batching.packed else padded_tokens(lengths)

    def _order(self, epoch: int) -> NDArray[np.int32]:
        """Rows in the order of an epoch; the last one asked for is kept."""
        if epoch != self._epoch:
            self._epoch, self._permutation = epoch, np.arange(self.rows, dtype=np.int32)
            np.random.default_rng((self.seed, epoch)).shuffle(self._permutation)
        return self._permutation

    def _bucket(self, epoch: int, position: int) -> NDArray[np.int32]:
        """Rows of a step of an epoch whose pools of rows are sorted by length."""
        pool, place = divmod(position, POOL_STEPS)
        size = POOL_STEPS * self.batch_size
        rows = self._order(epoch)[pool * size : (pool + 1) * size]
        lengths = self._row_lengths[rows]
        rows = rows[np.argsort(lengths, kind="stable")]
        rng = np.random.default_rng((self.seed, epoch, pool))
        steps = -(-len(rows) // self.batch_size)
        sizes = np.full(steps, self.batch_size)
        # The step with fewer rows may stand anywhere between the shortest and the longest.
        sizes[rng.integers(steps)] -= steps * self.batch_size - len(rows)
        chosen = rng.permutation(steps)[place]
        end = int(sizes[: chosen + 1].sum())
        return rows[end - sizes[chosen] : end]

    @cached_property
    def _row_lengths(self) -> NDArray[np.int32]:
        """Tokens of each row, all its features and tensors together."""
        sums = np.add.reduceat(self.lengths.sum(axis=1, dtype=np.int32), self.borders[:-1])
        return np.asarray(sums, dtype=np.int32)


def padded_tokens(lengths: Lengths) -> int:
    """Tokens that features of these lengths, integers (features, tensors), take when padded to the longest."""
    return len(lengths) * int(lengths.max(axis=0).sum()) if len(lengths) else 0


def pack_by_cost(
    lengths: Lengths, budget: int, *, ranks: int = 1, cost: MicroBatchCost = MicroBatchCost()
) -> list[Indices]:
    """Puts features into groups that cost nearly the same and pay for no padding.

    The most expensive feature goes first, each into the group that has least (Graham 1969, longest processing time).

    Args:
        lengths: integers (features, tensors).
        budget: tokens a group; a feature longer than that stands alone.
        ranks: the groups are so many, or a multiple, unless there are fewer features.
        cost: of a feature.

    Returns:
        Positions in `lengths` of each group.
    """
    tokens = lengths.sum(axis=1)
    costs = cost.of(1, tokens) - cost.overhead
    order = np.argsort(-costs, kind="stable")
    count = ranks * -(-int(tokens.sum()) // (ranks * max(1, budget)))
    while True:
        count = min(count, len(order))
        loads, room = np.zeros(count), np.zeros(count, dtype=np.int64)
        groups: list[list[int]] = [[] for _ in range(count)]
        for feature in order:
            lightest = int(np.argmin(loads))
            loads[lightest] += costs[feature]
            room[lightest] += tokens[feature]
            groups[lightest].append(int(feature))
        over = any(size > budget and len(group) > 1 for size, group in zip(room, groups, strict=True))
        if not over or count == len(order):
            return [np.asarray(group) for group in groups]
        count += ranks


def assign_to_ranks(
    lengths: Lengths,
    budget: int,
    *,
    ranks: int = 1,
    cost: MicroBatchCost = MicroBatchCost(),
) -> list[list[Indices]]:
    """Cuts features into micro-batches and gives them to ranks so that the busiest has as little to do as possible.

    Args:
        lengths: integers (features, tensors).
        budget: padded tokens a micro-batch.
        ranks: among which they are shared.
        cost: of a micro-batch.

    Returns:
        For each rank, positions in `lengths` of each of its micro-batches, the most expensive first.
    """
    best: list[list[Indices]] = []
    least = np.inf
    while True:
        cuts = partition_by_length(lengths, budget, cost=cost)
        costs = [float(cost.of(len(chosen), lengths[chosen].max(axis=0).sum())) for chosen in cuts]
        loads = np.zeros(ranks)
        shares: list[list[Indices]] = [[] for _ in range(ranks)]
        for index in np.argsort(costs, kind="stable")[::-1]:
            lightest = int(np.argmin(loads))
            loads[lightest] += costs[index]
            shares[lightest].append(cuts[index])
        if loads.max() < least:
            best, least = shares, loads.max()
        if ranks == 1 or len(cuts) >= min(len(lengths), CUTS_A_RANK * ranks):
            return best
        budget = min(budget, max(padded_tokens(lengths[chosen]) for chosen in cuts)) // 2


def partition_by_length(
    lengths: Lengths, budget: int, *, cost: MicroBatchCost = MicroBatchCost()
) -> list[Indices]:
    """Cuts features into groups that together cost least.

    Sorted by length, the cheapest cut is found by dynamic programming over the last group; no group of two or
    more passes the budget.

    Args:
        lengths: integers (features, tensors).
        budget: padded tokens a group; below 1 every feature stands alone.
        cost: of a group.

    Returns:
        Positions in `lengths` of each group.
    """
    order = np.argsort(lengths.sum(axis=1), kind="stable")
    ordered = lengths[order]
    total = len(order)
    best = np.zeros(total + 1)
    previous = np.zeros(total + 1, dtype=np.int64)
    for end in range(1, total + 1):
        longest = np.maximum.accumulate(ordered[:end][::-1], axis=0).sum(axis=1, dtype=np.int64)
        rows = np.arange(1, end + 1)
        allowed = max(1, int(np.searchsorted(longest * rows, budget, side="right")))
        costs = best[end - rows[:allowed]] + cost.of(rows[:allowed], longest[:allowed])
        chosen = int(np.argmin(costs)) + 1
        best[end], previous[end] = costs[chosen - 1], end - chosen
    groups = []
    end = total
    while end > 0:
        groups.append(order[previous[end] : end])
        end = int(previous[end])
    return groups[::-1]


def prediction_batches(lengths: Lengths, budget: int) -> Iterator[Indices]:
    """Every feature once, the longest first, at most `budget` padded tokens a batch (or one feature)."""
    order = np.argsort(-lengths.sum(axis=1), kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]].sum()))
        end = start + max(1, budget // longest)
        yield order[start:end]
        start = end
