"""Whole runs with several labels per row, and with pairs of texts."""

import csv
import json

import pytest
from openpyxl import load_workbook
from transformers import pipeline

from tests.support.forks import forks

SMOKE = ("debug=smoke", "check=none", "guard=none", "trainer.max_steps=4")


def train(folder, name, *words):
    done = forks().start(*words, f"runs={folder}", f"name={name}", cwd=folder).ended()
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def order(folder, *words, code=0):
    done = forks().start(*map(str, words), cwd=folder).ended()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """A run on the sample of several labels, with tuned thresholds, and what it printed."""
    folder = tmp_path_factory.mktemp("messages")
    words = ("task.tune_threshold=true", "task.calibrate=temperature", "dataset.limit=40", "report=html")
    return folder, train(folder, "r", "task=multi_label", *SMOKE, *words)


def test_thresholds_and_figures_are_in_every_file(messages):
    folder, printed = messages
    assert "proof: transformers.pipeline answers the same" in printed
    assert "transformers.pipeline does not know this" in printed
    run = folder / "r"
    facts = json.loads((run / "model" / "autotune.json").read_text())["facts"]
    assert set(facts["thresholds"]) == set(facts["labels"]) == {"iluminação", "lixo", "ruído", "água"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["calibration"]["thresholds"] == facts["thresholds"]
    assert "decision" in metrics["calibration"]["recipe"]["decisions"]
    assert metrics["test"].keys() >= {"macro_f1", "micro_f1", "subset_accuracy", "hamming_loss", "per_class"}
    assert "confusion" not in metrics["test"] and metrics["interval"]["test"].keys() >= {
        "micro_f1",
        "hamming_loss",
    }
    for line in (run / "predictions_test.jsonl").read_text().splitlines():
        row = json.loads(line)
        expected = [
            name for name, share in row["probabilities"].items() if share >= facts["thresholds"][name]
        ]
        assert row["prediction"] == expected and isinstance(row["label"], list)
    report = (run / "report.html").read_text()
    assert "hamming_loss" in report and "probabilidade própria" in report and "Confusão" not in report
    card = (run / "model" / "README.md").read_text()
    assert "qualquer número dos rótulos" in card and "top_k=None" in card and "probabilidade própria" in card
    assert "average: micro" in card.split("---")[1]


def test_predictions_are_lists_in_any_form_and_scored_again(messages):
    folder, _ = messages
    rows = [{"text": "Falta água na rua do Ipê.", "label": ["água"]}, {"text": "Bom dia.", "label": []}]
    (folder / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    order(folder, "predict", "r", "new.jsonl", "-o", "out.csv")
    with (folder / "out.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [json.loads(line["label"]) for line in lines] == [["água"], []]
    predicted = [json.loads(line["prediction"]) for line in lines]
    assert all(isinstance(names, list) for names in predicted)
    order(folder, "predict", "r", "new.jsonl", "-o", "out.xlsx")
    header, *cells = load_workbook(folder / "out.xlsx").active.iter_rows(values_only=True)
    assert [json.loads(row[header.index("prediction")]) for row in cells] == predicted
    order(folder, "evaluate", "r", "--data", "new.jsonl", "-o", "scores.json")
    assert json.loads((folder / "scores.json").read_text())["recipe"].keys() >= {"hamming_loss", "micro_f1"}
    unknown = folder / "unknown.jsonl"
    unknown.write_text('{"text": "x", "label": ["agua"]}\n')
    assert "has no class 'agua'" in order(folder, "evaluate", "r", "--data", unknown, code=2)
    assert "suspects are found among labels" in order(folder, "suspects", "r", "-o", "s.csv", code=2)


def test_votes_in_columns_are_checked_and_learned(tmp_path):
    lines = [f"texto número {n} é assim,{n % 3},{n % 2},0" for n in range(60)]
    (tmp_path / "votes.csv").write_text(
        "\n".join(["texto,insulto,racismo,xenofobia", *lines]) + "\n", encoding="utf-8"
    )
    data = ("task=multi_label", "dataset=csv", "dataset.path=votes.csv", "dataset.columns.text=texto",
            "dataset.columns.labels=[insulto,racismo,xenofobia]", "dataset.test_fraction=0.2")  # fmt: skip
    refused = order(tmp_path, "check", *data, "runs=runs", code=2)
    assert "says neither yes nor no" in refused and "dataset.label_threshold=1" in refused
    checked = order(tmp_path, "check", *data, "dataset.label_threshold=2", "runs=runs")
    assert "xenofobia (0)" in checked and "cannot be learned" in checked
    assert "label and labels exclude each other" in order(
        tmp_path, "check", *data, "dataset.columns.label=insulto", "runs=runs", code=2
    )
    train(tmp_path, "r", *data, *SMOKE, "dataset.label_threshold=2")
    labels = json.loads((tmp_path / "r" / "model" / "autotune.json").read_text())["facts"]["labels"]
    assert labels == ["insulto", "racismo", "xenofobia"]
    order(tmp_path, "evaluate", "r", "--data", "votes.csv")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A run on pairs of texts, with LoRA."""
    folder = tmp_path_factory.mktemp("pairs")
    rows = [
        {"premissa": f"O time {n} venceu o jogo.", "hipótese": "Houve vitória." if n % 2 else f"Houve {n} chuvas.",
         "relação": "sim" if n % 2 else "não"}
        for n in range(60)
    ]  # fmt: skip
    (folder / "rte.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("dataset=jsonl", "dataset.path=rte.jsonl", "dataset.columns.text=premissa", "dataset.columns.text_pair=hipótese",
             "dataset.columns.label=relação", "dataset.test_fraction=0.2", "report=html")  # fmt: skip
    return folder, train(
        folder, "r", "task=classification", *words, *SMOKE, "peft=lora", "task.max_length=24"
    )


def test_a_run_on_pairs_is_served_by_the_pipeline(pairs):
    folder, printed = pairs
    assert "proof: transformers.pipeline answers the same" in printed
    run = folder / "r"
    row = json.loads((run / "predictions_test.jsonl").read_text().splitlines()[0])
    assert row["text"].startswith("O time") and row["text_pair"].startswith("Houve")
    serve = pipeline("text-classification", model=str(run / "model"), device="cpu")
    answers = serve(
        {"text": row["text"], "text_pair": row["text_pair"]}, top_k=None, truncation=True, max_length=24
    )
    assert {answer["label"]: answer["score"] for answer in answers} == pytest.approx(
        row["probabilities"], abs=1e-4
    )
    assert '"text_pair":' in (run / "model" / "README.md").read_text()
    assert f"{row['text']} — {row['text_pair']}"[:10] in (run / "report.html").read_text()


def test_pairs_are_predicted_from_the_command_line_and_from_files(pairs):
    folder, _ = pairs
    printed = order(folder, "predict", "r", "--text", "O time 3 venceu.", "--text-pair", "Houve vitória.")
    assert json.loads(printed.splitlines()[-1])["text_pair"] == "Houve vitória."
    order(folder, "predict", "r", "rte.jsonl", "-o", "out.jsonl")
    order(folder, "evaluate", "r", "--robustness", "-o", "scores.json")
    assert "takes pairs of texts" in order(folder, "predict", "r", "--text", "a", code=2)
    both = ("--text", "a", "--text", "b", "--text-pair", "c")
    assert "each --text needs its --text-pair" in order(folder, "predict", "r", *both, code=2)
    (folder / "single.jsonl").write_text('{"premissa": "a"}\n')
    assert "there is no column hipótese" in order(folder, "predict", "r", "single.jsonl", code=2)
