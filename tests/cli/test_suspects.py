"""`autotune suspects`: planted errors are found, by the data alone and with a run; corrections come back."""

import csv
import json
import random

import pytest

from tests.support.forks import forks

PLANTED = 12
"""Rows of train whose label is exchanged."""
WORDS = {
    "bom": ["ótimo", "excelente", "adorei", "maravilhoso", "perfeito", "recomendo"],
    "ruim": ["péssimo", "horrível", "odiei", "quebrado", "decepção", "devolvi"],
}
FILLERS = [
    a + b for a in ("ca", "me", "ti", "po", "lu", "fe", "zo", "na") for b in ("sa", "ro", "ma", "lhe", "ta")
]


def autotune(folder, *words):
    return forks().start(*words, cwd=folder).ended()


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A folder with clear reviews, which begin as formulas do, and the right label of the rows whose label is wrong, by id."""
    folder = tmp_path_factory.mktemp("suspects")
    (folder / "data").mkdir()
    generator, planted = random.Random(1), dict[str, str]()
    for split, count in (("train", 240), ("validation", 40), ("test", 40)):
        lines = []
        for number in range(count):
            label = generator.choice(list(WORDS))
            words = generator.sample(WORDS[label], 2) + generator.sample(FILLERS, 8)
            generator.shuffle(words)
            row = {"id": f"{split}-{number}", "text": "=" + " ".join(words), "label": label}
            if split == "train" and number % (count // PLANTED) == 5:
                planted[row["id"]] = label
                row["label"] = next(name for name in WORDS if name != label)
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        (folder / "data" / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
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
    assert sum(hits) / len(hits) > 0.8 and sum(hits) / len(planted) >= 0.5
    assert all(hits[:5])
    for row in found:
        assert row["label"] == "" and row["text"].startswith("'=")
        row["label"] = planted.get(row["id"], "")
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
        (["task=summarization", "-o", "new.csv"], "suspects are found among labels"),
        (["task=ner", "-o", "new.csv"], "autotune suspects RUN"),
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
    for row in rows:
        row["probabilities"] = {
            name: 0.998 if name == row["label"] else 0.001 for name in row["probabilities"]
        }
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    listed = {}
    for name, words in (("alone", ["task=sentiment", "dataset.limit=60"]), ("with", ["run"])):
        done = autotune(tmp_path, "suspects", *words, "-o", f"{name}.jsonl")
        assert done.returncode == 0, done.stderr
        found = map(json.loads, (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
        listed[name] = [(row["split"], row["row"]) for row in found]
    # The run is sure that all labels of test are right; of train it says nothing.
    assert {split for split, _ in listed["alone"]} == {"train", "validation", "test"}
    assert "test" not in {split for split, _ in listed["with"]}
    assert "train" in {split for split, _ in listed["with"]}
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
