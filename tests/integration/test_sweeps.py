"""Sweeps through the command line: controllers that are killed, that meet, and runs that fail.

AUTOTUNE_SWEEP=50 makes the sweep whose controller is killed so large.
"""

import csv
import json
import os
import re
import signal
from collections import Counter
from pathlib import Path

from autotune.config.compose import compose
from autotune.config.load import dump_config
from tests.support.forks import forks

WORDS = (
    "runs=runs", "trainer.max_steps=2", "dataset.limit=12", "trainer.batch_size=4", "checkpoint.every=1st", "check=none",
)  # fmt: skip
"""Runs of two steps."""
KILLED = (
    # A point, how often a run reaches it, which of these times is meant, and whether the controller finishes other runs
    # first. No point is between a step and its checkpoint, which is written in the background: that step would have to
    # be done again.
    ("optimizer step", 2, 0, True),
    ("proof", 1, 0, False),
    ("os.rename sweep-sentiment-sample-tiny-#/members.jsonl", 1, 0, True),
    ("os.rename sentiment-sample-tiny-#/status.json", 3, 2, False),
    ("os.rename sentiment-sample-tiny-#/config.yaml", 1, 0, True),
)
"""Before the first step of a run; while the model of that run, now resumed, is verified; between two runs; before the
state of a run becomes `finished`; while the folder of a run is made."""
FAILING = """
import sys
from autotune.cli import multirun
from autotune.cli.main import main
from autotune.runtime import child_process

real = multirun.train_one

def train(config, plugins):
    if str(config.seed) in sys.argv[1].split(","):
        raise RuntimeError("a bug")
    return real(config, plugins)

multirun.train_one = train
child_process.prepare()
sys.exit(main(sys.argv[2:]))
"""
"""Runs with the seeds of the first argument fail with a bug."""


