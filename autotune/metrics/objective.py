"""Which of two values of a figure is better: the only place that decides it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
Value = TypeVar("Value", float, "NDArray[np.float64]")


class Objective(NamedTuple):
    """The figure that chooses the best checkpoint, and whether its greater or its smaller values are better."""

    metric: str
    greater_is_better: bool = True

    def gain(self, value: float, other: float) -> float:
        """Returns how much better the first value is; negative if it is worse."""
        return value - other if self.greater_is_better else other - value

    def better(self, value: float, other: float, by: float = 0.0) -> bool:
        """Returns whether the first value is better than the other by more than `by`."""
        return self.gain(value, other) > by

    def best(self, items: Iterable[T], value: Callable[[T], float]) -> T | None:
        """Returns the item with the best value, of equal ones the first; None if there is none."""
        return max(items, key=lambda item: self.rank(value(item)), default=None)

    def rank(self, value: Value) -> Value:
        """Returns a number that is greater for better values: a key for sorting. The same for an array."""
        return value if self.greater_is_better else -value
