"""`predict --max-error`: rows of which the model is not sure stay undecided."""

import csv
import json

import pytest

from autotune import api
from autotune.errors import ConfigError
from tests.support.forks import forks

WORDS = {"sim": ["adorei o livro", "que livro bom"], "não": ["detestei o filme", "que filme ruim"]}
DATA = (
    "task=classification", "dataset.path=data", "dataset.splits.train=train.jsonl", "runs=.", "check=none",
    "dataset.splits.validation=validation.jsonl", "dataset.splits.test=test.jsonl",
)  # fmt: skip
UNCLEAR = "li e vi"
"""A text that has each label as often."""


def rows(count: int) -> list[dict[str, str]]:
    """Texts of which every fourth one has a label by chance."""
    found = []
    for number in range(count):
        label = ["sim", "não"][number // 4 % 2]
        text = UNCLEAR if number % 4 == 3 else WORDS[label][number % 2]
        found.append({"text": f"{text} {number % 7}", "label": label})
    return found


def write(path, content):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), "utf-8")


def order(folder, *words, code=0):
    done = forks().start(*map(str, words), cwd=folder).ended()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose validation has sure rows and unclear ones, and what training printed."""
    folder = tmp_path_factory.mktemp("abstention")
    data = folder / "data"
    data.mkdir()
    for split, count in {"train": 128, "validation": 80, "test": 16}.items():
        write(data / f"{split}.jsonl", rows(count))
    words = (
        "model=tiny",
        "trainer.epochs=6",
        "trainer.learning_rate=2e-3",
        "trainer.batch_size=8",
        "guard=none",
    )
    return folder, order(folder, *DATA, *words, "name=r")


def test_sure_rows_are_decided_and_the_others_say_so(folder):
    folder, _ = folder
    write(folder / "new.jsonl", [{"text": f"{UNCLEAR} 3"}, {"text": "que livro bom 1"}])
    said = order(folder, "predict", "r", "new.jsonl", "--max-error", "0.1", "-o", "out.jsonl")
    unclear, sure = map(json.loads, (folder / "out.jsonl").read_text("utf-8").splitlines())
    assert (unclear["prediction"], unclear["undecided"]) == (None, True)
    assert set(unclear["probabilities"]) == {"sim", "não"}
    assert (sure["prediction"], sure["undecided"]) == ("sim", False)
    assert "1 of 2 rows are undecided" in said
    order(folder, "predict", "r/model", "new.jsonl", "--max-error", "0.1", "-o", "out.csv")
    with (folder / "out.csv").open(encoding="utf-8") as file:
        assert [line["prediction"] for line in csv.DictReader(file)] == ["", "sim"]


def test_the_curve_is_that_of_validation(folder):
    folder, printed = folder
    fact = json.loads((folder / "r/model/autotune.json").read_text())["facts"]["risk_coverage"]
    predictions = [json.loads(line) for line in (folder / "r/predictions_validation.jsonl").open()]
    assert fact["rows"] == len(predictions) == 80
    for point in fact["points"]:
        decided = [
            row for row in predictions if row["probabilities"][row["prediction"]] >= point["threshold"]
        ]
        assert len(decided) == point["decided"]
        assert sum(row["prediction"] != row["label"] for row in decided) == point["wrong"]
    assert "with --max-error 0.05, predict decides" in printed


def test_a_model_without_a_neural_network_abstains_too(folder):
    folder, _ = folder
    order(folder, *DATA, "model=tfidf", "task.temperature=2", "report=none", "name=cheap")
    facts = json.loads((folder / "cheap/model/autotune.json").read_text())["facts"]
    assert facts["temperature"] == 2
    assert facts["risk_coverage"]["rows"] == 80
    said = order(
        folder, "predict", "cheap", "--text", UNCLEAR, "--text", "que livro bom", "--max-error", "0.1"
    )
    unclear, sure = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    assert (unclear["prediction"], sure["prediction"]) == (None, "sim")


@pytest.mark.parametrize(
    ("share", "problem"),
    [
        ("0.001", "no threshold keeps the error of this model so small"),
        ("5%", "--max-error is a share of the rows, above 0 and below 1"),
        ("0", "--max-error is a share of the rows, above 0 and below 1"),
    ],
)
def test_what_cannot_be_promised_is_refused(folder, share, problem):
    assert problem in order(folder[0], "predict", "r", "--text", "a", "--max-error", share, code=2)


def test_a_model_without_a_curve_is_refused_and_python_has_the_same(folder):
    folder, _ = folder
    model = api.load(folder / "r")
    assert model.predict([f"{UNCLEAR} 3"], max_error=0.1)[0]["undecided"] is True
    assert "undecided" not in model.predict([f"{UNCLEAR} 3"])[0]
    model._saved.task.facts.pop("risk_coverage")
    with pytest.raises(ConfigError, match="without a risk-coverage curve"):
        model.predict(["a"], max_error=0.1)
