"""Percentile bootstrap (Efron 1979): how much a score would vary with another test set of the same size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.metrics.accumulator import CountTable, MetricState, Numbers
from autotune.tasks.base import Prediction, Row, Task

RESAMPLES, LEVEL = 2000, 0.95
BLOCKS = 5000
"""Most blocks that are resampled: with more rows, each block has several, and the cost does not grow with the rows."""
MERGED_BLOCKS, MERGED_RESAMPLES = 200, 500
"""The same for a metric that is not a function of sums, whose states are merged one by one."""
CHUNK = 2**23
"""Weights in memory at once: 64 MiB."""


def intervals(states: Sequence[MetricState], empty: Callable[[], Any], seed: int) -> dict[str, list[float]]:
    """Returns the 95 % interval of every metric: lower and upper end.

    Args:
        states: metric state of each block of rows, see `block_states`.
        empty: returns a state without rows.
        seed: seed of the resampling.
    """
    bootstrapped = Resampling([states], empty).bootstrap(seed)
    return {name: interval(values) for name, values in bootstrapped.items()}


def block_states(task: Task, rows: Iterable[Row], predictions: Iterable[Prediction]) -> list[MetricState]:
    """Returns the metric state of each row, or of each of `BLOCKS` blocks, over which rows are distributed in turn."""
    blocks = Blocks(task.metric().empty)
    for row, prediction in zip(rows, predictions, strict=True):
        blocks.add(*task.to_metric_inputs(row, prediction))
    return blocks.states


class Blocks:
    """Collects the metric states over which a score is resampled; see `block_states`.

    Args:
        empty: returns a state without rows.
    """

    def __init__(self, empty: Callable[[], Any]) -> None:
        self._empty = empty
        self.rows = 0
        """Rows added."""
        self.states: list[MetricState] = []

    def add(self, reference: Any, prediction: Any) -> None:
        """Adds a row.

        Raises:
            DataError: the metric cannot score it.
        """
        self._next().add(reference, prediction)

    def add_state(self, state: MetricState) -> None:
        """Adds a row that has been scored by itself."""
        self._next().merge(state)

    def class_intervals(self, seed: int) -> dict[str, list[float]]:
        """Returns the 95 % interval of the F1 of each class; none for a metric without classes."""
        if not self.states:
            return {}
        resampling = Resampling([self.states], self._empty)
        return {name: interval(values) for name, values in resampling.class_f1(seed).items()}

    def _next(self) -> MetricState:
        if self.rows < BLOCKS:
            self.states.append(self._empty())
        self.rows += 1
        return self.states[(self.rows - 1) % BLOCKS]


def row_values(states: Sequence[MetricState], name: str) -> Numbers:
    """Returns a metric of each row alone, from one state per row: (rows,)."""
    table = type(states[0]).table(states)
    if table is not None:
        return table.values(table.counts)[name]
    return np.array([state.values()[name] for state in states])


def interval(values: Numbers) -> list[float]:
    """Returns the lower and the upper end of the 95 % percentile interval of resampled values: (resamples,)."""
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return [float(low), float(high)]


class Resampling:
    """Scores test sets that are put together from the blocks of one or several systems.

    Args:
        systems: for each system, its metric state of each block of rows.
        empty: returns a state without rows.
    """

    def __init__(self, systems: Sequence[Sequence[MetricState]], empty: Callable[[], Any]) -> None:
        self._empty = empty
        # One table for all systems: its columns depend on what occurs in the states.
        self._table = type(systems[0][0]).table([state for states in systems for state in states])
        if self._table is None:
            systems = [self._in_blocks(states, MERGED_BLOCKS) for states in systems]
        self._systems = systems
        self.blocks = len(systems[0])
        self.resamples = RESAMPLES if self._table is not None else MERGED_RESAMPLES

    def bootstrap(self, seed: int) -> dict[str, Numbers]:
        """Returns every metric of test sets drawn from the first system's blocks with replacement: (resamples,) each."""
        return joined([self.values(weights) for weights in self._drawn(seed)])

    def class_f1(self, seed: int) -> dict[str, Numbers]:
        """Returns the F1 of each class of the same test sets: (resamples,) each; none for a metric without classes."""
        if self._table is None or self._table.class_f1 is None:
            return {}
        class_f1, counts = self._table.class_f1, self._table.counts[: self.blocks]
        return joined([class_f1(weights @ counts) for weights in self._drawn(seed)])

    def _drawn(self, seed: int) -> Iterator[Numbers]:
        return bootstrap_weights(np.random.default_rng(seed), self.resamples, self.blocks)

    def values(self, *weights: Numbers) -> dict[str, Numbers]:
        """Returns every metric of test sets: (test sets,) each.

        Args:
            weights: for each system, how often each of its blocks is in each test set: whole numbers, (test sets, blocks).
        """
        if self._table is not None:
            parts = np.split(self._table.counts, len(self._systems))
            sums: list[Numbers] = [weight @ part for weight, part in zip(weights, parts, strict=False)]
            return self._table.values(np.sum(sums, axis=0))
        return self._merged_values(self._systems, weights)

    def of_each(self, metric: str, weights: Numbers) -> Numbers:
        """Returns a metric of each system by itself on the same test sets: (test sets, systems).

        Args:
            metric: its name.
            weights: how often each block is in each test set: whole numbers, (test sets, blocks).
        """
        if self._table is not None:
            sums = np.split(weights @ self._side_by_side(self._table), len(self._systems), axis=1)
            scores = [self._table.values(total)[metric] for total in sums]
        else:
            scores = [self._merged_values([states], [weights])[metric] for states in self._systems]
        return np.stack(scores, axis=1)

    def order(self) -> NDArray[np.int64]:
        """Returns the blocks sorted by what the systems count in them, which does not depend on their order: (blocks,).

        Without a table, it is the order in which they were passed.
        """
        if self._table is None:
            return np.arange(self.blocks)
        return np.lexsort(self._side_by_side(self._table).T)

    def _side_by_side(self, table: CountTable) -> Numbers:
        """Returns the counts of all systems of each block: (blocks, systems · counts)."""
        return np.hstack(np.split(table.counts, len(self._systems)))

    def _merged_values(
        self, systems: Sequence[Sequence[MetricState]], weights: Sequence[Numbers]
    ) -> dict[str, Numbers]:
        lines = []
        for of_systems in zip(*weights, strict=True):
            drawn = [
                state
                for states, times in zip(systems, of_systems, strict=False)
                for state, count in zip(states, times.astype(int), strict=True)
                for _ in range(count)
            ]
            lines.append(self._merged(drawn).values())
        return {name: np.array([line[name] for line in lines]) for name in lines[0]}

    def _in_blocks(self, states: Sequence[MetricState], blocks: int) -> list[MetricState]:
        return [self._merged(states[first::blocks]) for first in range(min(blocks, len(states)))]

    def _merged(self, states: Sequence[MetricState]) -> MetricState:
        """Returns the sum of states, which stay as they are."""
        total: MetricState = self._empty()
        for state in states:
            total.merge(state)
        return total


def bootstrap_weights(generator: np.random.Generator, resamples: int, blocks: int) -> Iterator[Numbers]:
    """Yields how often each block is drawn, for some resamples at a time: (resamples, blocks)."""
    for size in chunk_sizes(resamples, blocks):
        drawn = generator.integers(blocks, size=(size, blocks)) + blocks * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * blocks).reshape(size, blocks).astype(np.float64)


def chunk_sizes(resamples: int, blocks: int) -> Iterator[int]:
    """Yields numbers of resamples whose weights fit into memory together; their sum is `resamples`."""
    most = max(1, CHUNK // blocks)
    for first in range(0, resamples, most):
        yield min(most, resamples - first)


def joined(parts: Sequence[dict[str, Numbers]]) -> dict[str, Numbers]:
    """Returns the values of all parts, (resamples,) each."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
