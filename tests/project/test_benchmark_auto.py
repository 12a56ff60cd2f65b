"""scripts/benchmark_auto: the rows that it draws, the figures that it compares, and a rehearsal of the whole."""

import csv
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.auto_folder import RESULT, write_auto
from tests.support.forks import forks

SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmarks.auto import cells, process, rivals, table, tools  # noqa: E402
from benchmarks.auto.__main__ import main  # noqa: E402

SETTING = tools.Setting("2m", 120, ("model=custom", "model.name_or_path=ENCODER"), "ENCODER", 1, 0)


@pytest.fixture
def data(tmp_path):
    """A folder of data sets in which RePro has 400 rows, of which test has 40, ten of them in train, too."""
    folder = tmp_path / "data" / "repro"
    folder.mkdir(parents=True)
    for split, numbers in (("train", range(370)), ("test", range(360, 400))):
        with (folder / f"repro_{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(
                [f"produto número {number} – “bom”", 1 if number % 3 else -1] for number in numbers
            )
    return folder.parent


CONFUSION = {"a": {"a": 30, "b": 10}, "b": {"a": 10, "b": 30}}


def cell(regime, source=cells.SOURCES[0]):
    return cells.Cell(source, regime)


def test_a_draw_is_the_same_for_all_tools_and_its_texts_are_not_in_test(data):
    for regime, most in (("100", 300), ("32/class", 40)):
        train, test = cells.draw_rows(cell(regime), 0, data)
        assert (train, test) == cells.draw_rows(cell(regime), 0, data)
        assert len(test) == most
        assert not {row["text"] for row in train} & {row["text"] for row in test}
        other, other_test = cells.draw_rows(cell(regime), 1, data)
        assert other != train and (other_test == test) == (regime == "32/class")
    assert len(cells.draw_rows(cell("100"), 0, data)[0]) == 100
    balanced, _ = cells.draw_rows(cell("32/class"), 0, data)
    assert Counter(row["label"] for row in balanced) == {"negativo": 32, "positivo": 32}
    assert len(cells.draw_rows(cell("full"), 0, data)[0]) == 360
    assert len(cells.draw_rows(cell("full"), 0, data, most_test=7)[1]) == 7


