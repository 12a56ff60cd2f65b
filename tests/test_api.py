"""The Python API: the same as the commands, without leaving anything behind."""

import json
import os
import signal
import subprocess
import sys

import pytest

import autotune
from autotune.api import Run
from autotune.errors import AutotuneError, ConfigError
from autotune.runtime.signals import STOP_SIGNALS
from tests.support.forks import forks

WORDS = ["task=sentiment", "dataset.limit=16", "trainer.max_steps=2", "guard=none"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    handlers = [signal.getsignal(number) for number in STOP_SIGNALS]
    made = autotune.train([*WORDS, f"runs={runs}", "check=none"])
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == handlers
    return made


def test_a_run_is_where_its_status_says_and_is_not_trained_twice(run, capsys):
    assert run.metrics == json.loads((run.path / "metrics.json").read_text())
    assert json.loads((run.path / "status.json").read_text())["command"].startswith("autotune train task=")
    again = autotune.train([*WORDS, f"runs={run.path.parent}", "check=none"])
    assert again == run
    assert "is finished; nothing was trained" in capsys.readouterr().out


def test_a_model_answers_as_the_command_does(run, tmp_path):
    model = autotune.load(run.path)
    (prediction,) = model.predict(["O atendimento foi bom."])
    done = forks().start("predict", run.path, "--text", "O atendimento foi bom.", cwd=tmp_path).ended()
    assert json.loads(json.dumps(prediction)) == json.loads(done.stdout)
    scores = model.evaluate(split="test")
    assert scores["macro_f1"] == run.metrics["test"]["macro_f1"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"text": "Foi bom.", "label": "positivo"}) + "\n")
    assert len(model.predict(rows)) == 1
    assert set(model.evaluate(rows)) == set(scores)


def test_a_check_reports_and_raises_nothing(tmp_path):
    report = autotune.check(["task=sentiment", "dataset=jsonl", f"dataset.path={tmp_path}/none.jsonl"])
    assert any("none.jsonl" in json.dumps(finding) for finding in report["findings"])


@pytest.mark.parametrize("words", [["trainer.epochs=-1"], ["--multirun", "seed=1,2"], ["taks=ner"]])
def test_mistakes_are_exceptions(words):
    with pytest.raises(ConfigError):
        autotune.train(words)
    with pytest.raises(AutotuneError):
        autotune.load("no/such/run")


def test_importing_it_is_cheap_and_its_names_are_pinned():
    code = "import autotune, sys; assert 'pydantic' not in sys.modules; print(autotune.__all__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.stdout.split() == ["['check',", "'load',", "'train']"], done.stderr
