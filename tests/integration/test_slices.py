"""Slices, robustness and the verdict about the baselines, from the command line to report and card."""

import json
import re

import pytest

from autotune.cli.main import main
from tests.support.forks import forks

WORDS = ("dataset.limit=40", "trainer.max_steps=2", "trainer.batch_size=8", "guard=none", "check=none")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs of two tasks: reviews with a column `source` and robustness, and NER."""
    folder = tmp_path_factory.mktemp("slices")
    rows = [
        {"text": f"A loja {number} {word} muito, não é?", "label": label, "source": ["app", "site"][number % 3 == 0]}
        for number in range(40)
        for word, label in [("agradou", "bom"), ("irritou", "ruim")]
    ]  # fmt: skip
    (folder / "data").mkdir()
    for split, start in (("train", 0), ("validation", 30), ("test", 40)):
        lines = "".join(json.dumps(row) + "\n" for row in rows[start : start + 40])
        (folder / "data" / f"{split}.jsonl").write_text(lines)
    started = [
        forks().start("task=sentiment", f"dataset.path={folder}/data", "dataset.columns.slices=[source]",
                      "evaluation.robustness=true", "report=html", *WORDS, f"runs={folder}", "name=reviews", cwd=folder),
        forks().start("task=ner", "report=html", *WORDS, f"runs={folder}", "name=ner", cwd=folder),
    ]  # fmt: skip
    for run in started:
        done = run.ended()
        assert done.returncode == 0, done.stderr
    return folder


def read(path):
    return json.loads(path.read_text("utf-8"))


def test_a_run_has_slices_robustness_and_a_verdict(runs):
    metrics, robust = read(runs / "reviews" / "metrics.json"), read(runs / "reviews" / "robustness.json")
    parts = metrics["slices"]["test"]
    assert {part["by"] for part in parts} >= {"label", "column source"}
    assert sum(part["rows"] for part in parts if part["by"] == "column source") == 40
    against = metrics["against_baseline"]["test"]
    assert against["name"] == "TF-IDF + logistic regression" and against["value"] > 0.9
    assert against["difference"] == pytest.approx(metrics["test"]["macro_f1"] - against["value"])
    assert robust["score"] == metrics["test"]["macro_f1"] and robust["rows"] == 40
    noises = {noise["name"]: noise for noise in robust["noises"]}
    assert noises["without accents"]["changed"] == noises["small letters"]["changed"] == 40
    assert noises["spelling of Portugal or Brazil"]["changed"] == 0
    for noise in noises.values():
        assert noise["difference"] == pytest.approx(noise["score"] - robust["score"])
        assert noise["interval"][0] <= noise["difference"] <= noise["interval"][1]


def test_report_and_card_say_it(runs):
    report = " ".join((runs / "reviews" / "report.html").read_text("utf-8").split())
    for text in (
        "coluna source",
        "app",
        "Robustez",
        "sem acentos",
        "poucas linhas",
        "melhor baseline, TF-IDF",
    ):
        assert text in report, text
    card = (runs / "reviews" / "model" / "README.md").read_text("utf-8")
    assert re.search(r"O modelo (não )?é melhor que a melhor linha de base, TF-IDF", card)
    report = " ".join((runs / "ner" / "report.html").read_text("utf-8").split())
    for text in ("etiquetador linear", "tipo de entidade", "não estão em train", "evaluate RUN --robustness"):
        assert text in report, text


def test_a_finished_run_is_measured_later_with_the_same_result(runs, tmp_path, capsys):
    kept = runs / "reviews" / "robustness.json"
    before = read(kept)
    kept.unlink()
    out = tmp_path / "figures.json"
    assert main(["evaluate", str(runs / "reviews"), "--robustness", "-o", str(out)]) == 0
    assert read(kept) == read(out)["robustness"]
    assert [noise["changed"] for noise in read(kept)["noises"]] == [
        noise["changed"] for noise in before["noises"]
    ]
    assert read(kept)["score"] == before["score"]
    kept.unlink()
    data = str(runs / "data" / "test.jsonl")
    assert main(["evaluate", str(runs / "reviews"), "--data", data, "--robustness"]) == 0
    assert "robustness on" in capsys.readouterr().out and not kept.exists()


def test_ner_is_changed_word_by_word(runs):
    assert main(["evaluate", str(runs / "ner"), "--robustness"]) == 0
    measured = read(runs / "ner" / "robustness.json")
    assert measured["metric"] == "entity_f1" and len(measured["noises"]) == 5


def test_a_slice_needs_its_column_and_does_not_make_another_run(runs, capsys):
    words = ["task=sentiment", f"dataset.path={runs}/data", *WORDS, f"runs={runs}"]
    assert main([*words, "dataset.columns.slices=[fonte]", "name=x"]) == 2
    assert "fonte" in capsys.readouterr().err
    names = []
    for extra in ([], ["dataset.columns.slices=[source]", "evaluation.robustness=true"]):
        assert main(["show", *words, *extra]) == 0
        names += re.findall(r"^name: (\S+)", capsys.readouterr().out, re.MULTILINE)
    assert len(names) == 2 and names[0] == names[1]
