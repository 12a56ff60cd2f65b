"""The state of a metric: counts and sums over the rows scored so far, whose size does not grow with the rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class CountTable(NamedTuple):
    """Counts of many rows as a matrix, so that thousands of resampled test sets are scored by one product."""

    counts: Numbers
    """What each row adds to the sums: (rows, counts)."""
    values: Callable[[Numbers], dict[str, Numbers]]
    """Takes sums of counts, (resamples, counts), and returns every metric: (resamples,)."""
    class_f1: Callable[[Numbers], dict[str, Numbers]] | None = None
    """Takes the same and returns the F1 of each class: (resamples,); None for a metric without classes."""


class MetricState(ABC):
    """Counts from which the metric values are computed.

    Rows may be added in any order and counted in parts by several processes: the values are the same to the bit.
    """

    rows = 0
    """Number of rows added."""

    @abstractmethod
    def add(self, reference: Any, prediction: Any) -> None:
        """Counts one row.

        Raises:
            DataError: the row cannot be scored.
        """

    def add_extra(self, prediction: Mapping[str, Any]) -> None:
        """Counts keys of a prediction other than the one that is compared with the reference."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Adds the counts of another process."""

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """Returns metric values by name, as floats, and the tables `per_class`, `confusion` and `counts`.

        Needs at least one row.
        """

    @classmethod
    def table(cls, states: Sequence[Self]) -> CountTable | None:
        """Returns the counts of one state per row as a matrix; None where a metric is not a function of sums.

        Resampling then merges states, which is slower.
        """
        return None

    def values(self) -> dict[str, float]:
        """Returns only the floats of `figures`, the same to the bit."""
        return {name: value for name, value in self.figures().items() if isinstance(value, float)}
