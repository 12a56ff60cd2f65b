"""Scores over seeds: the interval of a mean, and the test between two means, against a table and a textbook formula."""

import numpy as np
import pytest

from autotune.evaluation.seeds import over_seeds, welch


def test_the_interval_of_a_mean_is_that_of_student():
    """For n = 3, Student's t is 4.303 at 97.5 % (two degrees of freedom)."""
    scores = over_seeds([0.80, 0.82, 0.87])
    assert (scores.n, scores.mean) == (3, pytest.approx(0.83))
    assert scores.sd == pytest.approx((0.0026 / 2) ** 0.5)
    half = 4.302653 * scores.sd / 3**0.5
    assert scores.interval == pytest.approx([0.83 - half, 0.83 + half], abs=1e-7)


def test_intervals_of_means_cover_as_often_as_they_say():
    draw, covered = np.random.default_rng(3), 0
    for _ in range(2000):
        low, high = over_seeds(draw.normal(0.8, 0.02, size=5).tolist()).interval
        covered += low <= 0.8 <= high
    assert 0.935 <= covered / 2000 <= 0.965


def test_the_test_between_two_means():
    """Two groups of five: t = 1.0 and, with equal variances, 8 degrees of freedom: p = 0.3466."""
    first = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert welch(first, [value + 1 for value in first]) == pytest.approx(0.3466, abs=1e-4)
    assert welch([0.5, 0.5], [0.5, 0.5]) == 1
    assert welch([0.5, 0.5], [0.6, 0.6]) == 0
