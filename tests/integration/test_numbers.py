"""Regression and ordinal classification through the front door: training, figures, report, card, pipeline, and what follows."""

import json
import re
from pathlib import Path

import pytest
from transformers import pipeline

from tests.support.forks import forks

TEXTS = ["bom dia", "mau dia", "bom café", "mau café", "bom céu", "mau céu", "dia", "café"] * 5
SHORT = (
    "trainer.max_steps=4",
    "trainer.batch_size=8",
    "trainer.evaluate_every=1st",
    "trainer.keep=best",
    "check=warn",
    "runs=runs",
)


def ended(folder: Path, *words: object, code: int = 0, **options: str) -> str:
    done = forks().start(*words, cwd=folder, **options).ended()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two runs on two targets with a decimal comma, one with LoRA, and a run on classes in order."""
    path = tmp_path_factory.mktemp("numbers")
    lines = [f'{text};"{1000 + 3 * len(text)},5";{"bom" in text:d}' for text in TEXTS]
    (path / "notas.csv").write_text("\n".join(["text;nota;elogio", *lines]) + "\n", "utf-8")
    data = ("dataset=csv", "dataset.path=notas.csv", "dataset.test_fraction=0.3", *SHORT)
    ended(path, "task=regression", *data, "dataset.columns.label=nota", "name=one")
    ended(
        path,
        "task=regression",
        *data,
        "dataset.columns.labels=[nota,elogio]",
        "peft=lora",
        "name=two",
        "report=html",
    )
    ended(path, "task=ordinal", "dataset.limit=40", *SHORT, "name=stars")
    return path


def found_rows(run: Path) -> int:
    return len((run / "predictions_test.jsonl").read_text("utf-8").splitlines())


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text("utf-8"))


def test_numbers_are_answered_in_the_unit_of_the_data(folder):
    rows = [
        json.loads(line)
        for line in (folder / "runs/one/predictions_test.jsonl").read_text("utf-8").splitlines()
    ]
    use = pipeline("text-classification", model=str(folder / "runs/one/model"))
    for row in rows[:4]:
        (answer,) = use([row["text"]])
        assert answer["label"] == "nota" and answer["score"] == pytest.approx(row["prediction"], rel=1e-4)
        assert 900 < row["prediction"] < 1100 and row["label"] > 1000
    two = json.loads((folder / "runs/two/predictions_test.jsonl").read_text("utf-8").splitlines()[0])
    answers = pipeline("text-classification", model=str(folder / "runs/two/model"), top_k=None)(
        [two["text"]]
    )[0]
    assert {one["label"]: one["score"] for one in answers} == pytest.approx(two["prediction"], rel=1e-4)
    assert two["label"].keys() == two["prediction"].keys() == {"nota", "elogio"}


def test_the_checkpoint_with_the_smallest_error_is_kept(folder):
    history = [
        json.loads(line) for line in (folder / "runs/one/history.jsonl").read_text("utf-8").splitlines()
    ]
    scored = [line for line in history if "validation" in line]
    smallest = min(scored, key=lambda line: line["validation"]["mse"])
    found = metrics(folder / "runs/one")
    assert len(scored) == 4 and not any(line["greater_is_better"] for line in scored)
    assert found["training"]["best_step"] == smallest["step"]
    assert found["training"]["best"] == smallest["validation"]["mse"]
    assert next(iter(found["test"])) == found["main"] == "mse"
    low, high = found["interval"]["test"]["mse"]
    assert low <= found["test"]["mse"] <= high
    baselines = found["baseline"]["test"]
    assert list(baselines) == ["mean of train", "median of train", "TF-IDF + ridge regression"]
    best = min(baselines, key=lambda name: baselines[name]["mse"])
    against = found["against_baseline"]["test"]
    parts = [part for part in found["slices"]["test"] if part["by"] == "gold number"]
    assert parts and {part["metric"] for part in parts} == {"mae"}
    assert sum(part["rows"] for part in parts) == found_rows(folder / "runs/one")
    assert against["name"] == best
    assert against["difference"] == pytest.approx(baselines[best]["mse"] - found["test"]["mse"])


def test_report_and_card_say_what_the_numbers_are(folder):
    report = (folder / "runs/two/report.html").read_text("utf-8")
    assert 'class="confusion"' not in report
    assert "Números a prever" in report or "Numbers to predict" in report
    card = (folder / "runs/two/model/README.md").read_text("utf-8")
    assert "regress" in card and "sentiment" not in card and "`elogio`" in card
    assert {"type: mse", "type: pearsonr", "type: mae"} <= set(re.findall(r"type: \w+", card))
    stars = (folder / "runs/stars/model/README.md").read_text("utf-8")
    assert "type: cohen_kappa" in stars and "weights: quadratic" in stars and "sentiment" not in stars


def test_a_finished_run_is_judged_ranked_compared_and_used(folder):
    gate = ("task=regression", "dataset=csv", "dataset.path=notas.csv", "dataset.test_fraction=0.3", *SHORT,
            "dataset.columns.label=nota", "name=one")  # fmt: skip
    ended(folder, *gate, 'gate.mse="<=1e9"', "gate.not_worse_than=runs/one")
    assert "does not meet" in ended(folder, *gate, "gate.better_than=baseline", code=3)
    assert "mse" in ended(folder, "table", "runs")
    assert "one" in ended(folder, "watch", "runs/one")
    text = ended(folder, "predict", "runs/one", "--text", "bom dia")
    assert 900 < float(re.search(r'"prediction": ([\d.]+)', text)[1]) < 1100
    assert "mse" in ended(folder, "evaluate", "runs/two", "--data", "notas.csv", "--robustness")
    refused = ended(folder, "suspects", "runs/one", code=2, AUTOTUNE_LANG="pt")
    assert "regression" in refused


def test_stars_are_scored_by_kappa(folder):
    found = metrics(folder / "runs/stars")
    assert list(found["test"])[:2] == ["qwk", "mae"] and found["main"] == "qwk"
    assert list(found["test"]["confusion"]) == ["1", "2", "3", "4", "5"]
    assert list(found["baseline"]["test"])[:2] == ["majority class", "median class"]
    use = pipeline("text-classification", model=str(folder / "runs/stars/model"))
    row = json.loads((folder / "runs/stars/predictions_test.jsonl").read_text("utf-8").splitlines()[0])
    assert use(row["text"])[0]["label"] == row["prediction"]


@pytest.mark.parametrize(
    ("cells", "what"),
    [(["1", "abc"], "does not hold a number"), (["1", "nan"], "does not hold a number"), (["2"] * 2, "only one number"),
     (["1", "1e400"], "does not hold a number")],
)  # fmt: skip
def test_what_is_no_number_is_refused_before_training(tmp_path, cells, what):
    lines = ["text,label", *[f"texto {n},{cell}" for n, cell in enumerate(cells * 10)]]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", "utf-8")
    said = ended(tmp_path, "check", "task=regression", "dataset=csv", "dataset.path=a.csv", code=2)
    assert what in said and ("row 1" in said or "only one" in said)
