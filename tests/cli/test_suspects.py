"""`autotune suspects`: planted errors are found, by the data alone and with a run; corrections come back."""

import csv
import json

import pytest

from tests.support import SAMPLES
from tests.support.forks import forks

PLANTED = 25
"""Rows of the sample's train split whose label is exchanged."""


def autotune(folder, *words):
    return forks().start(*words, cwd=folder).ended()


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A folder with the sample of sentiment, and the ids of its rows with a wrong label."""
    folder = tmp_path_factory.mktemp("suspects")
    planted = {}
    for split in ("train", "validation", "test"):
        lines = (SAMPLES / "sentiment" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        if split == "train":
            for row in rows[5 :: len(rows) // PLANTED][:PLANTED]:
                planted[row["id"]] = row["label"]
                row["label"] = {"positivo": "negativo", "negativo": "positivo", "neutro": "negativo"}[
                    row["label"]
                ]
            rows[0]["text"] = "=cmd|' /C calc'!A0 " + rows[0]["text"]
            rows[0]["label"] = "positivo" if rows[0]["label"] == "negativo" else "negativo"
            planted[rows[0]["id"]] = "negativo" if rows[0]["label"] == "positivo" else "positivo"
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / f"{split}.jsonl").write_text(content, encoding="utf-8")
    return folder, planted


def test_planted_errors_are_found_and_corrected(noisy):
    folder, planted = noisy
    data = ["task=sentiment", "dataset=jsonl", "dataset.path=data"]
    done = autotune(folder, "suspects", *data)
    assert done.returncode == 0, done.stderr
    assert "nothing was changed" in done.stdout
    found = rows_of(folder / "suspects.csv")
    assert [int(row["rank"]) for row in found] == list(range(1, len(found) + 1))
    own = [float(row["gold_probability"]) for row in found]
    assert own == sorted(own)
    hits = [row["id"] in planted for row in found]
    assert sum(hits) / len(hits) > 0.6 and sum(hits) / len(planted) > 0.6
    assert sum(hits[:10]) >= 9
    for row in found:
        assert row["label"] == "" and not row["text"].startswith("=")
        row["label"] = planted.get(row["id"], "")
    (formula,) = [row for row in found if row["id"] == "train-001"]
    assert formula["text"].startswith("'=cmd|")
    with (folder / "fixes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    words = [*data, "dataset.label_fixes=fixes.csv", "debug=smoke", "check=none", "guard=none"]
    done = autotune(folder, *words, "dataset.limit=null", "trainer.max_steps=1", "runs=runs", "name=fixed")
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "runs" / "fixed" / "data.json").read_text(encoding="utf-8"))
    assert record["source"]["label_fixes"]["labels"] == {"train": sum(hits), "validation": 0, "test": 0}
    assert f"labels that dataset.label_fixes corrected: {sum(hits)}" in " ".join(record["notes"])
    log = (folder / "runs" / "fixed" / "log.txt").read_text(encoding="utf-8")
    assert f"labels that dataset.label_fixes corrected: {sum(hits)}" in log


def test_an_existing_file_is_kept_and_arguments_are_refused_in_words(noisy):
    folder, _ = noisy
    (folder / "there.csv").write_text("mine")
    done = autotune(folder, "suspects", "task=sentiment", "-o", "there.csv")
    assert done.returncode == 2 and "--force" in done.stderr
    assert (folder / "there.csv").read_text() == "mine"
    for words, said in (
        ([], "give the folder of a run"),
        (["task=summarization"], "suspects are found among labels"),
        (["task=ner"], "autotune suspects RUN"),
        (["task=sentiment", "-o", "x.parquet"], "x.parquet"),
    ):
        done = autotune(folder, "suspects", *words)
        assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_run_of_sentiment_adds_its_predictions_of_rows_it_has_not_learned(tmp_path):
    words = ["task=sentiment", "debug=smoke", "check=none", "guard=none", "report=none"]
    done = autotune(tmp_path, *words, "dataset.limit=60", f"runs={tmp_path}", "name=run")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "run" / "predictions_test.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    sure = {"negativo": 0.001, "neutro": 0.001, "positivo": 0.001}
    for number, row in enumerate(rows):
        # The run is sure that row 7 is wrong and all others are right.
        answer = row["label"] if number != 7 else next(name for name in sure if name != row["label"])
        row["probabilities"] = {**sure, answer: 0.998}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = autotune(tmp_path, "suspects", "run", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["row"] for row in found if row["split"] == "test"] == [7]
    rows[3]["label"] = "neutro" if rows[3]["label"] != "neutro" else "positivo"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = autotune(tmp_path, "suspects", "run", "-o", "again.csv")
    assert done.returncode == 2 and "the data have changed" in done.stderr


def test_entities_of_a_run_that_disagree_are_ranked_by_their_probability(tmp_path):
    words = ["task=ner", "debug=smoke", "check=none", "guard=none", "report=none"]
    done = autotune(tmp_path, *words, f"runs={tmp_path}", "name=run")
    assert done.returncode == 0, done.stderr
    done = autotune(tmp_path, "suspects", "run")
    assert done.returncode == 0, done.stderr
    found = rows_of(tmp_path / "suspects.csv")
    assert found and {row["split"] for row in found} <= {"validation", "test"}
    sure = [float(row["probability"] or 0) for row in found]
    assert sure == sorted(sure, reverse=True)
    assert all(row["gold"] != row["suggested"] for row in found)
