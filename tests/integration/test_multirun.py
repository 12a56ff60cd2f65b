"""Sweeps: how commas part values, what is checked before anything trains, and what becomes of runs that fail."""

import json
import re
import shlex

import pytest

from autotune.cli.main import main
from autotune.config.compose import compose, members
from autotune.errors import Findings
from tests.support.forks import forks


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("dataset.splits.train=train[:10%],train[:50%]", ["train[:10%]", "train[:50%]"]),
        ("dataset.splits.train=train[:5]+train[9:],train", ["train[:5]+train[9:]", "train"]),
        ("dataset.splits.train='a,b.csv',c.csv", ["a,b.csv", "c.csv"]),
        ("dataset.splits.train=d'água.csv,d'ouro.csv", ["d'água.csv", "d'ouro.csv"]),
        ("dataset.splits.train=notas (1,2).csv, b.csv", ["notas (1,2).csv", "b.csv"]),
        ("dataset.labels=[não,sim]", [["não", "sim"]]),
        ("dataset.labels=[a,b],[não,'sim, já']", [["a", "b"], ["não", "sim, já"]]),
        ("dataset.labels=[d'água,b],null", [["d'água", "b"], None]),
        ("dataset.columns={text: a, label: b}", [{"text": "a", "label": "b"}]),
        ("seed=range(1,3)", [1, 2]),
        ("trainer.schedule=choice(linear,cosine)", ["linear", "cosine"]),
    ],
)
def test_commas_inside_of_brackets_and_quotes_belong_to_the_value(override, values):
    *path, last = override.partition("=")[0].split(".")
    runs = members(["-m", override])
    found = []
    for run in runs:
        section = run.config
        for name in path:
            section = getattr(section, name)
        found.append(getattr(section, last))
    if isinstance(values[0], dict):
        found = [{"text": found[0].text, "label": found[0].label}]
    assert found == values


def test_each_run_of_a_sweep_has_the_words_that_do_it_alone(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "meus.yaml").write_text("path: org/name\nformat: hub\n")
    words = ["--config-dir", str(tmp_path), "-m", "dataset=meus", "dataset.splits.train=é[:5],b", "seed=1,2"]
    runs = members(words)
    assert len({run.config.name for run in runs}) == 4
    for run in runs:
        assert compose(run.words) == [run.config]
        assert compose(shlex.split(shlex.join(run.words))) == [run.config]


def test_what_is_wrong_with_any_run_of_a_sweep_is_said_at_once():
    with pytest.raises(Findings) as caught:
        compose(["-m", "trainer.epochs=-1,2,-3", "trainer.batch_size=4,0"])
    assert [error.found for error in caught.value.errors] == ["-1.0", "0", "-3.0"]


def test_a_run_that_fails_does_not_keep_the_later_ones_from_running(tmp_path):
    code = """
import sys
from autotune.cli.main import main
from autotune.runtime import child_process
from autotune.errors import TrainingError
from autotune.tasks.sentiment import Sentiment

right, calls = Sentiment.loss, []

def loss(self, *words):
    calls.append(1)
    if len(calls) == 1:
        raise TrainingError("no check can know this")
    return right(self, *words)

Sentiment.loss = loss
child_process.prepare()
sys.exit(main(sys.argv[1:]))
"""
    words = ["-m", "debug=smoke", "runs=os runs", "seed=1,2"]
    done = forks().start(*words, cwd=tmp_path, code=code).ended()
    assert done.returncode == 65, done.stderr
    states = {
        file.parent.name: json.loads(file.read_text()) for file in tmp_path.glob("os runs/*/status.json")
    }
    assert sorted(one["state"] for one in states.values()) == ["failed", "finished"]
    assert done.stdout.index("checking run 2 of 2") < done.stdout.index("\nrun 1 of 2: ")
    (failed,) = (name for name, one in states.items() if one["state"] == "failed")
    (command,) = re.findall(rf"{re.escape(failed)} \(exit code 65\): autotune (.*)", done.stdout)
    assert [run.config.name for run in members(shlex.split(command))] == [failed]
    assert states[failed]["command"] == f"autotune {command}"


def test_nothing_trains_where_one_run_of_a_sweep_would_be_refused(tmp_path):
    """All are looked at, an error that several have is said once, and the exit code is that of a single run."""
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"frase {n},{n % 2}\n" for n in range(30)))
    words = [
        "dataset=csv",
        "dataset.path=rows.csv",
        "runs=runs",
        "dataset.columns.label=label,nota,x",
        "seed=1,2",
    ]
    done = forks().start("-m", *words, cwd=tmp_path).ended()
    assert done.returncode == 2
    assert not list(tmp_path.glob("runs/*/status.json"))
    assert done.stderr.count("there is no column nota") == done.stderr.count("there is no column x") == 1
    assert len(re.findall(r"run (sentiment-rows-tiny-\w+, sentiment-rows-tiny-\w+)\n", done.stderr)) == 2


def test_a_run_that_is_interrupted_ends_the_sweep(tmp_path):
    words = ["-m", "debug=smoke", "seed=1,2", "trainer.max_hours=1e-9", "runs=runs"]
    done = forks().start(*words, cwd=tmp_path).ended()
    assert done.returncode == 75, done.stderr
    assert re.search(
        r"2 of 2 runs are not finished.*\n.*\(exit code 75\): autotune .*\n.*\(not begun\): autotune",
        done.stdout,
    )


def test_check_names_the_runs_of_a_sweep_that_are_scored_on_other_rows(tmp_path, capsys):
    words = ["-m", "debug=smoke", f"runs={tmp_path}", "dataset.splits.test=test[:9],test[:8]", "check=none"]
    assert main(["check", *words]) == 0
    said = capsys.readouterr().err
    assert "scored on different rows, so their scores cannot be compared (dataset.splits.test)" in said
    assert len(re.findall(r"test \w{16}: sentiment-\S+", said)) == 2
