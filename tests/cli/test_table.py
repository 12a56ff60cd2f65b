"""`autotune table`: runs are ranked among those with the same scored rows; the others are named."""

import csv
import io
import json
import shutil

import pytest

from autotune.cli.main import main
from tests.reporting.test_report import Page


def change(file, key, value):
    content = json.loads(file.read_text())
    *path, last = key.split(".")
    place = content
    for part in path:
        place = place[part]
    place[last] = value
    file.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    """Four runs on two test sets, one of them in a folder below; a failed, a killed and three damaged ones."""
    folder = tmp_path_factory.mktemp("table")
    for name in ("low", "high", "below/middle", "other", "failed", "killed", "torn", "scoreless", "headless"):
        shutil.copytree(finished, folder / name, ignore=shutil.ignore_patterns("*.safetensors"))
    for name, score in (("low", 0.2), ("high", 0.9), ("below/middle", 0.5), ("other", 0.95)):
        change(folder / name / "metrics.json", "test.macro_f1", score)
    change(folder / "other" / "data.json", "fingerprints.test", "0123456789abcdef")
    change(folder / "failed" / "status.json", "state", "failed")
    change(folder / "failed" / "status.json", "reason", "RuntimeError: <b>boom</b>\nline 2")
    change(folder / "killed" / "status.json", "state", "running")
    (folder / "torn" / "metrics.json").write_text("{")
    change(folder / "scoreless" / "metrics.json", "test.macro_f1", None)
    (folder / "headless" / "status.json").write_text("[]")
    (folder / "notes.txt").write_text("not a run")
    return folder


def table(*words):
    return main(["table", *map(str, words)])


def test_only_scores_on_the_same_rows_are_ranked_together(runs, capsys):
    assert table(runs, runs / "high", "--format", "csv") == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    names = [(line["fingerprint"], line["folder"].removeprefix(f"{runs}/")) for line in lines[:4]]
    ranked = [name for fingerprint, name in names if fingerprint != "0123456789abcdef"]
    assert ranked == ["high", "below/middle", "low"]
    assert [name for fingerprint, name in names if fingerprint == "0123456789abcdef"] == ["other"]
    assert names[0][0] == names[1][0] or names[1][0] == names[2][0]
    assert lines[0]["baseline"] and float(lines[0]["low"]) <= float(lines[0]["high"])
    states = {line["folder"].removeprefix(f"{runs}/"): (line["state"], line["reason"]) for line in lines[4:]}
    assert states["failed"] == ("failed", "RuntimeError: <b>boom</b>") and states["killed"][0] == "killed"
    assert {name for name, (state, _) in states.items() if state == "damaged"} == {
        "torn",
        "scoreless",
        "headless",
    }
    assert all(reason for name, (_, reason) in states.items() if name != "killed")


@pytest.mark.parametrize("form", ["text", "md", "tex"])
def test_the_runs_without_a_score_are_below(runs, capsys, form):
    assert table(*runs.iterdir(), "--format", form) == 0
    text = capsys.readouterr().out
    assert text.index("best baseline") < text.index("runs without a score") < text.index("boom")
    assert text.count("fingerprint") == 2


def test_the_page_is_whole_and_safe_against_the_data(runs, tmp_path):
    assert table(runs, "-o", tmp_path / "t.html") == 0
    page = Page((tmp_path / "t.html").read_text("utf-8"))
    assert "<b>boom</b>" in page.text and not {"b", "script", "img", "link"} & set(page.tags)
    assert page.tags.count("svg") == 2 and all(address.startswith("#") for address in page.addresses)


def test_folders_without_runs_are_refused(tmp_path, capsys):
    assert table(tmp_path) == 2
    assert "there is no run in these folders" in capsys.readouterr().err
    assert table(tmp_path / "nothing") == 2
    assert "there is no such folder" in capsys.readouterr().err