def members(folder: Path) -> list[dict[str, object]]:
    (file,) = folder.glob("runs/sweep-*/members.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def starts(folder: Path) -> list[int]:
    """How often each run was begun or resumed."""
    return [log.read_text().count("INFO run folder: ") for log in folder.glob("runs/*/log.txt")]


def test_a_sweep_whose_controller_is_killed_five_times_trains_nothing_twice(tmp_path):
    count = int(os.environ.get("AUTOTUNE_SWEEP", "4"))
    words, trace = (*WORDS, f"seeds={count}"), tmp_path / "trace"
    share = max(1, count // 4)
    """Runs that a controller finishes before it is killed, where it finishes any."""
    points = [(name, times * share * finishes + index) for name, times, index, finishes in KILLED]
    for at in points:
        armed = {"runs": str(tmp_path / "runs"), "trace": str(trace), "at": at}
        killed = forks().start(*words, cwd=tmp_path, armed=armed).ended()
        assert killed.returncode == -signal.SIGKILL, (at, killed.stdout[-500:], killed.stderr)
    armed = {"runs": str(tmp_path / "runs"), "trace": str(trace)}
    done = forks().start(*words, cwd=tmp_path, armed=armed).ended()
    assert done.returncode == 0, done.stderr
    assert [member["state"] for member in members(tmp_path)] == ["finished"] * count
    # The point before a step is reached once more by the run that is killed there; no step is done twice.
    assert Counter(trace.read_text().splitlines())["optimizer step"] == 2 * count + 1
    # One was killed before its first step and when it was verified, one when it was nearly finished.
    assert Counter(starts(tmp_path)) == {1: count - 2, 2: 1, 3: 1}


def test_two_controllers_share_the_runs_and_the_table_shows_them_at_any_time(tmp_path):
    words, go_on = (*WORDS, "seeds=2"), tmp_path / "go on"
    held = {"runs": str(tmp_path / "runs"), "at": ("optimizer step", 1), "until": str(go_on)}
    first = forks().start(*words, cwd=tmp_path, armed=held)
    first.until(
        lambda: any(len(file.read_text().splitlines()) == 1 for file in tmp_path.glob("runs/*/history.jsonl"))
    )
    second = forks().start(*words, cwd=tmp_path).ended()
    assert second.returncode == 0, second.stderr
    assert "other processes train 1 of the runs: sentiment-sample-tiny-" in second.stdout
    (sweep,) = tmp_path.glob("runs/sweep-*")
    shown = forks().start("sweep", sweep, cwd=tmp_path).ended().stdout
    assert re.search(r"\| 42 +\| running +\| +1/2 \|", shown), shown
    assert re.search(r"\| 43 +\| finished +\| +2/2 \| +0\.\d{4} \|", shown), shown
    assert "mean ± sample standard deviation" in shown and "| 1/2 |" in shown
    assert (sweep / "sweep.md").read_text() == shown
    go_on.touch()
    done = first.ended()
    assert done.returncode == 0, done.stderr
    assert starts(tmp_path) == [1, 1]
    rows = list(csv.DictReader((sweep / "sweep.csv").open()))
    assert [(row["row"], row["seed"], row["state"], row["n"]) for row in rows] == [
        ("run", "42", "finished", ""), ("run", "43", "finished", ""), ("seeds", "", "", "2"),
    ]  # fmt: skip
    metrics = [json.loads((tmp_path / "runs" / row["run"] / "metrics.json").read_text()) for row in rows[:2]]
    assert [float(row["test.macro_f1"]) for row in rows[:2]] == [one["test"]["macro_f1"] for one in metrics]
    assert {one["main"] for one in metrics} == {"macro_f1"}


def test_a_bug_in_one_run_ends_neither_the_sweep_nor_the_controller_and_is_retried(tmp_path):
    words = (*WORDS, "seeds=[1,2]")
    done = forks().start("1", *words, cwd=tmp_path, code=FAILING).ended()
    assert done.returncode == 70
    assert "RuntimeError: a bug" in done.stderr
    assert [(one["state"], one["reason"]) for one in members(tmp_path)] == [
        ("failed", "RuntimeError: a bug"), ("finished", None),
    ]  # fmt: skip
    assert re.search(r"- \S+ \(failed\): RuntimeError: a bug; `autotune .* seed=1`", done.stdout)
    again = forks().start(*words, cwd=tmp_path).ended()
    assert again.returncode == 0, again.stderr
    assert starts(tmp_path) == [1, 1]


def test_a_run_that_leaves_the_interpreter_has_failed_and_the_next_one_is_trained(tmp_path):
    leaving = FAILING.replace('RuntimeError("a bug")', "SystemExit(0)")
    done = forks().start("1", *WORDS, "seeds=[1,2]", cwd=tmp_path, code=leaving).ended()
    assert done.returncode == 70
    assert [(one["state"], one["reason"]) for one in members(tmp_path)] == [
        ("failed", "SystemExit: 0"), ("finished", None),
    ]  # fmt: skip
    alone = forks().start("1", *WORDS, "seed=1", cwd=tmp_path, code=leaving).ended()
    assert alone.returncode == 70
    assert "SystemExit: 0" in alone.stderr


def test_the_first_failure_ends_the_sweep_where_that_is_asked_for(tmp_path):
    words = (*WORDS, "seeds=[1,2]", "sweep.stop_on_failure=true")
    done = forks().start("1,2", *words, cwd=tmp_path, code=FAILING).ended()
    assert done.returncode == 70
    assert [one["state"] for one in members(tmp_path)] == ["failed", "pending"]
    assert re.search(r"2 of 2 runs are not finished.*\n.*\(exit code 70\).*\n.*\(not begun\)", done.stdout)


def test_a_folder_of_other_settings_is_refused_before_the_first_run_trains(tmp_path):
    (config,) = compose([*WORDS, "seed=2", "name=mine-2"])
    folder = tmp_path / "runs" / "mine-2"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(dump_config(config))
    words = ("-m", *WORDS, "seed=1,2", "name=mine-${seed}", "trainer.max_steps=1")
    done = forks().start(*words, cwd=tmp_path).ended()
    assert done.returncode == 2
    assert "the folder holds a run with other settings" in done.stderr
    assert not (tmp_path / "runs" / "mine-1").exists()
