"""A known temperature: divided into the last layer of the saved model, with and without validation."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from autotune.config.compose import compose
from tests.support.forks import forks

SMOKE = ("task=sentiment", "debug=smoke", "check=none", "guard=none", "trainer.keep=last", "dataset.limit=24")
WITHOUT_VALIDATION = ("dataset.splits.validation=null", "dataset.validation_fraction=0")
T = 1.3


def train(folder, name, *words):
    done = forks().start(*SMOKE, *words, f"runs={folder}", f"name={name}", cwd=folder).ended()
    assert done.returncode == 0, done.stderr
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run without and with a temperature; both have no validation."""
    folder = tmp_path_factory.mktemp("temperature")
    plain = train(folder, "plain", *WITHOUT_VALIDATION, "report=none")
    return plain, train(folder, "known", *WITHOUT_VALIDATION, f"task.temperature={T}", "report=html")


def logits(run, text):
    """What transformers computes from the saved model alone."""
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    model = AutoModelForSequenceClassification.from_pretrained(run / "model").eval()
    with torch.inference_mode():
        return model(**tokenizer(text, return_tensors="pt")).logits.double().numpy()


def test_the_last_layer_is_divided_and_nothing_else(runs):
    plain, known = (load_file(run / "model" / "model.safetensors") for run in runs)
    assert plain.keys() == known.keys()
    changed = {name for name, tensor in plain.items() if not np.array_equal(tensor, known[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    for name in changed:
        np.testing.assert_allclose(known[name], plain[name] / T, rtol=1e-6, atol=0)
    text = "Não gostei da praça, mas o café é bom."
    np.testing.assert_allclose(logits(runs[1], text), logits(runs[0], text) / T, atol=1e-6)


def test_classes_stay_and_every_file_says_it(runs):
    plain, known = (
        [json.loads(line) for line in (run / "predictions_test.jsonl").read_text().splitlines()]
        for run in runs
    )
    assert [row["prediction"] for row in plain] == [row["prediction"] for row in known]
    assert [row["probabilities"] for row in plain] != [row["probabilities"] for row in known]
    run = runs[1]
    assert json.loads((run / "model" / "autotune.json").read_text())["facts"]["temperature"] == T
    metrics = json.loads((run / "metrics.json").read_text())["calibration"]
    assert metrics["temperature"] == T
    assert metrics["splits"]["test"]["before"]["ece"] != metrics["splits"]["test"]["ece"]
    card = (run / "model" / "README.md").read_text()
    assert "com a temperatura" in card and "ajustada na validação" not in card
    report = (run / "report.html").read_text()
    assert "Com a temperatura conhecida" in report and "ajustada na validação" not in report


def test_several_labels_have_one_temperature_too(tmp_path):
    words = ("task=multi_label", f"task.temperature={T}", "dataset.limit=16", "report=none")
    run = train(tmp_path, "labels", *words)
    assert json.loads((run / "model" / "autotune.json").read_text())["facts"]["temperature"] == T


def test_a_run_is_named_by_it_and_as_before_without_it():
    names = [
        compose(["task=sentiment", word])[0].name
        for word in ("task.temperature=null", f"task.temperature={T}")
    ]
    assert names[0] == compose(["task=sentiment"])[0].name
    assert names[1] != names[0]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["task.temperature=1.2", "task.calibrate=temperature"], "a temperature is either known or fitted"),
        (["task.temperature=0"], "should be greater than 0"),
        (["task=ner", "task.temperature=2"], "temperature"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path, words, problem):
    done = forks().start("show", "task=sentiment", *words, cwd=tmp_path).ended()
    assert done.returncode == 2
    assert problem in done.stderr
