"""How the numbers of a target are spread in train, and which of them cannot be learned."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autotune.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_GRADES = 101
"""Targets with more distinct values than this do not count as grades; 0 to 1000 in steps of 10 are."""
MIN_REPEATS = 2
"""Grades occur as often as this on average."""
MAX_VALUE = 1e30
"""Greater numbers overflow in fp32 once they are squared."""
MAX_OFFSET = 1e5
"""Where the mean is more standard deviations away from 0, fp32 does not tell the numbers apart."""


class Spread(NamedTuple):
    """A target as it is in train."""

    name: str
    mean: float
    scale: float
    grades: list[float] | None


def fit_target(name: str, values: "NDArray[np.float64]") -> Spread:
    """Returns mean, standard deviation and grades of a target.

    Args:
        name: of the target.
        values: of all rows of train: (rows,).

    Raises:
        DataError: the values are all the same, or too large, or too near each other.
    """
    where = f"train, column {name}"
    if len(values) < 2 or (values == values[0]).all():
        raise DataError(
            "there is only one number in train, so there is nothing to learn",
            where=where,
            found=f"{values[0] if len(values) else 'no row'} in {len(values)} rows",
            fix="check dataset.columns.label",
        )
    largest = float(np.abs(values).max())
    if largest > MAX_VALUE:
        raise DataError(
            "numbers of this size cannot be learned",
            where=where,
            found=f"{largest:g}",
            fix="divide the numbers, or correct the row",
        )
    mean, scale = float(values.mean()), float(values.std())
    if abs(mean) > MAX_OFFSET * scale:
        raise DataError(
            "the numbers differ by too little for their size: in fp32 they are all the same",
            where=where,
            found=f"mean {mean:g}, standard deviation {scale:g}",
            fix="subtract the same number from all of them",
        )
    grades = np.unique(values)
    is_graded = len(grades) <= MAX_GRADES and len(grades) * MIN_REPEATS <= len(values)
    return Spread(name, mean, scale, grades.tolist() if is_graded else None)
