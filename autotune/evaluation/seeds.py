"""Scores of runs that differ in their seed alone: mean, standard deviation, and how sure the mean is."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from autotune.evaluation.bootstrap import LEVEL


@dataclass(frozen=True)
class OverSeeds:
    """A score over seeds."""

    n: int
    mean: float
    sd: float
    """Sample standard deviation (n - 1)."""
    interval: list[float]
    """95 % interval of the mean by Student's t with n - 1 degrees of freedom: how the training varies, on this test set."""


def over_seeds(scores: Sequence[float]) -> OverSeeds:
    """Returns mean, sample standard deviation and interval of two or more scores."""
    from scipy.special import stdtrit

    n, mean, sd = len(scores), fmean(scores), stdev(scores)
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * sd / n**0.5
    return OverSeeds(n, mean, sd, [mean - half, mean + half])


def welch(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns the two-sided p-value of the difference between two means (Welch 1947), for two or more scores each.

    Where neither varies, 1 for equal means and else 0.
    """
    from scipy.stats import ttest_ind

    if not stdev(first) and not stdev(second):
        return float(fmean(first) == fmean(second))
    return float(ttest_ind(first, second, equal_var=False).pvalue)
