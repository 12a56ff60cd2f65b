"""Runs that pause at shares of their steps: the same bytes as without a pause, no step twice, and predictions that judge them."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from autotune.cli.main import main
from autotune.config.compose import compose
from autotune.config.load import dump_config, load_config, to_dict
from autotune.run.status import paused_at
from autotune.training.optimizer import pause_step
from tests.support.forks import forks
from tests.support.runs import checkpoints, result, status

STEPS = 8
WORDS = ["dataset.limit=24", f"trainer.max_steps={STEPS}", "trainer.batch_size=6", "trainer.evaluate_every=3st", "check=none",
         "guard=none", "runs=runs"]  # fmt: skip
KINDS = {
    "sentiment": [
        "task=sentiment",
        "dataset.fold=2/3",
        "dataset.validation_fraction=0",
        "dataset.splits.validation=null",
    ],
    "ner": ["task=ner", "peft=lora", "trainer.keep=best"],
    "summarization": [
        "task=summarization",
        "task.max_new_tokens=4",
        "task.max_length=64",
        "dataset.limit=6",
        "trainer.keep=last",
    ],
}
JUDGE = {"sentiment": "test", "ner": "validation", "summarization": "validation"}
"""The split of each whose rows judge it."""


def train(folder: Path, *words: str, code: int = 0, **options: object) -> str:
    done = forks().start(*WORDS, *words, cwd=folder, **options).ended()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def steps(run: Path) -> list[int]:
    return [line["step"] for line in lines(run / "history.jsonl") if "loss" in line]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_pauses_twice_ends_with_the_bytes_of_one_that_never_did(kind, tmp_path):
    words = KINDS[kind]
    train(tmp_path, *words, "name=whole")
    run, whole = tmp_path / "runs" / "paused", tmp_path / "runs" / "whole"
    for share, done in ((0.25, 2), (0.5, 4)):
        said = train(tmp_path, *words, "name=paused", f"trainer.pause_at={share}", code=75)
        assert f"paused after step {done} (trainer.pause_at={share})" in said
        assert f"resuming after step 2 of {STEPS}" in said or done == 2
        assert status(run)["state"] == "interrupted" and paused_at(run) == share
        assert steps(run) == list(range(1, done + 1))
        assert {path.name for path in run.glob("predictions_*")} == {"predictions_paused.jsonl"}
        judged = lines(run / "predictions_paused.jsonl")
        final = lines(whole / f"predictions_{JUDGE[kind]}.jsonl")
        assert [row["id"] for row in judged] == [row["id"] for row in final]
        assert [row.keys() for row in judged] == [row.keys() for row in final]
    said = train(tmp_path, *words, "name=paused")
    assert f"resuming after step 4 of {STEPS}" in said
    assert result(run) == result(whole)
    assert not (run / "predictions_paused.jsonl").exists() and paused_at(run) is None


def test_the_pause_after_the_last_step_predicts_what_the_finished_run_does(tmp_path):
    """And with `keep=best` it does so with the weights that scored best."""
    words = [*KINDS["ner"], "trainer.learning_rate=0.05", "name=run"]
    train(tmp_path, *words, "trainer.pause_at=1", code=75)
    run = tmp_path / "runs" / "run"
    judged = lines(run / "predictions_paused.jsonl")
    train(tmp_path, *words)
    assert [row["prediction"] for row in judged] == [
        row["prediction"] for row in lines(run / "predictions_validation.jsonl")
    ]


def test_killed_before_its_predictions_are_written_it_writes_them_at_the_next_start(tmp_path):
    words = [*KINDS["sentiment"], "name=run", "trainer.pause_at=0.5"]
    run = tmp_path / "runs" / "run"
    at = ("os.rename run/predictions_paused.jsonl", 0)
    train(tmp_path, *words, code=-9, armed={"runs": str(tmp_path / "runs"), "at": at, "number": 9})
    assert checkpoints(run)[-1].name == "step-00000004" and not (run / "predictions_paused.jsonl").exists()
    said = train(tmp_path, *words, code=75)
    assert f"resuming after step 4 of {STEPS}" in said and steps(run) == [1, 2, 3, 4]
    assert lines(run / "predictions_paused.jsonl") and paused_at(run) == 0.5
    # An earlier share than that of its checkpoint would be another model than the one that is asked for.
    said = train(tmp_path, *words[:-1], "trainer.pause_at=0.25", code=2)
    assert "the run is past this share of its steps" in said and f"step 4 of {STEPS}" in said


def test_the_runs_of_a_sweep_all_reach_their_pause(tmp_path):
    said = train(tmp_path, "task=sentiment", "seeds=2", "trainer.pause_at=0.25", code=75)
    assert said.count("paused after step 2") >= 2
    runs = [path.parent for path in (tmp_path / "runs").glob("sentiment-*/status.json")]
    assert [paused_at(run) for run in runs] == [0.25, 0.25]


@pytest.mark.parametrize(
    ("share", "total", "last"),
    [(None, 7, 7), (1.0, 7, 7), (0.25, 7, 2), (0.1, 30, 3), (0.7, 10, 7), (1e-12, 5, 1), (0.999, 3, 3)],
)
def test_a_share_of_the_steps_is_rounded_up(share, total, last):
    assert pause_step(share, total) == last


def test_a_pause_is_no_part_of_what_a_run_is():
    plain, paused = (compose(["task=ner", *words])[0] for words in ([], ["trainer.pause_at=0.25"]))
    assert plain.name == paused.name


@pytest.mark.parametrize(("former", "share"), [("true", 1.0), ("false", None)])
def test_runs_of_versions_that_paused_only_at_their_end_are_read(former, share, tmp_path):
    (config,) = compose(["task=sentiment"])
    text = dump_config(config).replace("pause_at: null", f"pause_at_end: {former}")
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    loaded = load_config(tmp_path / "config.yaml")
    assert loaded.trainer.pause_at == share
    config.trainer.pause_at = share
    assert to_dict(loaded) == to_dict(config)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["trainer.pause_at_end=true"], "trainer.pause_at=1"),
        (["trainer.pause_at_end=false"], "trainer.pause_at=null"),
        (["trainer.pause_at=1.5"], "trainer.pause_at=null"),
        (["trainer.pause_at=0"], "trainer.pause_at=null"),
        (["submit", "cluster=slurm", "trainer.pause_at=0.5"], "trainer.pause_at=null"),
    ],
)  # fmt: skip
def test_what_cannot_pause_is_refused_with_what_can(words: Sequence[str], fix: str, tmp_path, capsys):
    assert main([*words, "task=sentiment", f"runs={tmp_path}"]) == 2
    assert fix in capsys.readouterr().err
