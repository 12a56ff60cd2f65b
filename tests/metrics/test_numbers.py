"""Figures of numbers and of classes in order, against scikit-learn and scipy, with ties and without variation."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    cohen_kappa_score,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)

from autotune.errors import DataError
from autotune.metrics import number_metric, ordinal_metric
from autotune.metrics.objective import Objective
from autotune.metrics.regression import Target


def drawn(seed: int) -> tuple[Target, np.ndarray, np.ndarray]:
    """A target with grades, gold values and predictions, of which some have ties."""
    rng = np.random.default_rng(seed)
    grades = sorted(set((1000 * (seed % 2) + rng.integers(0, 9, 6) * 20).tolist()))
    gold = rng.choice(grades, int(rng.integers(2, 120)))
    predicted = gold + rng.normal(scale=20, size=len(gold))
    if seed % 3 == 0:
        predicted = np.round(predicted, -1)
    return Target("nota", float(gold.mean()), float(gold.std() or 1), grades), gold, predicted


def scored(target: Target, gold, predicted) -> dict[str, float]:
    return number_metric([target]).compute(
        predictions=[[value] for value in predicted], references=[[value] for value in gold]
    )


@pytest.mark.parametrize("seed", range(25))
def test_numbers_are_scored_as_libraries_do(seed):
    target, gold, predicted = drawn(seed)
    ids = [
        [int(np.abs(np.array(target.grades) - value).argmin()) for value in side]
        for side in (gold, predicted)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "mse": mean_squared_error(gold, predicted),
            "rmse": root_mean_squared_error(gold, predicted),
            "mae": mean_absolute_error(gold, predicted),
            "r2": r2_score(gold, predicted),
            "pearson": np.nan_to_num(stats.pearsonr(gold, predicted).statistic),
            "spearman": np.nan_to_num(stats.spearmanr(gold, predicted).statistic),
            "qwk": np.nan_to_num(cohen_kappa_score(*ids, weights="quadratic"), nan=1.0),
        }
    found = scored(target, gold, predicted)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("gold", "predicted", "correlation", "r2", "qwk"),
    [([1, 2, 3], [2, 2, 2], 0, 0, 0), ([2, 2], [1, 3], 0, 0, 0), ([2, 2], [2, 2], 0, 1, 1)],
)
def test_figures_without_variation_are_defined(gold, predicted, correlation, r2, qwk):
    found = scored(Target("nota", 2.0, 1.0, [1.0, 2.0, 3.0]), gold, predicted)
    assert (found["pearson"], found["spearman"], found["r2"], found["qwk"]) == (
        correlation,
        correlation,
        r2,
        qwk,
    )


def test_the_order_of_rows_and_processes_changes_no_bit():
    target, gold, predicted = drawn(2)
    metric, parts = number_metric([target]), [number_metric([target]) for _ in range(3)]
    for number, pair in enumerate(sorted(zip(gold.tolist(), predicted.tolist(), strict=True))):
        parts[number % 3].state.add([pair[0]], [pair[1]])
    metric.merge([part.state for part in reversed(parts)])
    assert metric.compute() == scored(target, gold, predicted)


def test_a_table_of_sums_gives_the_same_figures():
    target, gold, predicted = drawn(5)
    metric, states = number_metric([target, target._replace(name="outra", grades=None)]), []
    for value, answer in zip(gold.tolist(), predicted.tolist(), strict=True):
        states.append(metric.empty())
        states[-1].add([value, value], [answer, -answer])
    table = type(states[0]).table(states)
    values = table.values(table.counts.sum(axis=0, keepdims=True))
    total = metric.empty()
    for state in states:
        total.merge(state)
    figures = total.figures()
    assert {name: value[0] for name, value in values.items()} == pytest.approx(
        {name: figures[name] for name in values}
    )
    assert set(figures) - set(values) == {"spearman", "per_class", "counts"}
    assert figures["per_class"].keys() == {"nota", "outra"} and "qwk" not in figures
    assert figures["mae"] == pytest.approx(np.mean([one["mae"] for one in figures["per_class"].values()]))


@pytest.mark.parametrize("seed", range(8))
def test_classes_in_order_have_kappa_and_distance(seed):
    rng, names = np.random.default_rng(seed), ["1", "2", "3", "4", "5"]
    gold, predicted = rng.integers(0, 5, (2, int(rng.integers(2, 60))))
    metric = ordinal_metric(names)
    states = []
    for pair in zip(gold.tolist(), predicted.tolist(), strict=True):
        states.append(metric.empty())
        states[-1].add(*pair)
    found = metric.compute(predictions=predicted.tolist(), references=gold.tolist())
    assert found["qwk"] == pytest.approx(cohen_kappa_score(gold, predicted, weights="quadratic"))
    assert found["mae"] == pytest.approx(mean_absolute_error(gold, predicted))
    table = type(states[0]).table(states)
    values = table.values(table.counts.sum(axis=0, keepdims=True))
    assert {name: value[0] for name, value in values.items()} == pytest.approx(
        {name: found[name] for name in ("qwk", "mae", "macro_f1", "accuracy", "weighted_f1")}
    )


@pytest.mark.parametrize("values", [[float("nan")], [float("inf")], [1.0, 2.0], []])
def test_what_is_no_number_for_each_target_is_refused(values):
    with pytest.raises(DataError, match="has not a finite number"):
        number_metric([Target("nota", 0.0, 1.0)]).compute(predictions=[values], references=[[1.0]])


def test_a_smaller_error_is_better():
    error, score = Objective("mse", greater_is_better=False), Objective("pearson")
    assert error.better(0.1, 0.2) and not error.better(0.2, 0.1) and not error.better(0.1, 0.2, by=0.1)
    assert score.better(0.2, 0.1) and not score.better(0.1, 0.1)
    runs = {"a": 0.3, "b": 0.1, "c": 0.1}
    assert error.best(runs, runs.__getitem__) == "b" and score.best(runs, runs.__getitem__) == "a"
    assert error.best([], float) is None