def test_a_dirty_file_is_what_a_spreadsheet_exports(data, tmp_path):
    drawn = cells.write(cell("dirty 1000"), cells.draw_rows(cell("dirty 1000"), 0, data), tmp_path / "dirty")
    with drawn.train.open(encoding="cp1252", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert list(rows[0]) == ["id", "data", "estrelas", "titulo", "comentario", "opiniao"]
    assert [row["comentario"] for row in rows] == [row["text"] for row in drawn.rows[0]]
    assert len({row["id"] for row in rows}) == len(rows) and {row["estrelas"] for row in rows} <= set("12345")
    assert drawn.columns == ("dataset.columns.text=comentario", "dataset.columns.label=opiniao")


def test_words_choose_cells():
    assert [found.name for found in cells.cells(cells.SOURCES, ["repro-8/class", "ner-full"])] == [
        "RePro 8/class", "LeNER-Br full", "HAREM full",
    ]  # fmt: skip
    assert len({found.name for found in cells.cells(cells.SOURCES, [])}) == 27


def result(tool, score, *, cell="RePro 100", draw=0, **outcome):
    return {"cell": cell, "classes": True, "alike": "/class" not in cell, "draw": draw, "time": "2m",
            "asked": 120.0, "tool": tool, "outcome": tools.Outcome(score=score, **outcome).as_dict()}  # fmt: skip


RESULTS = [
    result("autotune auto", 0.80, reported=0.82, interval=[0.75, 0.85], seconds=140.0, first_model_seconds=9.0, same_bytes=True),
    result("autotune auto", 0.84, draw=1, reported=0.80, interval=[0.75, 0.83], seconds=150.0, first_model_seconds=16.0),
    result("cheap", 0.79),
    result("cheap", 0.85, draw=1),
    result("setfit", 0.90),
    result("setfit", 0.86, draw=1),
    result("autotune auto", 0.70, cell="RePro full", reported=0.70, interval=[0.6, 0.8], seconds=100.0),
    result("cheap", 0.60, cell="RePro full"),
    result("setfit", None, cell="RePro full", note="it | failed"),
]  # fmt: skip


def test_the_bar_compares_means_over_draws():
    assert table.regrets(RESULTS)["RePro 100"] == pytest.approx(
        {"autotune auto": 0.06, "cheap": 0.06, "setfit": 0.0}
    )
    values = {check.what.partition(" (")[0]: (check.value, check.passed) for check in table.bar(RESULTS)}
    assert values == {
        "mean regret on classes": (pytest.approx(0.03), False),
        "largest regret on classes": (pytest.approx(0.06), False),
        "most below the better of majority and the cheap method": (pytest.approx(0.0), True),
        "mean optimism, either way": (pytest.approx(0.02 / 3), True),
        "coverage of the reported interval": (pytest.approx(2 / 3), False),
        "seconds over 105 % of the time asked": (pytest.approx(24.0), False),
        "seconds from the check to the first model": (16.0, False),
        "replays with other bytes": (0.0, True),
        "searches without a score": (0.0, True),
    }
    text = table.markdown(RESULTS, "about")
    assert "| RePro 100 " in text and "**0.880 ± 0.028**" in text and "0.820 ± 0.028" in text
    assert "Without a score: setfit: it | failed (RePro full)." in text


def test_nothing_is_passed_that_was_not_measured():
    checks = table.bar([result("cheap", 0.5)])
    assert {check.passed for check in checks} == {None}


def drawn_of(counts, tmp_path):
    rows = [
        {"text": f"{label} {number}", "label": label}
        for label, count in counts.items()
        for number in range(count)
    ]
    test = [{"text": "x", "label": label} for label in counts]
    return cells.Drawn(
        "sentiment", tmp_path / "train.csv", tmp_path / "test.csv", ("task=sentiment",), (), (rows, test)
    )


@pytest.mark.parametrize(("rarest", "few"), [(80, True), (81, False)])
def test_the_rule_learns_few_shot_from_at_most_80_rows_per_class(tmp_path, monkeypatch, rarest, few):
    commands = []

    def execute(command, log, **_):
        commands.append(command)
        log.write_text("error: nothing ran\n")
        return process.Usage(2, 0.0, 0.0, 0.0)

    monkeypatch.setattr(process, "execute", execute)
    outcome = tools.rule(drawn_of({"a": 200, "b": rarest}, tmp_path), SETTING, tmp_path)
    (command,) = commands
    assert outcome.score is None and "nothing ran" in outcome.note
    if few:
        order = json.loads(Path(command[-1]).read_text())
        assert command[-2] == "contrastive" and Counter(order["labels"]) == {"a": 80, "b": 80}
    else:
        assert {"trainer.epochs=10", "trainer.learning_rate=5e-5", "model.name_or_path=ENCODER"} <= set(
            command
        )


def test_a_rival_that_is_not_installed_is_left_out_with_the_reason(tmp_path):
    drawn = drawn_of({"a": 4, "b": 4}, tmp_path)
    assert "--environment setfit=PYTHON" in tools.TOOLS["setfit"](drawn, SETTING, tmp_path).note
    setting = replace(SETTING, pythons={"lightautoml": sys.executable})
    outcome = tools.TOOLS["lightautoml"](drawn, setting, tmp_path)
    assert outcome.note == f"lightautoml is not installed in the environment of {sys.executable}"
    assert set(rivals.TOOLS) - {"contrastive"} <= set(tools.TOOLS)


def test_figures_are_compared_with_test_only_where_it_is_like_train():
    alike = {found.name: found.alike for found in cells.cells(cells.SOURCES, [])}
    assert alike["RePro 100"] and alike["RePro dirty 1000"] and alike["HAREM full"]
    assert not (alike["RePro 8/class"] or alike["LeNER-Br full"] or alike["CitiLink full"])
    balanced = result("autotune auto", 0.5, cell="RePro 8/class", reported=0.9, interval=[0.8, 1.0])
    assert table.optimism([*RESULTS, balanced], "autotune auto") == table.optimism(RESULTS, "autotune auto")
    assert table.coverage([*RESULTS, balanced], "autotune auto") == table.coverage(RESULTS, "autotune auto")


def test_a_figure_covers_the_score_if_their_intervals_allow_it():
    high = {"reported": 0.9, "interval": [0.87, 0.93]}
    assert table.coverage([result("autotune auto", 0.85, **high)], "autotune auto") == [False]
    for half, covered in ((0.03, False), (0.05, True)):
        found = result("autotune auto", 0.85, score_interval=[0.85 - half, 0.85 + half], **high)
        assert table.coverage([found], "autotune auto") == [covered]
    low, high = tools._macro_f1_interval({"a": {"a": 300, "b": 100}, "b": {"a": 100, "b": 300}})
    # Of 800 rows, each right by chance 3/4: the standard error is sqrt(0.75 * 0.25 / 800).
    assert low == pytest.approx(0.75 - 0.03, abs=0.004) and high == pytest.approx(0.75 + 0.03, abs=0.004)


def test_the_majority_class_is_scored_by_macro_f1(tmp_path):
    none = tools.majority(drawn_of({"a": 2, "b": 2, "c": 1}, tmp_path), SETTING, tmp_path)
    assert none.score is None and none.note == "no class is the most frequent"
    assert tools.majority(drawn_of({"a": 3, "b": 2}, tmp_path), SETTING, tmp_path).score == pytest.approx(
        1 / 3
    )


def test_a_process_is_measured_and_files_are_waited_for(tmp_path):
    there, log = tmp_path / "there", tmp_path / "log.txt"
    code = f"open({str(there)!r}, 'w'); print('done', flush=True); import time; time.sleep(0.3); raise SystemExit(3)"
    usage = process.execute([sys.executable, "-c", code], log, watch=[there, tmp_path / "never"])
    assert usage.returncode == 3 and usage.memory_mb > 1 and list(usage.seen) == [str(there)]
    assert log.read_text() == "done\n"
    assert (
        process.execute([sys.executable, "-c", "import time; time.sleep(60)"], log, limit=0).returncode == -9
    )


def test_what_a_command_leaves_behind_is_counted(tmp_path):
    code = "import os, time\nif os.fork() == 0:\n    while time.process_time() < 0.3:\n        pass"
    assert process.execute([sys.executable, "-c", code], tmp_path / "log.txt").cpu_seconds > 0.3


def test_the_search_is_asked_again_with_the_columns_and_its_figure_and_model_are_read(tmp_path, monkeypatch):
    """With an `execute` that leaves what `autotune auto` leaves."""
    commands = []

    def execute(command, log, *, watch=(), **_):
        words = command[4:]
        commands.append(words)
        seen = {}
        if words[0] == "evaluate":
            Path(words[-1]).write_text(json.dumps({"macro_f1": 0.66, "confusion": CONFUSION}))
        elif words[1].startswith("replay="):
            (tmp_path / "replay" / "best").mkdir(parents=True)
            (tmp_path / "replay" / "best" / "model.safetensors").write_bytes(b"weights")
        elif "dataset.columns.text=a" not in words:
            return process.Usage(2, 1.0, 1.0, 1.0)
        else:
            write_auto(tmp_path / "auto")
            (tmp_path / "auto" / "best").mkdir()
            (tmp_path / "auto" / "best" / "model.safetensors").write_bytes(b"weights")
            seen = {str(watch[0]): 3.1, str(watch[1]): 9.6}
        return process.Usage(0, 130.0, 90.0, 800.0, seen)

    monkeypatch.setattr(process, "execute", execute)
    drawn = replace(drawn_of({"a": 4, "b": 4}, tmp_path), columns=("dataset.columns.text=a",))
    outcome = tools.auto(drawn, replace(SETTING, replay=True), tmp_path)
    assert [words[0] for words in commands] == ["auto", "auto", "evaluate", "auto"]
    assert {"time=2m", "auto.models=[ENCODER]", "name=auto"} <= set(commands[0])
    assert commands[2][1] == str(tmp_path / "auto" / "trials" / "a")
    assert (outcome.score, outcome.reported, outcome.interval) == (0.66, 0.671, [0.637, 0.703])
    assert (outcome.check_seconds, outcome.first_model_seconds) == (3.1, 6.5)
    assert (outcome.words, outcome.same_bytes) == (5, True)
    assert outcome.note == "bertimbau_base 5e-5"


@pytest.mark.parametrize("score", [0.5, None])
def test_without_a_test_split_the_corrected_figure_is_the_reported_one(tmp_path, monkeypatch, score):
    def execute(command, log, **_):
        log.write_text("error: no such file\n")
        if command[4] == "auto":
            write_auto(tmp_path / "auto", RESULT | {"test": None})
            (tmp_path / "auto" / "best").mkdir()
        elif score is None:
            return process.Usage(2, 1.0, 1.0, 1.0)
        else:
            Path(command[-1]).write_text(json.dumps({"macro_f1": score, "confusion": CONFUSION}))
        return process.Usage(0, 1.0, 1.0, 1.0)

    monkeypatch.setattr(process, "execute", execute)
    outcome = tools.auto(drawn_of({"a": 4, "b": 4}, tmp_path), SETTING, tmp_path)
    assert (outcome.score, outcome.reported, outcome.interval) == (score, 0.6581, [0.64, 0.69])
    assert ("no such file" in outcome.note) is (score is None)


def test_the_rehearsal_compares_models_of_the_samples(tmp_path, monkeypatch, capsys):
    started = []

    def execute(command, log, **_):
        """Runs the command line in a fork."""
        started.append(command[4])
        done = forks().start(*command[4:], cwd=tmp_path).ended()
        log.write_text(done.stdout + done.stderr)
        return process.Usage(done.returncode, 1.0, 1.0, 100.0)

    monkeypatch.setattr(process, "execute", execute)
    words = ["--rehearse", "--cells", "sentiment", "--tools", *TOOLS, "--output", str(tmp_path / "out")]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "(a rehearsal: these figures say nothing)" in text and "| sample sentiment 25 " in text
    results = json.loads((tmp_path / "out" / "benchmark_auto.json").read_text())["results"]
    assert [found["tool"] for found in results] == TOOLS
    assert all(0 < found["outcome"]["score"] < 1 for found in results), results
    assert started.count("evaluate") == len(TOOLS) - 1
    # What was measured is not measured again.
    assert main(words) == 0
    assert started.count("evaluate") == len(TOOLS) - 1


TOOLS = ["majority", "autotune"]
"""Tools of the rehearsal."""
