"""What is kept of the rows scored so far: counts and sums, whose size does not grow with the rows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self


class MetricState(ABC):
    """Counts from which the figures follow.

    Rows may be added in any order and counted in parts by several processes: the figures are the same to the bit.
    """

    rows = 0
    """How many were added."""

    @abstractmethod
    def add(self, reference: Any, prediction: Any) -> None:
        """Counts one row.

        Raises:
            DataError: it cannot be scored.
        """

    def add_extra(self, prediction: Mapping[str, Any]) -> None:
        """Counts what else is known of a row's prediction, beside the part that is compared."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Adds what another process has counted."""

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """Figures by name as floats, and under `per_class`, `confusion` and `counts` what is a table; of at least one row."""

    def values(self) -> dict[str, float]:
        """The floats of `figures` alone, the same to the bit; a bootstrap asks for them hundreds of times."""
        return {name: value for name, value in self.figures().items() if isinstance(value, float)}
