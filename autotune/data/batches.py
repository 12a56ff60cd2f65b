"""The batch plan: the rows of each optimizer step, and how they are cut into micro-batches.

A pure function of (seed, epoch, step, ranks, budget), so that a run's position is one integer and the rows
of a step depend on neither the number of processes nor the memory of the machine. It holds three numbers per
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
"""Number of steps whose rows bucketed batching sorts together."""
MAX_MICRO_BATCHES_PER_RANK = 8
"""At most this many micro-batches per rank are tried to give all ranks the same work."""


@dataclass(frozen=True)
class MicroBatchCost:
    """Estimates the cost of a micro-batch, in padded tokens processed without attention.

    Measured on a CPU with BERTs of hidden sizes 384 and 768.
    """

    attention: float = 1500.0
    """Length at which attention, whose cost grows with the square of the length, costs as much as everything else."""
    overhead: float = 64.0
    """Cost of starting one more micro-batch."""

    def of(self, rows: Lengths | int, length: Lengths | int) -> NDArray[np.float64]:
        """Returns the cost of micro-batches with `rows` rows padded to `length` tokens (all tensors together)."""
        width = np.asarray(length, dtype=np.float64)
        return np.asarray(rows * width * (1 + width / self.attention) + self.overhead)


class BatchPlan:
    """Plans the steps of a training run.

    Args:
        feature_rows: row of each feature, ascending, integers (features,).
        lengths: tokens of each feature, one column per padded tensor (source, target), integers (features, tensors).
        batch_size: rows per step, over all ranks.
        budget: padded tokens per micro-batch; a longer feature gets a micro-batch of its own. May be lowered during
            training.
        seed: seed of the order of rows.
        batching: how the rows of a step are chosen.
        cost: cost model of a micro-batch.
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
        """First feature of each row, followed by the number of features."""
        self.lengths = np.ascontiguousarray(lengths, dtype=np.int32)
        self.learned = np.asarray(self.lengths.all(axis=1))
        """Whether each feature has something to learn: one with an empty tensor has not, and is in no step."""
        self.batch_size, self.budget, self.seed = batch_size, budget, seed
        self.batching, self.cost = batching, cost
        self._epoch: int | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.borders) - 1

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per pass over the rows; one of them may have fewer rows (the last in exact batching)."""
        return -(-self.rows // self.batch_size)

    def step_features(self, step: int) -> Indices:
        """Returns the features of a step, counted from 0 over all epochs; int64 (features,)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = self._order(epoch)
        if self.batching is Batching.bucketed:
            rows = self._bucket(epoch, position)
        else:
            rows = order[position * self.batch_size : (position + 1) * self.batch_size]
        features = np.concatenate([np.arange(self.borders[row], self.borders[row + 1]) for row in rows])
        return features[self.learned[features]]

    def micro_batches(self, step: int, *, rank: int = 0, ranks: int = 1) -> list[Indices]:
        """Returns this rank's share of a step, the most expensive micro-batch first.

        Every feature is in exactly one micro-batch of one rank. If a step has fewer features than ranks, some ranks
        have none.
        """
        features = self.step_features(step)
        if self.batching is Batching.packed:
            groups = pack_by_cost(self.lengths[features], self.budget, ranks=ranks, cost=self.cost)
            return [features[positions] for positions in groups[rank::ranks]]
        shares = assign_to_ranks(self.lengths[features], self.budget, ranks=ranks, cost=self.cost)
        return [features[positions] for positions in shares[rank]]

    def tokens(self, features: Indices) -> int:
        """Returns the tokens that features take together: with padding, or without it if they are packed."""
        lengths = self.lengths[features]
        return int(lengths.sum()) if self.batching is Batching.packed else padded_tokens(lengths)

    def _order(self, epoch: int) -> NDArray[np.int32]:
        """Returns the rows in the order of an epoch; the last order computed is kept."""
        if epoch != self._epoch:
            self._epoch, self._permutation = epoch, np.arange(self.rows, dtype=np.int32)
            np.random.default_rng((self.seed, epoch)).shuffle(self._permutation)
        return self._permutation

    def _bucket(self, epoch: int, position: int) -> NDArray[np.int32]:
        """Returns the rows of a step of an epoch whose pools of rows are sorted by length."""
        pool, slot = divmod(position, POOL_STEPS)
        size = POOL_STEPS * self.batch_size
        rows = self._order(epoch)[pool * size : (pool + 1) * size]
        lengths = self._row_lengths[rows]
        rows = rows[np.argsort(lengths, kind="stable")]
        rng = np.random.default_rng((self.seed, epoch, pool))
        steps = -(-len(rows) // self.batch_size)
        sizes = np.full(steps, self.batch_size)
        # The step with fewer rows gets a random place: at a fixed one its rows would always have the same length.
        sizes[rng.integers(steps)] -= steps * self.batch_size - len(rows)
        index = rng.permutation(steps)[slot]
        end = int(sizes[: index + 1].sum())
        return rows[end - sizes[index] : end]

    @cached_property
    def _row_lengths(self) -> NDArray[np.int32]:
        """Tokens of each row, over all its features and tensors."""
        sums = np.add.reduceat(self.lengths.sum(axis=1, dtype=np.int32), self.borders[:-1])
        return np.asarray(sums, dtype=np.int32)


def padded_tokens(lengths: Lengths) -> int:
    """Returns the tokens of features with these lengths, integers (features, tensors), padded to the longest."""
    return len(lengths) * int(lengths.max(axis=0).sum()) if len(lengths) else 0


def pack_by_cost(
    lengths: Lengths, budget: int, *, ranks: int = 1, cost: MicroBatchCost = MicroBatchCost()
) -> list[Indices]:
    """Packs features into groups of nearly equal cost, without padding.

    Takes the most expensive feature first and puts each into the cheapest group (Graham 1969, longest processing time).

    Args:
        lengths: integers (features, tensors).
        budget: tokens per group; a longer feature gets a group of its own.
        ranks: the number of groups is a multiple of this, unless there are fewer features.
        cost: cost model of a feature.

    Returns:
        Positions in `lengths` of each group.
    """
    tokens = lengths.sum(axis=1)
    costs = cost.of(1, tokens) - cost.overhead
    order = np.argsort(-costs, kind="stable")
    count = ranks * -(-int(tokens.sum()) // (ranks * max(1, budget)))
    while True:
        count = min(count, len(order))
        loads, group_tokens = np.zeros(count), np.zeros(count, dtype=np.int64)
        groups: list[list[int]] = [[] for _ in range(count)]
        for feature in order:
            lightest = int(np.argmin(loads))
            loads[lightest] += costs[feature]
            group_tokens[lightest] += tokens[feature]
            groups[lightest].append(int(feature))
        over_budget = any(
            total > budget and len(group) > 1 for total, group in zip(group_tokens, groups, strict=True)
        )
        if not over_budget or count == len(order):
            return [np.asarray(group) for group in groups]
        count += ranks


def assign_to_ranks(
    lengths: Lengths,
    budget: int,
    *,
    ranks: int = 1,
    cost: MicroBatchCost = MicroBatchCost(),
) -> list[list[Indices]]:
    """Cuts features into micro-batches and assigns them to ranks, minimizing the load of the busiest rank.

    Args:
        lengths: integers (features, tensors).
        budget: padded tokens per micro-batch.
        ranks: number of ranks.
        cost: cost model of a micro-batch.

    Returns:
        For each rank, positions in `lengths` of each of its micro-batches, the most expensive first.
    """
    best: list[list[Indices]] = []
    lowest_load = np.inf
    while True:
        micro_batches = partition_by_length(lengths, budget, cost=cost)
        costs = [
            float(cost.of(len(positions), lengths[positions].max(axis=0).sum()))
            for positions in micro_batches
        ]
        loads = np.zeros(ranks)
        shares: list[list[Indices]] = [[] for _ in range(ranks)]
        for index in np.argsort(costs, kind="stable")[::-1]:
            lightest = int(np.argmin(loads))
            loads[lightest] += costs[index]
            shares[lightest].append(micro_batches[index])
        if loads.max() < lowest_load:
            best, lowest_load = shares, loads.max()
        if ranks == 1 or len(micro_batches) >= min(len(lengths), MAX_MICRO_BATCHES_PER_RANK * ranks):
            return best
        # The cheapest cut may be too coarse to balance: halving the budget yields more, smaller micro-batches.
        budget = min(budget, max(padded_tokens(lengths[positions]) for positions in micro_batches)) // 2


def partition_by_length(
    lengths: Lengths, budget: int, *, cost: MicroBatchCost = MicroBatchCost()
) -> list[Indices]:
    """Cuts features into groups with the lowest total cost.

    Sorts the features by length and finds the cheapest cut by dynamic programming over the last group; no group of
    two or more exceeds the budget.

    Args:
        lengths: integers (features, tensors).
        budget: padded tokens per group; below 1 every feature gets a group of its own.
        cost: cost model of a group.

    Returns:
        Positions in `lengths` of each group.
    """
    order = np.argsort(lengths.sum(axis=1), kind="stable")
    ordered = lengths[order]
    total = len(order)
    best = np.zeros(total + 1)
    previous = np.zeros(total + 1, dtype=np.int64)
    # best[end] is the lowest cost of the `end` shortest features, previous[end] where its last group begins.
    for end in range(1, total + 1):
        # Entry i describes a last group of i + 1 features. With several tensors the longest of each is not
        # necessarily in the last feature, hence the running maximum. Padded size grows with i, so searchsorted works.
        longest = np.maximum.accumulate(ordered[:end][::-1], axis=0).sum(axis=1, dtype=np.int64)
        rows = np.arange(1, end + 1)
        allowed = max(1, int(np.searchsorted(longest * rows, budget, side="right")))
        costs = best[end - rows[:allowed]] + cost.of(rows[:allowed], longest[:allowed])
        size = int(np.argmin(costs)) + 1
        best[end], previous[end] = costs[size - 1], end - size
    groups = []
    end = total
    while end > 0:
        groups.append(order[previous[end] : end])
        end = int(previous[end])
    return groups[::-1]


def prediction_batches(lengths: Lengths, budget: int) -> Iterator[Indices]:
    """Yields every feature once, the longest first, in batches of at most `budget` padded tokens (or one feature)."""
    order = np.argsort(-lengths.sum(axis=1), kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]].sum()))
        end = start + max(1, budget // longest)
        yield order[start:end]
        start = end
