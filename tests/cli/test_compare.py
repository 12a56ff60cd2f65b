"""`autotune compare`: the same rows, paired tests, every table in every format."""

import csv
import io
import json
import re
import shutil

import pytest

from autotune.cli.main import main
from autotune.models import saved_model
from autotune.pipeline import compare as comparing
from autotune.reporting.tables_page import plain, quote
from tests.reporting.test_report import EVIL, Page


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    """A finished run, a copy of it whose first wrong answers are right, and one that differs in its seed."""
    folder = tmp_path_factory.mktemp("compare")
    shutil.copytree(finished, folder / "first")
    for name, line in (("second", "  weight_decay: 0.5"), ("third", "seed: 7")):
        shutil.copytree(finished, folder / name)
        config = folder / name / "config.yaml"
        text, count = re.subn(rf"(?m)^{line.partition(':')[0]}: .*$", line, config.read_text())
        assert count == 1, line
        config.write_text(text)
        edit(
            folder / name, lambda rows: [{**row, "prediction": row["label"]} for row in rows[:20]] + rows[20:]
        )
    return folder


def edit(run, change):
    file = run / "predictions_test.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in change(rows)))


def copied(runs, target, change=None):
    """A copy of the second run with other rows, without its weights."""
    shutil.copytree(runs / "second", target, ignore=shutil.ignore_patterns("*.safetensors"))
    if change is not None:
        edit(target, change)
    return target


def compare(*words):
    return main(["compare", *map(str, words)])


def test_a_better_run_is_called_better(runs, capsys):
    assert compare(runs / "first", runs / "second", "--format", "csv") == 0
    scores, tests, changes, settings, rows = (
        list(csv.DictReader(io.StringIO(table))) for table in capsys.readouterr().out.split("\n\n")
    )
    assert [line["run"] for line in scores] == ["first", "second"]
    accuracy = next(line for line in tests if line["metric"] == "accuracy")
    assert accuracy["value"].startswith("+") and float(accuracy["p (randomization)"]) < 0.05
    assert float(accuracy["p (Holm)"]) == float(accuracy["p (randomization)"])
    (change,) = changes
    assert int(change["the first is better"]) > 0 and change["the second is better"] == "0"
    assert {line["key"]: line["second"] for line in settings} == {"trainer.weight_decay": "0.5"}
    assert len(rows) == 5
    assert all(
        row["gold"] == row["prediction of the first"] != row["prediction of the second"] for row in rows
    )


@pytest.mark.parametrize(
    ("form", "sign"), [("text", "paired tests"), ("md", "---: |"), ("tex", r"\toprule"), ("html", "<svg")]
)
def test_every_form_of_output(runs, tmp_path, capsys, form, sign):
    file = tmp_path / f"c.{form.replace('text', 'txt')}"
    assert compare(runs / "first", runs / "second", "-o", file) == 0
    assert sign in file.read_text("utf-8") and "second is better than first beyond chance" in file.read_text()
    assert capsys.readouterr().out == f"{file}\n"
    assert compare(runs / "first", runs / "second", "-o", file) == 2
    assert "--force" in capsys.readouterr().err
    assert compare(runs / "first", runs / "second", "-o", file, "--force") == 0
    assert compare(runs / "first", runs / "second", "-o", tmp_path / "c.pdf") == 2


def test_runs_that_differ_in_the_seed_are_a_group(runs, capsys):
    assert compare(runs / "first", runs / "second", runs / "third") == 0
    text = capsys.readouterr().out
    (line,) = re.findall(r"first \(\d+\), third \(7\) +accuracy +2 +([\d.]+) ± ", text)
    scores = [
        json.loads((runs / name / "metrics.json").read_text())["test"]["accuracy"]
        for name in ("first", "third")
    ]
    assert float(line) == pytest.approx(sum(scores) / 2, abs=1e-4)


