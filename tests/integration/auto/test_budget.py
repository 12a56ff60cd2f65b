"""The time of a search: what does not fit is said, what takes too long is stopped, and there is a winner all the same."""

import shutil
from pathlib import Path

import pytest
import yaml

from autotune.auto.race import NO_TIME
from tests.integration.auto.searches import QUICK, auto, decision, lines, reasons, result, steps_of, weights
from tests.support.runs import status

ONE = (
    "auto.models=[tiny]",
    "auto.space.learning_rate.encoder=[1]",
    "auto.space.seeds=1",
    "auto.space.layer_decay=[]",
)
"""A space with one fine-tuning."""
LONG = "time=1000000h"
"""More than anything takes; the clock of the plug-in jumps behind it."""


def test_with_five_seconds_a_cheap_model_wins_and_what_was_not_tried_is_said(place):
    """They are over before the first model is trained."""
    printed = auto(place, "reviews.csv", "time=5s", *ONE, "auto.space.C=[10,1]", "auto.folds=2", *QUICK, "name=five",
                   TICK="6")  # fmt: skip
    folder = place / "runs" / "five"
    (left_out,) = decision(folder, "models")["alternatives"]
    assert left_out.startswith("tiny: there is no time to measure it: at least ") and left_out in printed
    found = result(folder)
    assert (found["winner"]["trial"], found["time"]["asked"]) == ("tfidf C=10", 5)
    assert reasons(folder) == {"tfidf C=1": ("dropped", NO_TIME)}
    assert [other["trial"] for other in found["beside"]] == ["majority class"]
    assert (folder / "best" / "model.safetensors").exists()


@pytest.mark.parametrize(("share", "left_out"), [(0.4, {}), (0.1, {"tfidf C=1": ("dropped", NO_TIME)})])
def test_where_nothing_else_is_tried_cheap_models_have_more_of_the_time(place, share, left_out):
    """The second one begins after a tenth of the time."""
    auto(place, "reviews.csv", "time=100s", "auto.candidates=[cheap]", "auto.space.C=[10,1]", "auto.folds=2",
         f"auto.space.cheap_alone={share}", *QUICK, f"name=alone-{share}", TICK="4")  # fmt: skip
    assert reasons(place / "runs" / f"alone-{share}") == left_out


def test_a_fine_tuning_that_cannot_end_in_time_is_left_out_before_the_race(place):
    words = ["reviews.csv", "--dry-run", "time=1h", *ONE, "trainer.epochs=1000000", "auto.folds=2", *QUICK]
    assert "tiny: it does not fit into the time" in auto(place, *words)


def test_a_trial_is_stopped_when_the_time_is_up_and_a_cheap_model_wins(place):
    printed = auto(place, "reviews.csv", LONG, *ONE, "auto.space.C=[10]", "auto.folds=1", "auto.space.rungs=[0.5,1]",
                   "trainer.epochs=50", *QUICK, "name=stopped", faults={"train": "no time left"})  # fmt: skip
    folder = place / "runs" / "stopped"
    assert f"dropped: {NO_TIME}" in printed
    assert reasons(folder) == {"tiny 1e-3": ("dropped", NO_TIME)}
    assert result(folder)["winner"]["trial"] == "tfidf C=10"
    (run,) = folder.glob("trials/sentiment-reviews-tiny-*")
    assert status(run)["state"] == "interrupted" and 0 < steps_of([run]) < 100


@pytest.fixture(scope="module")
def first_fold(place) -> Path:
    """A search whose winner is not trained again."""
    (place / "count").unlink(missing_ok=True)
    auto(place, "reviews.csv", "trials=1", *ONE, "auto.candidates=[full]", "auto.folds=2", "auto.space.rungs=[1]",
         "trainer.max_steps=8", "auto.refit=false", *QUICK, "name=fold")  # fmt: skip
    return place / "runs" / "fold"


def test_without_a_refit_the_model_of_the_first_fold_is_the_result_and_has_no_test_score(first_fold, place):
    found = result(first_fold)
    assert found["test"] is None and decision(first_fold, "refit")["value"] is False
    run = first_fold / found["winner"]["run"]
    assert found["winner"]["run"] == lines(first_fold / "leaderboard.jsonl")[-1]["run"]
    assert weights(run / "model") == weights(first_fold / "best")
    assert len((place / "count").read_text()) == 16  # the two folds, and nothing after them
    experiment = yaml.safe_load((first_fold / "config" / "experiment" / "winner.yaml").read_text())
    assert experiment["dataset"]["fold"] == "1/2"
    card = (first_fold / "best" / "README.md").read_text()
    assert "split: cross-validation" in card and "é o que foi treinado sem a dobra 1/2." in card
    assert "temperature" not in experiment.get("task", {}) and found["calibration"] is None


def test_if_the_time_ends_in_the_last_training_the_model_of_the_first_fold_is_the_result(first_fold, place):
    """The race is that of the other search, whose folder is copied; a replay decides the same."""
    folder = place / "runs" / "late"
    shutil.copytree(first_fold, folder)
    for name in ("best", "config", "result.json", "status.json", "report.html"):
        (shutil.rmtree if (folder / name).is_dir() else Path.unlink)(folder / name)
    plan = yaml.safe_load((folder / "auto.yaml").read_text())
    plan["config"] |= {"refit": True, "trials": None, "time": LONG.partition("=")[2], "name": "late"}
    (folder / "auto.yaml").write_text(yaml.safe_dump(plan))
    for name in ("once", "jump"):
        (place / name).unlink(missing_ok=True)
    printed = auto(place, "resume=runs/late", faults={"train !dataset.fold=1/2": "no time left"})
    assert "no time is left to train tiny 1e-3 on all rows" in printed
    assert weights(folder / "best") == weights(first_fold / "best")
    assert result(folder)["test"] is None and decision(folder, "refit")["value"] is False
    strike = {
        "runs": str(place / "runs"),
        "at": ("open again/oof/.majority_class.jsonl.part", 0),
        "number": 9,
    }
    auto(place, "replay=runs/late", "name=again", code=-9, armed=strike)
    assert yaml.safe_load((place / "runs" / "again" / "auto.yaml").read_text())["config"]["refit"] is False
