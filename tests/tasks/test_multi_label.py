"""Several labels per row: targets, loss, thresholds, baselines, and what cannot be learned."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from autotune.config.column_names import ColumnsConfig
from autotune.config.schema import DatasetConfig
from autotune.data.splits import split_off
from autotune.errors import AutotuneError
from autotune.evaluation.bootstrap import row_values
from autotune.metrics.calibration import fit_threshold
from autotune.registry import task as find
from autotune.tasks.base import FeatureOutput

ROWS = [
    {"id": "a", "text": "Faltou água e luz", "label": ["cano", "luz"]},
    {"id": "b", "text": "Faltou água, " * 30, "label": ["cano"]},
    {"id": "c", "text": "Bom dia", "label": []},
    {"id": "d", "text": "Bom dia a todos", "label": []},
]


class Fixed(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, **inputs):
        return type("Output", (), {"logits": self.logits})


@pytest.mark.parametrize("options", [{}, {"class_weights": "balanced"}, {"label_smoothing": 0.2}])
def test_the_loss_is_torchs_with_every_row_counted_once(make_task, options):
    task = make_task("multi_label", ROWS, max_length=20, **options)
    features = list(task.prepare(ROWS))
    batch = task.collate(features)
    assert len(features) > len(ROWS) and batch.num_targets == pytest.approx(4)
    targets = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    if "label_smoothing" in options:
        targets = targets * 0.8 + 0.1
    weights = torch.tensor([1.0, 3.0]) if "class_weights" in options else None
    by_row = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    logits = by_row[[feature["row"] for feature in features]]
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=weights)(by_row, targets)
    loss = task.loss(Fixed(logits), batch)
    assert float(loss.sum) / loss.count == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"class_weights": "balanced"}])
def test_the_loss_of_guessing_is_that_of_equal_probabilities(make_task, options):
    task = make_task("multi_label", ROWS, **options)
    batch = task.collate(list(task.prepare(ROWS)))
    loss = task.loss(Fixed(torch.zeros_like(batch.targets["labels"])), batch)
    assert float(loss.sum) / loss.count == pytest.approx(task.guessing_loss())


def test_a_row_that_rightly_has_no_label_is_better_than_one_with_a_wrong_label(make_task):
    task = make_task("multi_label", ROWS)
    states = [task.metric().empty() for _ in range(2)]
    for state, predicted in zip(states, ([], [0]), strict=True):
        state.add([], predicted)
    objective = task.row_objective()
    right, wrong = row_values(states, objective.metric)
    assert objective.better(right, wrong)


def test_labels_are_predicted_from_their_thresholds_on(make_task):
    task = make_task("multi_label", ROWS)
    pieces = [FeatureOutput(0, 0, np.array([2.0, -1.0])), FeatureOutput(0, 1, np.array([0.0, -1.0]))]
    (prediction,) = task.join(ROWS[:1], pieces)
    assert prediction["prediction"] == ["cano"] and prediction["label"] == ["cano", "luz"]
    shares = [1 / (1 + np.exp(-value)) for value in (1.0, -1.0)]
    assert list(prediction["probabilities"].values()) == pytest.approx(shares)
    task.facts["thresholds"] = {"cano": 0.9, "luz": 0.2}
    (prediction,) = task.join(ROWS[:1], pieces)
    assert prediction["prediction"] == ["luz"]
    assert task.to_metric_inputs(ROWS[0], prediction) == ([0, 1], [1])


@pytest.mark.parametrize("seed", range(5))
def test_a_threshold_of_one_label_has_the_best_f1_of_all(seed):
    random = np.random.default_rng(seed)
    gold = (random.random(40) < 0.3).astype(np.int64)
    shares = np.clip(gold * 0.2 + random.random(40) * 0.6, 0, 1)

    def f1(threshold):
        predicted = shares >= threshold
        return 2 * (predicted & (gold == 1)).sum() / max(1, predicted.sum() + gold.sum())

    best = fit_threshold(shares, gold, both=False)
    assert f1(best) == pytest.approx(max(map(f1, np.linspace(0.001, 0.999, 999))))
    assert fit_threshold(shares, np.zeros(40, dtype=np.int64), both=False) == 0.5


def facts(rows, **options):
    kind = find("multi_label")
    config = DatasetConfig(path="memory", **options)
    splits = {split: Dataset.from_list(part) for split, part in rows.items()}
    return kind.fit_labels(kind.Config(), config, splits)


def test_labels_are_sorted_or_in_the_order_of_their_columns_and_may_be_missing_in_train():
    assert facts({"train": ROWS})["labels"] == ["cano", "luz"]
    columns = ColumnsConfig(labels=["ruído", "luz", "cano"])
    known = facts({"train": ROWS}, columns=columns)
    assert known["labels"] == ["ruído", "luz", "cano"]
    assert known["counts"] == {"ruído": 0, "luz": 1, "cano": 2} and known["rows"] == 4
    renamed = [{**row, "label": [name.replace("luz", "energia") for name in row["label"]]} for row in ROWS]
    mapped = facts({"train": renamed}, columns=columns, label_map={"luz": "energia", "ruído": None})
    assert mapped["labels"] == ["energia", "cano"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"train": ROWS, "test": [{"id": "t", "text": "x", "label": ["b", "luz"]}]},
         r"(?s)test has a label that train does not have: 'b' \(1 rows\).*row 0 \(id t\)"),
        ({"train": [{"id": str(n), "text": "x", "label": [f"texto {n}"]} for n in range(40)]}, "does not hold classes"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_learned_are_refused(rows, said):
    with pytest.raises(AutotuneError, match=said):
        facts(rows)


def test_no_label_at_all_is_refused():
    rows = Dataset.from_dict({"id": ["a"], "text": ["x"], "label": [[]]})
    kind = find("multi_label")
    with pytest.raises(AutotuneError, match="nothing to learn"):
        kind.fit_labels(kind.Config(), DatasetConfig(path="memory"), {"train": rows})


def test_baselines_are_no_label_the_most_frequent_ones_and_a_model_per_label():
    kind = find("multi_label")
    rows = Dataset.from_list([*ROWS[:2] * 3, *ROWS[2:]])
    none, frequent, linear = kind.baselines(rows, rows, None)
    assert {tuple(row["prediction"]) for row in none.predictions} == {()}
    assert {tuple(row["prediction"]) for row in frequent.predictions} == {("cano", "luz")}
    assert [set(row["prediction"]) for row in linear.predictions] == [set(names) for names in rows["label"]]


def test_a_validation_split_gets_its_share_of_each_label():
    labels = [
        ["comum", "raro"] if number % 20 == 0 else ["comum"] if number % 2 else [] for number in range(200)
    ]
    rows = Dataset.from_list([{"id": str(number), "label": names} for number, names in enumerate(labels)])
    kept, held, how = split_off(rows, 0.2, seed=1, label="label", group=None)
    assert how == "stratified by label" and len(held) == 40 and len(kept) == 160
    assert sum("raro" in names for names in held["label"]) == 2
    assert sum(not names for names in held["label"]) == 18
