"""Regression and ordinal classification: what is learned, what is refused, and the baselines."""

import numpy as np
import pytest
from datasets import Dataset

from autotune.config.schema import DatasetConfig
from autotune.errors import AutotuneError
from autotune.evaluation.bootstrap import block_states
from autotune.evaluation.paired import Difference, is_worse
from autotune.evaluation.rivals import BETTER, NOT_BETTER, rivals
from autotune.tasks.base import Baseline, FeatureOutput
from autotune.tasks.ordinal import Ordinal, OrdinalConfig
from autotune.tasks.regression import Regression, RegressionConfig
from autotune.tasks.targets import fit_target


def table(labels, **columns) -> Dataset:
    numbers = [str(number) for number in range(len(labels))]
    return Dataset.from_dict(
        {"id": numbers, "text": [f"texto {n}" for n in numbers], "label": labels, **columns}
    )


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([3.0], "only one number"),
        ([3.0] * 9, "only one number"),
        ([1e200, 1.0], "of this size"),
        ([1e9, 1e9 + 1], "too little"),
    ],
)
def test_numbers_that_cannot_be_learned_are_refused(values, what):
    with pytest.raises(AutotuneError, match=what):
        fit_target("nota", np.array(values))


def test_few_values_are_grades_and_many_are_not():
    assert fit_target("nota", np.array([1.0, 2.0, 2.5] * 5)).grades == [1.0, 2.0, 2.5]
    assert fit_target("nota", np.arange(50.0)).grades is None


def test_rows_of_another_width_and_kappa_without_grades_are_refused():
    rows = table([[1.0, 2.0], [3.0]])
    with pytest.raises(AutotuneError, match="2 numbers each, and one has 1"):
        Regression.fit_labels(RegressionConfig(), DatasetConfig(path="x"), {"train": rows})
    many = table([[number / 7] for number in range(60)])
    config = RegressionConfig(main_metric="qwk")
    with pytest.raises(AutotuneError, match="kappa needs grades"):
        Regression.fit_labels(config, DatasetConfig(path="x"), {"train": many})


def test_the_order_of_classes_is_that_of_numbers_or_must_be_given():
    config = OrdinalConfig()
    facts = Ordinal.fit_labels(config, DatasetConfig(path="x"), {"train": table(["10", "2,5", "2", "10"])})
    assert facts["labels"] == ["2", "2,5", "10"]
    words = {"train": table(["médio", "alto", "baixo"] * 2)}
    with pytest.raises(AutotuneError, match="order of the classes is not known"):
        Ordinal.fit_labels(config, DatasetConfig(path="x"), words)
    given = DatasetConfig(path="x", labels=["baixo", "médio", "alto"])
    assert Ordinal.fit_labels(config, given, words)["labels"] == ["baixo", "médio", "alto"]


def test_baselines_are_the_middle_of_train_and_a_linear_model():
    train = table([[1.0], [2.0], [9.0]])
    made = {one.name: list(one.predictions) for one in Regression.baselines(train, train, None)}
    assert [rows[0]["prediction"] for rows in made.values()][:2] == [[4.0], [2.0]]
    assert np.shape([row["prediction"] for row in made["TF-IDF + ridge regression"]]) == (3, 1)
    stars = table(["1", "1", "1", "2", "2", "5", "5"])
    names = [one.name for one in Ordinal.baselines(stars, stars, None)]
    assert names == ["majority class", "median class", "TF-IDF + logistic regression"]
    median = list(Ordinal.baselines(stars, stars, None))[1]
    assert next(iter(median.predictions)) == {"prediction": "2"}


class Errors(Regression):
    """One target, without a model."""

    def __init__(self) -> None:
        self.facts = {"labels": ["nota"], "means": [0.0], "scales": [1.0], "grades": [None]}
        self.main_metric, self.greater_is_better = "mse", False


@pytest.mark.parametrize(("noise", "verdict"), [(0.1, BETTER), (2.0, NOT_BETTER)])
def test_the_model_is_better_where_its_error_is_smaller(noise, verdict):
    rng, gold = np.random.default_rng(0), np.random.default_rng(1).normal(size=80)
    task, rows = Errors(), table([[value] for value in gold.tolist()])
    states = block_states(task, rows, [{"prediction": value} for value in gold + noise * rng.normal(size=80)])
    mean = Baseline("mean", [{"prediction": 0.0}] * 80)
    worst = Baseline("worst", [{"prediction": 9.0}] * 80)
    against = rivals(task, rows, states, [worst, mean], seed=1).against
    assert (against.name, against.verdict) == ("mean", verdict)
    low, high = against.interval
    assert low <= against.difference <= high and (against.difference > 0) == (verdict == BETTER)


def test_a_greater_error_is_worse():
    difference = Difference(0.2, [0.1, 0.3], 0.01, 0.01)
    assert is_worse(difference, greater_is_better=False) and not is_worse(difference)


def test_targets_of_classes_in_order_fall_with_their_distance(make_task):
    rows = [{"id": name, "text": f"texto {name}", "label": name} for name in "123"]
    task = make_task("ordinal", rows)
    labels = task.collate(list(task.prepare(rows))).targets["labels"]
    near = np.exp(-2.0)
    assert labels[1].tolist() == pytest.approx(
        [near / (1 + 2 * near), 1 / (1 + 2 * near), near / (1 + 2 * near)]
    )
    assert labels[0][0] > labels[0][1] > labels[0][2]


@pytest.mark.parametrize(
    ("name", "label"),
    [("regression", [[1.0], [2.0]]), ("ordinal", ["1", "2"]), ("multi_label", [["1"], ["2"]])],
)
def test_targets_of_features_are_not_padded_with_their_tokens(make_task, name, label):
    rows = [{"id": str(n), "text": "bom dia", "label": value} for n, value in enumerate(label)]
    task = make_task(name, rows)
    batch = task.collate(list(task.prepare(rows)))
    padded = batch.pad_to_multiple(64, 7)
    assert padded.inputs["input_ids"].shape == (2, 64)
    assert all(padded.targets[key].equal(tensor) for key, tensor in batch.targets.items())


def test_windows_of_a_text_count_once_and_their_numbers_are_averaged(make_task):
    rows = [
        {"id": "a", "text": "bom dia " * 30, "label": [10.0]},
        {"id": "b", "text": "mau", "label": [20.0]},
    ]
    task = make_task("regression", rows, max_length=12)
    features = list(task.prepare(rows))
    batch = task.collate(features)
    assert len(features) > 2 and batch.num_targets == pytest.approx(2)
    assert batch.targets["labels"][:, 0].tolist() == [-1.0] * (len(features) - 1) + [1.0]
    pieces = [
        FeatureOutput(feature["row"], number, np.array([float(number)]))
        for number, feature in enumerate(features)
    ]
    long, short = task.join(rows, pieces)
    assert long["prediction"] == pytest.approx(15 + 5 * np.mean(range(len(features) - 1)))
    assert short["prediction"] == 15 + 5 * (len(features) - 1) and short["label"] == 20.0


def test_a_row_with_other_numbers_than_the_model_predicts_is_refused(make_task):
    task = make_task(
        "regression", [{"id": str(n), "text": "a", "label": [float(n), 2.0 * n]} for n in range(3)]
    )
    with pytest.raises(AutotuneError, match="predicts 2 numbers, and the row has 1"):
        list(task.prepare([{"id": "x", "text": "a", "label": [1.0]}]))
