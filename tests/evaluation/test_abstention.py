"""The threshold that keeps the error of what is decided within a limit."""

import numpy as np
import pytest
from scipy.stats import beta

from autotune.evaluation.abstention import (
    POINTS,
    Point,
    find_threshold,
    from_dict,
    risk_coverage,
    threshold_for_error,
    to_dict,
    upper_bound,
)


def simulated(rows: int, seed: int):
    """Probabilities of two classes that are what they say, and gold classes."""
    draw = np.random.default_rng(seed)
    first = draw.beta(4, 1.2, size=rows) / 2 + 0.5
    gold = np.where(draw.random(rows) < first, 0, 1)
    swapped = draw.random(rows) < 0.5
    probabilities = np.stack([first, 1 - first], axis=1)
    probabilities[swapped] = probabilities[swapped, ::-1]
    return probabilities, np.where(swapped, 1 - gold, gold)


@pytest.mark.parametrize("rows", [150, 400])
def test_the_error_of_other_rows_is_within_the_limit_in_nineteen_of_twenty_samples(rows):
    probabilities, gold = simulated(100_000, seed=0)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == gold
    kept, coverages = [], []
    for seed in range(1, 201):
        abstention = threshold_for_error(*simulated(rows, seed), 0.1)
        if abstention is None:
            kept.append(True)
            continue
        decided = confidence >= abstention.threshold
        kept.append((~right[decided]).mean() <= 0.1)
        coverages.append((abstention.coverage, decided.mean()))
    assert np.mean(kept) >= 0.95
    promised, real = np.mean(coverages, axis=0)
    assert real > 0.3, "and not because nothing is decided"
    assert promised == pytest.approx(real, abs=0.05)


def test_the_bound_is_that_of_clopper_and_pearson():
    for wrong, decided in [(0, 59), (3, 100), (50, 60)]:
        assert upper_bound(wrong, decided) == pytest.approx(beta.ppf(0.95, wrong + 1, decided - wrong))
    assert upper_bound(0, 59) < 0.05 < upper_bound(0, 58), "59 rows without an error promise 5 %"
    assert upper_bound(4, 4) == 1.0


def test_the_smallest_threshold_within_the_limit_is_chosen():
    curve = [Point(0.99, 100, 0), Point(0.9, 200, 3), Point(0.8, 300, 30), Point(0.5, 400, 90)]
    found = find_threshold(curve, 400, 0.05)
    assert found is not None
    assert (found.threshold, found.coverage, found.error) == (0.9, 0.5, 0.015)
    assert 0.015 < found.bound <= 0.05
    assert find_threshold(curve, 400, 0.02) is None
    assert find_threshold(curve, 400, 0.99).coverage == 1


def test_equal_probabilities_are_decided_together_and_long_curves_are_cut():
    confidence = np.array([0.9] * 3 + [0.6] * 5)
    curve = risk_coverage(confidence, np.array([True, False, True] + [False] * 5))
    assert curve == [Point(0.9, 3, 1), Point(0.6, 8, 6)]
    draw = np.random.default_rng(0)
    long = risk_coverage(draw.random(3000), draw.random(3000) < 0.8)
    assert len(long) == POINTS
    assert long[-1].decided == 3000
    assert from_dict(to_dict(long, 3000)) == (long, 3000)
