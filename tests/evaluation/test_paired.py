"""Paired tests against scipy and a value by hand, and their rate of false alarms."""

import numpy as np
import pytest
from scipy.stats import bootstrap, false_discovery_control, permutation_test

from autotune.evaluation.paired import differences, holm
from autotune.metrics import class_metric, rouge_metric
from tests.evaluation.test_bootstrap import states_of

METRIC = class_metric(["a", "b"])
RIGHT, WRONG = states_of(METRIC, [(0, 0), (0, 1)])


def systems(first, second):
    return [[RIGHT if hit else WRONG for hit in hits] for hits in (first, second)]


@pytest.mark.parametrize("gain", [0.0, 0.1, 0.25])
def test_randomization_gives_the_exact_p_value(gain):
    """With accuracy, exchanging the outputs of a row is flipping the sign of its difference."""
    draw = np.random.default_rng(1)
    first, second = draw.random(60) < 0.6, draw.random(60) < 0.6 + gain
    test = differences(*systems(first, second), METRIC.empty, seed=0)["accuracy"]
    exact = permutation_test(
        (second * 1.0 - first * 1.0,),
        np.mean,
        permutation_type="samples",
        n_resamples=50_000,
        random_state=2,
    )
    assert test.value == pytest.approx(second.mean() - first.mean())
    assert test.p_randomization == pytest.approx(exact.pvalue, abs=0.02)
    assert test.interval[0] <= test.value <= test.interval[1]
    assert (test.p_bootstrap < 0.05) == (test.p_randomization < 0.05)


def test_equal_systems_do_not_differ():
    hits = np.random.default_rng(1).random(50) < 0.6
    test = differences(*systems(hits, hits), METRIC.empty, seed=0)["macro_f1"]
    assert (test.value, test.interval, test.p_bootstrap, test.p_randomization) == (0, [0, 0], 1, 1)


def test_false_alarms_come_as_often_as_the_level_says():
    """400 pairs of equally good systems on 100 rows: about 5 % are called different at 0.05."""
    draw, alarms = np.random.default_rng(7), [0, 0]
    for seed in range(400):
        first, second = draw.random((2, 100)) < 0.7
        test = differences(*systems(first, second), METRIC.empty, seed=seed, resamples=400)["accuracy"]
        alarms[0] += test.p_randomization <= 0.05
        alarms[1] += test.p_bootstrap <= 0.05
    assert 0.02 <= alarms[0] / 400 <= 0.08
    assert 0.02 <= alarms[1] / 400 <= 0.08


def test_every_metric_of_summaries_is_compared():
    metric = rouge_metric()
    first = states_of(metric, [("a avó foi à serra", text) for text in ("a avó foi", "choveu", "a serra")])
    second = states_of(
        metric, [("a avó foi à serra", text) for text in ("a avó foi à serra", "a avó", "foi")]
    )
    tests = differences(first, second, metric.empty, seed=0, resamples=200)
    assert set(tests) == set(first[0].values())
    assert tests["rougeL"].value == pytest.approx(
        np.mean([state.values()["rougeL"] for state in second])
        - np.mean([state.values()["rougeL"] for state in first])
    )


def test_other_rows_cannot_be_paired():
    with pytest.raises(ValueError, match="cannot be paired"):
        differences([RIGHT], [RIGHT, WRONG], METRIC.empty, seed=0)


def test_holm():
    """The step-down procedure, by hand; never smaller than the false discovery rate's correction."""
    values = [0.01, 0.04, 0.03, 0.005]
    assert holm(values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert all(
        ours >= other for ours, other in zip(holm(values), false_discovery_control(values), strict=True)
    )


def test_randomization_by_hand():
    """Only three rows differ, all in favor of the second system: 2 of the 2³ exchanges are as extreme, so p is 1/4."""
    first = np.array([True] * 20 + [False] * 3)
    test = differences(*systems(first, np.ones(23, bool)), METRIC.empty, seed=0, resamples=20_000)["accuracy"]
    assert test.value == pytest.approx(3 / 23)
    assert test.p_randomization == pytest.approx(1 / 4, abs=0.01)


def test_the_interval_of_a_difference_is_that_of_scipy():
    draw = np.random.default_rng(4)
    first, second = draw.random(150) < 0.6, draw.random(150) < 0.7
    test = differences(*systems(first, second), METRIC.empty, seed=0)["accuracy"]
    expected = bootstrap(
        (second * 1.0, first * 1.0), lambda one, two, axis: one.mean(axis) - two.mean(axis), paired=True,
        vectorized=True, method="percentile", random_state=1,
    ).confidence_interval  # fmt: skip
    assert test.interval == pytest.approx([expected.low, expected.high], abs=0.01)
