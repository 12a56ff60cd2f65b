"""Sentiment: windows, weights and what is counted when texts are long."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from autotune.config.schema import DatasetConfig
from autotune.errors import ConfigError, DataError
from autotune.registry import task as find
from autotune.tasks.base import FeatureOutput

ROWS = [
    {"id": "a", "text": "Não gostei da água", "label": "negativo"},
    {"id": "b", "text": "Ótima praça, " * 40, "label": "positivo"},
    {"id": "c", "text": "São três pães", "label": "positivo"},
]


def test_a_long_text_is_read_in_windows_that_together_count_once(make_task):
    task = make_task("sentiment", ROWS, max_length=20)
    features = list(task.prepare(ROWS))
    weights = {
        row: sum(feature["weight"] for feature in features if feature["row"] == row) for row in range(3)
    }
    assert weights == pytest.approx({0: 1.0, 1: 1.0, 2: 1.0})
    assert sum(feature["row"] == 1 for feature in features) > 3
    assert all(len(feature["input_ids"]) <= 20 and feature["lost"] == 0 for feature in features)


def test_truncation_counts_what_it_cut_and_error_refuses(make_task):
    task = make_task("sentiment", ROWS, max_length=20, on_overflow="truncate")
    features = list(task.prepare(ROWS))
    whole = len(task.tokenizer(ROWS[1]["text"], add_special_tokens=False)["input_ids"])
    assert [feature["lost"] for feature in features] == [0, whole - (20 - task.encoder.num_special_tokens), 0]
    with pytest.raises(DataError, match=r"(?s)row 1 \(id b\).*task.on_overflow=window"):
        list(make_task("sentiment", ROWS, max_length=20, on_overflow="error").prepare(ROWS))


def test_the_windows_logits_are_averaged(make_task):
    task = make_task("sentiment", ROWS)
    pieces = [FeatureOutput(0, 0, np.array([2.0, 0.0])), FeatureOutput(0, 1, np.array([0.0, 3.0]))]
    (prediction,) = task.join(ROWS[:1], pieces)
    assert prediction["prediction"] == "positivo"
    assert prediction["probabilities"]["positivo"] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert prediction["label"] == "negativo"


def test_balanced_weights_make_classes_count_alike_and_the_count_follows(make_task):
    task = make_task("sentiment", ROWS, class_weights="balanced")
    batch = task.collate(list(task.prepare(ROWS)))
    by_class = {label: batch.targets["weights"][batch.targets["labels"] == label].sum() for label in (0, 1)}
    assert by_class[0] == pytest.approx(float(by_class[1]))
    assert batch.num_targets == pytest.approx(3.0)


def test_the_loss_is_that_of_torch_with_weights_and_smoothing(make_task):
    task = make_task("sentiment", ROWS, class_weights="balanced", label_smoothing=0.1)
    batch = task.collate(list(task.prepare(ROWS)))
    logits = torch.randn(len(batch.targets["labels"]), 2)

    class Fixed(torch.nn.Module):
        def forward(self, **inputs):
            return type("Output", (), {"logits": logits})

    each = torch.nn.functional.cross_entropy(
        logits, batch.targets["labels"], reduction="none", label_smoothing=0.1
    )
    loss = task.loss(Fixed(), batch)
    assert float(loss.sum) == pytest.approx(float((each * batch.targets["weights"]).sum()))
    assert loss.count == batch.num_targets


def test_an_unseen_label_is_refused_with_the_nearest_and_the_way_out():
    kind = find("sentiment")
    splits = {
        "train": Dataset.from_list(ROWS),
        "test": Dataset.from_list([{"id": "x", "text": "oi", "label": "positvo"}]),
    }
    with pytest.raises(DataError, match=r"(?s)positvo.*row 0 \(id x\).*positvo: positivo"):
        kind.fit_labels(kind.Config(), DatasetConfig(path="memory"), splits)


def test_more_tokens_than_the_model_takes_is_refused(make_task):
    with pytest.raises(ConfigError, match="task.max_length"):
        make_task("sentiment", ROWS, max_length=10**6)


def test_baselines_are_the_majority_and_a_linear_model():
    kind = find("sentiment")
    rows = Dataset.from_list(ROWS * 3)
    majority, linear = kind.baselines(rows, rows, None)
    assert {prediction["prediction"] for prediction in majority.predictions} == {"positivo"}
    assert [prediction["prediction"] for prediction in linear.predictions] == [
        row["label"] for row in ROWS * 3
    ]
