"""`autotune auto` as a whole: a search is planned, raced and decided, and its winner trained again."""

import json
from pathlib import Path

import pytest

from autotune.auto.schemas import Result
from autotune.cli.main import main
from autotune.config.load import load_config
from autotune.runtime.records import fault_of
from tests.integration.auto.searches import CHEAP, auto, lines, steps_of, weights
from tests.support.forks import forks
from tests.support.runs import status


@pytest.fixture(scope="module")
def raced(place) -> Path:
    """A search with fine-tunings, folds and a test split."""
    auto(place, "apart", "trials=2", "auto.folds=2", "auto.models=[tiny]", "auto.space.C=[10]", "auto.space.rungs=[0.5,1]",
         "trainer.epochs=2", "name=raced")  # fmt: skip
    return place / "runs" / "raced"


def test_a_search_leaves_the_best_model_and_the_evidence(raced, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    result = json.loads((raced / "result.json").read_text())
    assert fault_of(result, Result) is None
    assert status(raced)["state"] == "finished"
    board = lines(raced / "leaderboard.jsonl")
    assert {line["kind"] for line in board} == {"trivial", "cheap", "full"}
    assert [line["fate"] for line in board].count("leads") == 1
    complete = {
        line["trial"]: line["score"] for line in board if line["share"] == 1 and line["kind"] != "trivial"
    }
    assert result["winner"]["trial"] == max(complete, key=complete.get)
    assert {decision["id"] for decision in lines(raced / "decisions.jsonl")} >= {
        "task",
        "text",
        "label",
        "folds",
        "winner",
        "refit",
    }
    assert result["test"]["rows"] == 12 and result["chosen"]["rows"] == 40
    assert (raced / "report.html").stat().st_size > 10_000
    assert main(["predict", str(raced / "best"), "--text", "péssimo, odiei"]) == 0
    assert "bom" in capsys.readouterr().out
    assert weights(raced / "best") == weights(raced / result["winner"]["run"] / "model")


def test_only_the_winners_run_has_seen_test_and_nothing_was_trained_twice(raced):
    winner = raced / json.loads((raced / "result.json").read_text())["winner"]["run"]
    assert [run.parent for run in raced.glob("trials/*/predictions_test.jsonl")] == [winner]
    test = {line["id"] for line in lines(winner / "predictions_test.jsonl")}
    for run in raced.glob("trials/*/predictions_paused.jsonl"):
        assert not test & {line["id"] for line in lines(run)}, run
    raced_runs = [run.parent for run in raced.glob("trials/*/predictions_paused.jsonl")]
    reached = {run: load_config(run / "config.yaml").trainer.pause_at for run in raced_runs}
    planned = {run: max(line["step"] for line in lines(run / "history.jsonl")) for run in raced_runs}
    assert len(raced_runs) == 4 and set(reached.values()) <= {0.5, 1.0}
    assert steps_of(raced_runs) == sum(planned.values())  # each step is there once


def test_the_winner_is_trained_again_from_its_experiment(raced, place):
    done = (
        forks().start("--config-dir", raced / "config", "experiment=winner", "runs=again", cwd=place).ended()
    )
    assert done.returncode == 0, done.stderr
    (run,) = (place / "again").glob("sentiment-*")
    assert weights(run / "model") == weights(raced / "best")


def test_a_fine_tuned_model_wins_alone_and_is_trained_again_to_the_same_bytes(place):
    auto(place, "reviews.csv", "trials=1", "auto.folds=2", "auto.models=[tiny]", "auto.candidates=[full]", "auto.space.rungs=[1]",
         "trainer.epochs=2", "trainer.learning_rate=5e-3", "name=full")  # fmt: skip
    folder = place / "runs" / "full"
    result = json.loads((folder / "result.json").read_text())
    assert result["winner"]["kind"] == "full" and result["test"] is None
    config = load_config(folder / result["winner"]["run"] / "config.yaml")
    assert config.dataset.fold is None and config.dataset.validation_fraction == 0  # all rows
    done = (
        forks()
        .start("--config-dir", folder / "config", "experiment=winner", "runs=full-again", cwd=place)
        .ended()
    )
    assert done.returncode == 0, done.stderr
    (run,) = (place / "full-again").glob("sentiment-*")
    assert weights(run / "model") == weights(folder / "best")


def test_with_one_validation_split_the_winners_run_continues(place):
    auto(place, "apart", "trials=1", "auto.folds=1", "auto.models=[tiny]", "auto.candidates=[full]", "auto.space.rungs=[0.5,1]",
         "trainer.epochs=2", "name=split")  # fmt: skip
    folder = place / "runs" / "split"
    result = json.loads((folder / "result.json").read_text())
    assert [run.name for run in folder.glob("trials/sentiment*")] == [Path(result["winner"]["run"]).name]
    run = folder / result["winner"]["run"]
    assert load_config(run / "config.yaml").task.calibrate == "temperature"
    steps = [line["step"] for line in lines(run / "history.jsonl") if "loss" in line]
    assert steps == sorted(set(steps))
    assert {
        line["folds"] for line in map(dict, lines(folder / "leaderboard.jsonl")) if line["kind"] == "full"
    } == {None}


def test_if_every_fine_tuning_fails_a_cheap_model_wins(place):
    printed = auto(place, "reviews.csv", "trials=1", "auto.folds=2", "auto.models=[tiny]", "auto.space.C=[10]",
                   "auto.space.rungs=[1]", "trainer.epochs=2", "trainer.precision=fp16", "name=failing")  # fmt: skip
    assert "failed: " in printed
    result = json.loads((place / "runs" / "failing" / "result.json").read_text())
    assert result["winner"]["kind"] == "cheap"


@pytest.mark.parametrize(
    ("data", "metric"), [("sample/ner", "entity_f1"), ("sample/summarization", "rougeL")]
)
def test_other_tasks(data, metric, place):
    auto(place, data, *CHEAP, "auto.folds=2", "dataset.limit=20", f"name={metric}")
    result = json.loads((place / "runs" / metric / "result.json").read_text())
    assert result["metric"] == metric and result["winner"]["kind"] == "cheap"
    assert fault_of(result, Result) is None


def test_a_dry_run_writes_nothing(place, tmp_path):
    printed = auto(place, "reviews.csv", "--dry-run", *CHEAP, f"runs={tmp_path / 'none'}")
    assert "comentario" in printed and "tfidf" in printed
    assert not list(tmp_path.rglob("auto.yaml"))


def test_a_folder_without_a_search_is_refused(place, capsys):
    assert "autotune auto has not made this folder" in auto(place, "resume=apart", code=2)
    assert main(["auto", "replay=apart", "trainer.epochs=3"]) == 2
    assert "an earlier search continues as it was planned" in capsys.readouterr().err