def test_the_page_is_whole_and_safe_against_the_data(runs, tmp_path):
    copies = [
        copied(runs, tmp_path / f"<b>{name}", evil) for name, evil in (("1", evil_rows), ("2", evil_answers))
    ]
    assert compare(*copies, "-o", tmp_path / "c.html") == 0
    text = (tmp_path / "c.html").read_text("utf-8")
    page = Page(text)
    assert EVIL in page.text and "<b>1" in page.text
    assert all(address.startswith("#") for address in page.addresses)
    assert not page.handlers and not {"script", "img", "link", "iframe", "b"} & set(page.tags)
    assert "default-src 'none'" in text and page.tags.count("svg") == 5


def evil_rows(rows):
    return [{**row, "text": EVIL} for row in rows]


def evil_answers(rows):
    return [{**row, "text": EVIL, "prediction": "negativo"} for row in rows]


def other_label(rows):
    return [{**row, "prediction": "outra"} for row in rows]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[1:], "test, row 0"),
        (lambda rows: rows[:-1], "different rows"),
        (other_label, "runs with the same labels"),
        (lambda rows: [{"id": row["id"], "label": row["label"]} for row in rows], "line 1 is not a row"),
        (lambda rows: [], "different rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs, tmp_path, capsys, change, words):
    assert compare(runs / "first", copied(runs, tmp_path / "other", change)) not in (0, 70)
    assert words in capsys.readouterr().err


def test_rows_with_another_fingerprint_are_refused(runs, tmp_path, capsys):
    other = copied(runs, tmp_path / "other")
    data = json.loads((other / "data.json").read_text())
    data["fingerprints"]["test"] = "0" * 16
    (other / "data.json").write_text(json.dumps(data))
    assert compare(runs / "first", other) == 2
    assert "0" * 16 in capsys.readouterr().err


def test_missing_runs_are_refused(runs, tmp_path, capsys):
    assert compare(runs / "first", f"{runs / 'first'}/") == 2
    assert "two different runs" in capsys.readouterr().err
    assert compare(runs / "first", runs / "secnd") not in (0, 70)
    assert str(runs / "second") in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert compare(runs / "first", tmp_path / "empty") == 2
    (copied(runs, tmp_path / "torn") / "predictions_test.jsonl").write_text('{"id": ')
    assert compare(runs / "first", tmp_path / "torn") not in (0, 70)
    assert "line 1" in capsys.readouterr().err


def test_the_tokenizer_is_opened_and_the_predictions_are_read_once(runs, monkeypatch):
    opened, read = [], []
    tokenizer, lines = saved_model.AutoTokenizer.from_pretrained, comparing.read_lines
    monkeypatch.setattr(
        saved_model.AutoTokenizer,
        "from_pretrained",
        lambda *words, **options: opened.append(words) or tokenizer(*words, **options),
    )
    monkeypatch.setattr(
        comparing, "read_lines", lambda path, **options: read.append(path) or lines(path, **options)
    )
    comparing.compare([str(runs / "first"), str(runs / "second")], None)
    assert len(opened) == 1
    assert sorted(path.parent.name for path in read) == ["first", "second"]


def test_entities_are_marked_and_named():
    rows = {
        "a": {"id": 1, "tokens": ["Ana", "viu", "Lisboa"], "tags": ["B-P", "O", "B-L"], "prediction": ["O"] * 3},
        "b": {"id": 1, "tokens": ["Ana", "viu", "Lisboa"], "tags": ["B-P", "O", "B-L"], "prediction": ["B-P", "I-P", "O"]},
    }  # fmt: skip
    shown = quote(rows, "tags", "gold").lines
    assert [[segment.label for segment in segments if segment.label] for segments in shown.values()] == [
        ["P", "L"], [], ["P"],
    ]  # fmt: skip
    assert [plain(row, row["prediction"]) for row in rows.values()] == ["—", "P: Ana viu"]
    assert plain({}, "uma\nlinha\x1b[31m") == "uma linha [31m" and plain({}, ["x", "y"]) == "x, y"
