"""`autotune compare`: the same rows, paired tests, every table in every format."""

import csv
import io
import json
import shutil

import pytest

from tests.support.forks import forks


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, and a copy of it whose first wrong answers are right."""
    folder = tmp_path_factory.mktemp("compare")
    done = forks().start(
        "task=sentiment", "debug=smoke", "check=none", "report=none", f"runs={folder}", "name=first", cwd=folder
    ).ended()  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "first", folder / "second")
    edit(
        folder / "second", lambda rows: [{**row, "prediction": row["label"]} for row in rows[:20]] + rows[20:]
    )
    config = folder / "second" / "model" / "autotune.json"
    record = json.loads(config.read_text())
    record["config"]["trainer"]["learning_rate"] = 0.5
    config.write_text(json.dumps(record))
    status = folder / "second" / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "saved": {}}))
    return folder


def edit(run, change):
    file = run / "predictions_test.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in change(rows)))


def compare(runs, *words):
    return forks().start("compare", *words, cwd=runs).ended()


def test_a_better_run_is_called_better(runs):
    done = compare(runs, "first", "second", "--format", "csv")
    assert done.returncode == 0, done.stderr
    scores, tests, changes, settings = (
        list(csv.DictReader(io.StringIO(table))) for table in done.stdout.split("\n\n")
    )
    assert [line["run"] for line in scores] == ["first", "second"]
    accuracy = next(line for line in tests if line["metric"] == "accuracy")
    assert accuracy["value"].startswith("+") and float(accuracy["p (randomization)"]) < 0.05
    assert float(accuracy["p (Holm)"]) == float(accuracy["p (randomization)"])
    (change,) = changes
    assert int(change["the first is better"]) > 0 and change["the second is better"] == "0"
    assert {line["key"]: line["second"] for line in settings} == {"trainer.learning_rate": "0.5"}


@pytest.mark.parametrize(("form", "sign"), [("text", "paired tests"), ("md", "---: |"), ("tex", r"\toprule")])
def test_formats(runs, form, sign):
    done = compare(runs, "first", "second", "--format", form)
    assert done.returncode == 0 and sign in done.stdout


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    done = compare(runs, "first", "first")
    assert done.returncode == 2 and "two different runs" in done.stderr
    shutil.copytree(runs / "second", tmp_path / "other")
    edit(tmp_path / "other", lambda rows: rows[1:])
    done = compare(runs, "first", tmp_path / "other")
    assert done.returncode == 2 and "different rows" in done.stderr and "row 0" in done.stderr
    done = compare(runs, "first", "nothing")
    assert done.returncode and "Traceback" not in done.stderr
