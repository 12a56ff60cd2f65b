"""Figures of two columns of numbers, from sums over their rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

ROUNDING = 1e-12
"""A spread that is a smaller share of the sum of squares is what rounding leaves of none."""


class Moments(NamedTuple):
    """How two columns vary, as sums over rows about the mean: one value per test set, or one alone."""

    gold: Numbers
    """Sum of squares of the gold values."""
    predicted: Numbers
    both: Numbers
    """Sum of products."""
    shift: Numbers
    """Number of rows times the squared difference of the means."""


def moments(n: Numbers, x: Numbers, y: Numbers, xx: Numbers, yy: Numbers, xy: Numbers) -> Moments:
    """Returns the moments from the number of rows and the sums of values, squares and products."""

    def spread(squares: Numbers, total: Numbers) -> Numbers:
        about_mean = squares - total * total / n
        return np.where(about_mean > ROUNDING * squares, about_mean, 0.0)

    return Moments(spread(xx, x), spread(yy, y), xy - x * y / n, (x - y) ** 2 / n)


def pearson(sums: Moments) -> Numbers:
    """Returns Pearson's correlation; 0 where one of the columns does not vary."""
    return _ratio(sums.both, np.sqrt(sums.gold * sums.predicted), otherwise=0.0)


def quadratic_kappa(sums: Moments) -> Numbers:
    """Returns quadratic weighted kappa (Cohen 1968) of whole numbers; 1 where all rows have the same number twice.

    The weighted disagreement is a sum of squared differences, observed and by chance, so that sums suffice.
    """
    return _ratio(2 * sums.both, sums.gold + sums.predicted + sums.shift, otherwise=1.0)


def determination(squared_errors: Numbers, sums: Moments) -> Numbers:
    """Returns R² as scikit-learn does: where gold values do not vary, 1 without an error and else 0."""
    varies = _ratio(squared_errors, sums.gold, otherwise=1.0)
    return np.where(sums.gold > 0, 1 - varies, np.where(squared_errors > 0, 0.0, 1.0))


def spearman(gold: Numbers, predicted: Numbers) -> float:
    """Returns Spearman's correlation, tied values with their mean rank; 0 where one of the columns does not vary."""
    x, y = (_centred_ranks(values) for values in (gold, predicted))
    spread = float(x @ x) * float(y @ y)
    return float(x @ y) / spread**0.5 if spread else 0.0


def _centred_ranks(values: Numbers) -> NDArray[np.int64]:
    """Returns twice the rank of each value, from 0 for the mean rank: whole numbers, so sums have no rounding."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    twice = 2 * np.cumsum(counts) - counts + 1
    return np.asarray(twice[group] - (len(values) + 1), dtype=np.int64)


def _ratio(above: Numbers, below: Numbers, *, otherwise: float) -> Numbers:
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(above, below, out=np.full(above.shape, otherwise), where=below > 0)
