"""The state of a metric: counts and sums over the rows scored so far, whose size does not grow with the rows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self


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

    def values(self) -> dict[str, float]:
        """Returns only the floats of `figures`, the same to the bit; the bootstrap calls it hundreds of times."""
        return {name: value for name, value in self.figures().items() if isinstance(value, float)}
