"""The table of a sweep: means over seeds by hand, runs in every state, and what an unfinished run's folder says."""

import csv
import io
import json

import pytest

from autotune.cli.main import main
from autotune.config.compose import members
from autotune.errors import ConfigError
from autotune.run.sweep_folder import SweepFolder, sweep_name
from autotune.run.sweep_folds import Pooled, fold_groups
from autotune.run.sweep_members import MemberState, SweepMember
from autotune.run.sweep_table import seed_groups, to_csv, to_markdown


def member(score=None, *, state="finished", step=4, steps=4, **overrides):
    scores = (
        {}
        if score is None
        else {"test": {"other": 0.5, "f1": score}, "validation": {"f1": 0.1, "other": 0.2}}
    )
    return SweepMember(
        run=f"run-{'-'.join(overrides.values())}", overrides=overrides, words=["seed=1"], epochs=1.0, max_steps=None,
        state=MemberState(state), step=step, steps=steps, main="f1" if scores else None, scores=scores,
    )  # fmt: skip


SWEEP = [
    member(0.5, rate="a|b", seed="1"),
    member(0.7, rate="a|b", seed="2"),
    member(0.9, rate="a|b", seed="3"),
    member(0.4, rate="c", seed="1"),
    member(state="pending", step=0, steps=None, rate="c", seed="2"),
]


def test_mean_and_sample_deviation_are_over_the_finished_runs_that_differ_in_the_seed_alone():
    first, second = seed_groups(SWEEP)
    assert (first.overrides, first.finished, first.runs) == ({"rate": "a|b"}, 3, 3)
    assert first.scores["test", "f1"] == (pytest.approx(0.7), pytest.approx(0.2))
    assert (second.finished, second.runs, second.scores["test", "f1"]) == (1, 2, (0.4, None))
    assert seed_groups([member(0.5, rate="a"), member(0.6, rate="b")]) == []


def test_the_csv_has_a_row_per_run_and_a_row_per_group():
    rows = list(csv.DictReader(io.StringIO(to_csv(SWEEP))))
    assert [(row["row"], row["rate"], row["seed"], row["state"], row["n"]) for row in rows[2:]] == [
        ("run", "a|b", "3", "finished", ""), ("run", "c", "1", "finished", ""), ("run", "c", "2", "pending", ""),
        ("seeds", "a|b", "", "", "3"), ("seeds", "c", "", "", "1"),
    ]  # fmt: skip
    assert [float(rows[5][name]) for name in ("test.f1", "test.f1.sd")] == [
        pytest.approx(0.7),
        pytest.approx(0.2),
    ]
    assert (rows[4]["test.f1"], rows[6]["test.f1.sd"], rows[0]["validation.other"]) == ("", "", "0.2")


def test_the_markdown_shows_the_main_metric_first_and_each_row_has_all_cells():
    lines = to_markdown("sweep-x", SWEEP).splitlines()
    assert lines[2] == "5 runs: 4 finished, 1 pending"
    header = "|rate|seed|state|step|testf1|testother|validationf1|"
    assert lines[4].replace(" ", "") == header
    assert lines[6].startswith("| a\\|b | 1    | finished |  4/4 |")
    assert lines[10].replace(" ", "") == "|c|2|pending|||||"
    assert "0.7000 ± 0.2000" in lines[-2] and "±" not in lines[-1] and "| 1/2 |" in lines[-1]


def test_steps_and_scores_of_an_unfinished_run_are_those_of_its_history(tmp_path):
    run = member(state="pending", step=0, steps=None, seed="1")
    folder = tmp_path / run.run
    folder.mkdir()
    (folder / "status.json").write_text(json.dumps({"state": "running"}))
    assert run.updated(tmp_path).state is MemberState.killed  # no process holds the lock
    steps = [{"step": step, "epoch": step / 3, "loss": 1.0} for step in (1, 2)]
    lines = [*steps, {"step": 2, "epoch": 2 / 3, "validation": {"f1": 0.3, "other": None}}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "history.jsonl").write_text(text + '{"step": 3, "ep')
    now = run.updated(tmp_path)
    assert (now.step, now.steps, now.scores) == (2, 3, {"validation": {"f1": 0.3}})
    (folder / "status.json").write_text('{"state": "finished"}')
    damaged = run.updated(tmp_path)
    assert damaged.state is MemberState.damaged and "there is no metrics.json" in str(damaged.reason)


def test_the_same_runs_have_the_same_sweep_in_any_order_and_with_other_keys_that_shape_nothing(tmp_path):
    def name(*words):
        return sweep_name([one.config for one in members([f"runs={tmp_path}", *words])])

    assert name("seeds=[1,2]") == name("-m", "seed=2,1", "check=none", "sweep.stop_on_failure=true")
    assert name("seeds=[1,2]") != name("seeds=[1,3]")
    assert name("-m", "seed=1,2", "name=é-${seed}").startswith("sweep-é-")


def test_a_folder_that_is_none_names_the_sweeps_nearby(tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"there is no members.jsonl"):
        SweepFolder.open(tmp_path)
    sweep = SweepFolder.create(members([f"runs={tmp_path}", "seeds=2"]))
    assert main(["sweep", str(tmp_path)]) == 2
    assert f"autotune sweep {sweep.path}" in capsys.readouterr().err
    assert main(["sweep", str(sweep.path), "--format", "csv"]) == 0
    assert capsys.readouterr().out == (sweep.path / "sweep.csv").read_text()
    (sweep.path / "members.jsonl").write_text('{"run": 1}\n')
    assert main(["sweep", str(sweep.path)]) == 2
    assert "members.jsonl is damaged" in capsys.readouterr().err


def test_folds_of_several_tasks_and_a_run_without_a_fold_are_in_one_table():
    runs = [
        member(0.5, task="a", **{"dataset.fold": "1/2"}), member(0.7, task="a", **{"dataset.fold": "2/2"}),
        member(0.5, task="b", **{"dataset.fold": "1/2"}), member(0.7, task="b", **{"dataset.fold": "2/2"}),
        member(0.9, task="a", **{"dataset.fold": "null"}),
    ]  # fmt: skip
    pooled = [
        Pooled(overrides=group.overrides, main=name, rows=9, scores={name: 0.625}, interval={name: [0.5, 0.75]},
               folds=group.folds)
        for group, name in zip(fold_groups(runs), ("f1", "other"), strict=True)
    ]  # fmt: skip
    lines = to_markdown("sweep-x", runs, pooled).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "0.6250 [" in line]
    assert [row[:5] for row in cells] == [
        ["a", "2/2", "9", "0.6250 [0.5000, 0.7500]", ""], ["b", "2/2", "9", "", "0.6250 [0.5000, 0.7500]"],
    ]  # fmt: skip
