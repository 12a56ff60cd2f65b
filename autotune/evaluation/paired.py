"""Whether two systems differ on the same test rows: paired bootstrap and approximate randomization."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from autotune.evaluation.bootstrap import Resampling, bootstrap_weights, chunk_sizes, interval, joined
from autotune.metrics.accumulator import MetricState, Numbers

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """How much more the second system scores in one metric."""

    value: float
    """Score of the second system less that of the first."""
    interval: list[float]
    """95 % interval of it, by paired bootstrap: both systems are scored on the same resampled rows (Koehn 2004)."""
    p_bootstrap: float
    """Two-sided: twice the share of resamples on the other side of 0, at most 1."""
    p_randomization: float
    """Two-sided: share of random exchanges of the two systems' rows that differ at least as much (Noreen 1989)."""

    def gain(self, *, greater_is_better: bool) -> Self:
        """Returns how much better the second system is: the difference, or its opposite where smaller values are better."""
        if greater_is_better:
            return self
        low, high = self.interval
        return replace(self, value=-self.value, interval=[-high, -low])


def differences(
    first: Sequence[MetricState],
    second: Sequence[MetricState],
    empty: Callable[[], Any],
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, Difference]:
    """Compares two systems in every metric.

    Both p-values count the observed difference as one of the samples, so none is 0 (Phipson and Smyth 2010).

    Args:
        first: metric state of one system for each block of rows, see `autotune.evaluation.bootstrap.block_states`.
        second: those of the other system for the same blocks.
        empty: returns a state without rows.
        seed: seed of the resampling.
        resamples: number of resamples, and of exchanges.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} blocks of rows cannot be paired")
    resampling = Resampling([first, second], empty)
    blocks, generator = resampling.blocks, np.random.default_rng(seed)

    def difference(weights: Numbers, others: Numbers) -> dict[str, Numbers]:
        """Returns the metrics with `others` of the first system less those with `others` of the second system."""
        scores, references = resampling.values(others, weights), resampling.values(weights, others)
        return {name: value - references[name] for name, value in scores.items()}

    whole = np.ones((1, blocks))
    observed = difference(whole, 0 * whole)
    resampled = joined(
        [difference(drawn, 0 * drawn) for drawn in bootstrap_weights(generator, resamples, blocks)]
    )
    exchanges = (
        generator.integers(2, size=(size, blocks)).astype(np.float64)
        for size in chunk_sizes(resamples, blocks)
    )
    exchanged = joined([difference(exchange, 1 - exchange) for exchange in exchanges])
    return {
        name: Difference(
            float(value[0]),
            interval(resampled[name]),
            _two_sided(resampled[name]),
            # Rounding must not turn an exchange that gives the observed difference into a smaller one.
            float(1 + (np.abs(exchanged[name]) >= abs(value[0]) - 1e-12).sum()) / (1 + resamples),
        )
        for name, value in observed.items()
    }


def is_worse(difference: Difference, level: float = 0.05, *, greater_is_better: bool = True) -> bool:
    """Returns whether the second system is worse beyond chance: by its interval and by randomization.

    The interval alone is too narrow where only a few rows differ; then randomization decides.
    """
    gain = difference.gain(greater_is_better=greater_is_better)
    return gain.interval[1] < 0 and difference.p_randomization <= level


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected for the number of comparisons, in the same order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _two_sided(values: Numbers) -> float:
    """Returns the two-sided p-value of a difference from its resampled values: (resamples,)."""
    tail = 1 + min((values <= 0).sum(), (values >= 0).sum())
    return min(1.0, 2 * float(tail) / (1 + len(values)))
