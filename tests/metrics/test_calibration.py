"""Figures of probabilities against hand-computed values; temperature and threshold against what made the data."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, f1_score, log_loss

from autotune.metrics.calibration import (
    Bin,
    fit_temperature,
    fit_threshold,
    quality,
    reliability,
    risk_at_coverage,
    tempered,
)


def drawn(rows=4000, classes=3, seed=0):
    """Logits, and gold classes drawn from their softmax."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (rows, classes))
    probabilities = tempered(np.exp(logits - logits.max()), 1.0)
    gold = (probabilities.cumsum(axis=1) < generator.random((rows, 1))).sum(axis=1)
    return probabilities, gold


def test_figures_of_four_rows_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    figures = quality(probabilities, np.array([0, 0, 1, 0]), np.array([0, 1, 1, 0]))
    # Each row is in a bin of its own: errors of 0.1, 0.8, 0.3 and 0.4.
    assert figures.ece == pytest.approx((0.1 + 0.8 + 0.3 + 0.4) / 4)
    assert figures.brier == pytest.approx(2 * (0.01 + 0.64 + 0.09 + 0.16) / 4)
    assert figures.nll == pytest.approx(-np.log([0.9, 0.2, 0.7, 0.6]).mean())
    # By confidence: right, wrong, right, right.
    assert figures.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert figures.accuracy_at_coverage == pytest.approx({"0.9": 0.75, "0.8": 0.75, "0.5": 0.5})


def test_figures_agree_with_scikit_learn():
    probabilities, gold = drawn(classes=2)
    figures = quality(probabilities, probabilities.argmax(axis=1), gold)
    assert figures.nll == pytest.approx(log_loss(gold, probabilities))
    assert figures.brier == pytest.approx(2 * brier_score_loss(gold, probabilities[:, 1]))


def test_bins_are_closed_on_the_right_and_1_is_in_the_last():
    confidence = np.array([1 / 15, 1 / 15 + 1e-9, 1.0, 0.99])
    bins = reliability(confidence, np.array([True, False, True, False]))
    assert [item.rows for item in bins] == [1, 1, 2]
    assert bins[-1] == Bin(pytest.approx(0.995), 0.5, 2)


def test_risk_grows_from_the_surest_row_on():
    risk = risk_at_coverage(np.array([0.5, 0.9, 0.7]), np.array([False, True, False]))
    assert risk.tolist() == pytest.approx([0, 1 / 2, 2 / 3])


@pytest.mark.parametrize("wrong", [0.4, 1.0, 2.5])
def test_the_temperature_that_spoiled_probabilities_is_recovered(wrong):
    probabilities, gold = drawn()
    spoiled = tempered(probabilities, 1 / wrong)
    fitted = fit_temperature(spoiled, gold)
    assert fitted == pytest.approx(wrong, rel=0.06)
    best = minimize_scalar(
        lambda t: log_loss(gold, tempered(spoiled, t)), bounds=(0.05, 20), method="bounded"
    )
    assert fitted == pytest.approx(best.x, rel=1e-3)
    rows = probabilities.argmax(axis=1)
    calibrated = tempered(spoiled, fitted)
    assert (calibrated.argmax(axis=1) == rows).all()
    assert quality(calibrated, rows, gold).ece < 0.03
    np.testing.assert_allclose(tempered(calibrated, 1 / fitted), spoiled, atol=1e-9)


def test_no_temperature_is_fitted_without_an_error_and_none_beyond_its_limits():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(probabilities, np.array([0, 1])) is None
    assert fit_temperature(probabilities, np.array([1, 0])) == pytest.approx(20)
    assert fit_temperature(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 0])) == pytest.approx(20)


def test_the_threshold_is_the_best_of_all():
    generator = np.random.default_rng(3)
    gold = (generator.random(300) < 0.1).astype(np.int64)
    probabilities = np.clip(0.25 * gold + generator.normal(0.2, 0.1, 300), 0.001, 0.999)
    threshold = fit_threshold(probabilities, gold)
    scores = {
        value: f1_score(gold, probabilities >= value, average="macro", zero_division=0)
        for value in [*np.linspace(0.01, 0.99, 500), threshold, 0.5]
    }
    assert scores[threshold] == pytest.approx(max(scores.values()))
    assert scores[threshold] > scores[0.5] + 0.1


def test_a_threshold_that_gains_nothing_stays_at_one_half():
    assert fit_threshold(np.array([0.1, 0.2, 0.9]), np.array([0, 0, 1])) == 0.5
    assert fit_threshold(np.array([0.3, 0.3]), np.array([0, 0])) == 0.5
