"""Searches: killed and continued, several processes at once, pruning, and what they leave."""

import csv
import json
from pathlib import Path

import pytest

from autotune.cli.main import main
from autotune.config.load import load_config
from tests.support.forks import forks
from tests.support.runs import checkpoints, status

WORDS = ["search", "search=mine", "task=sentiment", "dataset.limit=24", "trainer.batch_size=8", "check=none",
         "guard=none", "--config-dir", "mine", "runs=runs", "name=s"]  # fmt: skip
SPACES = """
spaces:
  trainer.learning_rate: {low: 1e-4, high: 1e-2, log: true}
  trainer.epochs: {type: int, low: 2, high: 4}
trials: 3
prune: false
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A working folder with a search of its own."""
    (tmp_path / "mine" / "search").mkdir(parents=True)
    (tmp_path / "mine" / "search" / "mine.yaml").write_text(SPACES, encoding="utf-8")
    return tmp_path


def table(study: Path) -> list[dict[str, str]]:
    with (study / "search.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def steps_of(run: Path) -> list[int]:
    records = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [record["step"] for record in records if "loss" in record]


def test_a_study_that_is_killed_again_and_again_loses_and_repeats_no_trial(folder, tmp_path_factory, capsys):
    other = tmp_path_factory.mktemp("undisturbed")
    (other / "mine").symlink_to(folder / "mine")
    undisturbed = forks().start(*WORDS, cwd=other).ended()
    assert undisturbed.returncode == 0, undisturbed.stderr
    # The journal is opened for each entry: in the middle of a choice, before a run, at its end.
    for entry in (4, 7, 9):
        armed = {"runs": str(folder / "runs"), "at": ("open s/study.journal", entry), "number": 9}
        done = forks().start(*WORDS, cwd=folder, armed=armed).ended()
        assert done.returncode == -9, done.stdout + done.stderr
    done = forks().start(*WORDS, cwd=folder).ended()
    assert done.returncode == 0, done.stdout + done.stderr
    study = folder / "runs" / "s"
    rows = table(study)
    assert rows == table(other / "runs" / "s")
    assert [row["state"] for row in rows] == ["complete"] * 3
    for row in rows:
        assert steps_of(study / "trials" / row["run"]) == list(range(1, int(row["steps"]) + 1))
        predicted = {path.name for path in (study / "trials" / row["run"]).glob("predictions_*")}
        assert predicted == {"predictions_paused.jsonl"}  # of validation: test is not even predicted
    assert {path.name for path in (study / "trials").glob("sent*")} == {row["run"] for row in rows}

    # The best one is finished without another step, and scored on test for the first time.
    best = max(rows, key=lambda row: float(row["macro_f1"]))
    run = study / "trials" / best["run"]
    done = forks().start("--config-dir", study / "config", "experiment=best", cwd=folder).ended()
    assert done.returncode == 0, done.stderr
    assert status(run)["state"] == "finished"
    assert steps_of(run) == list(range(1, int(best["steps"]) + 1))
    assert load_config(run / "config.yaml").trainer.learning_rate == float(best["trainer.learning_rate"])
    assert (run / "predictions_test.jsonl").exists()

    # The same command has nothing left to do; more trials continue the study.
    assert main(["search", str(study)]) == 0
    assert "best: trial " in capsys.readouterr().out
    done = forks().start(*WORDS, "search.trials=4", cwd=folder).ended()
    assert done.returncode == 0, done.stderr
    assert table(study)[:3] == rows and len(table(study)) == 4


def test_two_processes_share_the_trials(folder):
    both = [forks().start(*WORDS, "search.trials=4", "trainer.max_steps=3", cwd=folder) for _ in range(2)]
    for process in both:
        done = process.ended()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "best: trial " in done.stdout
    rows = table(folder / "runs" / "s")
    assert [row["state"] for row in rows] == ["complete"] * 4
    assert len({row["run"] for row in rows}) == 4


def test_a_trial_that_scores_worse_is_stopped_and_keeps_its_checkpoint(folder):
    """The second one never learns, and would take long."""
    options = {
        "good": "{epochs: 20, evaluate_every: 10ep}",
        "bad": "{learning_rate: 1e-9, epochs: 150, evaluate_every: 15ep}",
    }
    (folder / "mine" / "trainer").mkdir()
    for name, text in options.items():
        (folder / "mine" / "trainer" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "mine" / "search" / "mine.yaml").write_text(
        "{spaces: {trainer: {type: categorical, choices: [good, bad]}}, trials: 4, first_rung: 0.1, seed: 2}"
    )
    done = forks().start(*WORDS, "trainer.warmup_ratio=0", cwd=folder).ended()
    assert done.returncode == 0, done.stdout + done.stderr
    study = folder / "runs" / "s"
    rows = {row["trainer"]: row for row in table(study) if row["state"] != "repeated"}
    assert rows["good"]["state"] == "complete" and rows["bad"]["state"] == "pruned"
    assert len(table(study)) == 4
    steps = int(rows["bad"]["steps"])
    assert 45 <= steps < 450
    bad = study / "trials" / rows["bad"]["run"]
    assert status(bad)["state"] == "interrupted"
    assert checkpoints(bad)[-1].name == f"step-{steps:08}"


def test_trials_that_fail_are_recorded_and_end_the_search(folder):
    (folder / "rows.csv").write_text("text,nota\n" + "".join(f"frase {n},{n % 2}\n" for n in range(30)))
    words = ["dataset=csv", "dataset.path=rows.csv", "search.max_failures=2"]
    done = forks().start(*WORDS, *words, cwd=folder).ended()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "2 trials in a row have failed" in done.stderr
    rows = table(folder / "runs" / "s")
    assert [row["state"] for row in rows] == ["failed", "failed"]
    assert "label" in rows[0]["reason"]
    done = forks().start(*WORDS, "seed=7", cwd=folder).ended()
    assert done.returncode == 2
    assert "the folder holds a study with other settings" in done.stderr
