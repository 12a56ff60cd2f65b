"""Calibration of a whole run: what is saved, what transformers.pipeline gives, and what says so."""

import json

import numpy as np
import pytest
from transformers import pipeline

from autotune.metrics.calibration import tempered
from tests.support.forks import forks

SMOKE = ("task=sentiment", "debug=smoke", "check=none", "guard=none")
BINARY = "dataset.label_map={positivo: positivo, negativo: resto, neutro: resto}"


def train(folder, name, *words):
    done = forks().start(*SMOKE, *words, f"runs={folder}", f"name={name}", cwd=folder).ended()
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def predictions(run, split="test"):
    return [json.loads(line) for line in (run / f"predictions_{split}.jsonl").read_text().splitlines()]


def shares(rows):
    return np.array([list(row["probabilities"].values()) for row in rows])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same run without and with a temperature, with LoRA and full weights."""
    folder = tmp_path_factory.mktemp("calibration")
    for peft in ("none", "lora"):
        train(folder, peft, f"peft={peft}")
        report = "html" if peft == "none" else "none"
        words = (f"peft={peft}", "task.calibrate=temperature", f"report={report}")
        train(folder, f"{peft}-calibrated", *words)
    return folder


@pytest.mark.parametrize("peft", ["none", "lora"])
def test_a_calibrated_run_divides_its_logits_and_predicts_the_same_classes(folder, peft):
    plain, run = folder / peft, folder / f"{peft}-calibrated"
    temperature = json.loads((run / "model" / "autotune.json").read_text())["facts"]["temperature"]
    assert abs(temperature - 1) > 0.01
    before, after = predictions(plain), predictions(run)
    assert [row["prediction"] for row in before] == [row["prediction"] for row in after]
    np.testing.assert_allclose(shares(after), tempered(shares(before), temperature), atol=1e-5)
    metrics = json.loads((run / "metrics.json").read_text())["calibration"]
    uncalibrated = json.loads((plain / "metrics.json").read_text())["calibration"]
    assert metrics["temperature"] == temperature and uncalibrated["temperature"] is None
    for split in ("validation", "test"):
        figures = metrics["splits"][split]
        assert figures["before"]["ece"] == pytest.approx(uncalibrated["splits"][split]["ece"], abs=1e-4)
        assert "before" not in uncalibrated["splits"][split]
    assert metrics["splits"]["validation"]["nll"] < metrics["splits"]["validation"]["before"]["nll"]
    assert "15 bins" in metrics["recipe"]["ece"]


def test_the_pipeline_of_transformers_gives_calibrated_probabilities(folder):
    run = folder / "none-calibrated"
    serve = pipeline("text-classification", model=str(run / "model"), device="cpu")
    for row in predictions(run)[:3]:
        answers = {answer["label"]: answer["score"] for answer in serve(row["text"], top_k=None)}
        assert answers == pytest.approx(row["probabilities"], abs=1e-4)


def test_report_and_card_say_it(folder):
    run = folder / "none-calibrated"
    assert "ajustada na validação; antes era" in (run / "report.html").read_text()
    assert "foram calibradas com a temperatura" in (run / "model" / "README.md").read_text()
    assert "foram calibradas" not in (folder / "none" / "model" / "README.md").read_text()


def test_a_threshold_is_part_of_the_model_and_said_where_it_matters(folder):
    words = (BINARY, "task.tune_threshold=true", "trainer.max_steps=4")
    said = train(folder, "threshold", *words)
    run = folder / "threshold"
    threshold = json.loads((run / "model" / "autotune.json").read_text())["facts"]["threshold"]
    assert "transformers.pipeline does not know this" in said
    for row in predictions(run):
        expected = "resto" if row["probabilities"]["resto"] >= threshold else "positivo"
        assert row["prediction"] == expected
    # The step above changed an answer: a threshold of 0.5 would predict otherwise somewhere.
    scores = json.loads((run / "metrics.json").read_text())
    assert scores["calibration"]["threshold"] == threshold != 0.5
    card = (run / "model" / "README.md").read_text()
    assert "é previsto a partir da probabilidade" in card
    done = forks().start("evaluate", str(run), "-o", "scores.json", cwd=folder).ended()
    assert done.returncode == 0, done.stderr
    evaluated = json.loads((folder / "scores.json").read_text())
    assert evaluated["macro_f1"] == pytest.approx(scores["test"]["macro_f1"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task.tune_threshold=true"], "a threshold is tuned between two classes"),
        (
            ["task.calibrate=temperature", "dataset.splits.validation=null", "dataset.validation_fraction=0"],
            "there is no validation split to fit this on",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_training(tmp_path, words, said):
    done = forks().start(*SMOKE, *words, f"runs={tmp_path}", cwd=tmp_path).ended()
    assert done.returncode == 2
    assert said in done.stderr
