"""Alarms and early stopping at the start of training, and the loss logged beside a score."""

import json
import logging
import math
from statistics import fmean

import pytest

from autotune.config.enums import Guard
from autotune.config.schema import CheckpointConfig
from autotune.evaluation.rivals import BETTER, CHANCE, EQUAL, NOT_BETTER, Against, Rivals
from autotune.pipeline.result import Result
from autotune.pipeline.summary import log_result
from autotune.tasks.base import Scores
from autotune.training.fit import FitResult
from autotune.training.guards import TrainingMonitor
from tests.support.setting import make_fit

ONE_CLASS = Scores("f", {"f": 0.4}, confusion={"a": {"a": 9, "b": 0}, "b": {"a": 4, "b": 0}})
NO_ENTITY = Scores("f", {"f": 0.0}, counts={"rows": 9, "entities": 7, "predicted": 0})
LEARNED = Scores("f", {"f": 0.4}, confusion={"a": {"a": 9, "b": 0}, "b": {"a": 3, "b": 1}})


def told(evaluations: list[tuple[int, Scores]], level=Guard.warn) -> list[tuple[int, str]]:
    watch = TrainingMonitor(level, guessing_loss=math.log(2), per_epoch=5, scaled=False, warmup=4)
    return [(step, one.trouble) for step, scores in evaluations for one in watch.validated(step, scores)]


@pytest.mark.parametrize(("scores", "trouble"), [(ONE_CLASS, "one class"), (NO_ENTITY, "no entity")])
def test_guessing_is_told_when_it_lasts_two_evaluations_after_warm_up(scores, trouble):
    assert told([(5, scores)]) == []
    assert told([(2, scores), (4, scores), (6, scores)]) == [], "two of them are warm-up"
    assert told([(5, scores), (10, LEARNED), (15, scores)]) == []
    assert told([(2, scores), (5, scores), (10, scores), (15, scores)]) == [(10, trouble)]


def test_a_run_that_goes_on_knows_what_the_evaluation_before_has_shown():
    watch = TrainingMonitor(Guard.warn, guessing_loss=math.log(2), per_epoch=5, scaled=False, warmup=4)
    watch.remember([{"step": 5, "validation": {"f": 0.4}, "guessing": ["one class"]}])
    assert [one.trouble for one in watch.validated(10, ONE_CLASS)] == ["one class"]


@pytest.mark.parametrize(
    "scores", [ONE_CLASS, NO_ENTITY, Scores("f", {"f": 0.0}, counts={"rows": 3, "empty": 3})]
)
def test_early_stopping_does_not_count_before_something_is_learned(tmp_path, folder, scores):
    # Evaluations after steps 1, 2, …; one is warm-up, and the sixth shows more than guessing for the first time.
    seen = iter([scores] * 5 + [LEARNED] * 20)
    fit = make_fit(tmp_path, "sentiment", folder, lambda model: next(seen), batch_size=13, epochs=10,
                           patience=2)  # fmt: skip
    result = fit.run()
    better = scores.best < LEARNED.best
    assert result.stopped_early and result.steps == (8 if better else 7)


@pytest.mark.parametrize("stopped", [None, 4])
def test_the_loss_beside_a_score_is_the_mean_since_the_last_one(tmp_path, folder, caplog, stopped):
    def fit():
        checkpoint = CheckpointConfig(every="1st")
        return make_fit(tmp_path, "sentiment", folder, lambda model: LEARNED, epochs=2, checkpoint=checkpoint)

    caplog.set_level(logging.INFO)
    if stopped:
        first = fit()
        steps = first.trainer.steps

        def some(*arguments):
            for step in steps(*arguments):
                yield step
                if step.step == stopped:
                    raise RuntimeError("killed")

        first.trainer.steps = some
        with pytest.raises(RuntimeError, match="killed"):
            first.run()
    fit().run()
    records = [json.loads(line) for line in folder.history.read_text().splitlines()]
    losses = [one["loss"] for one in records if "loss" in one]
    evaluations = [one for one in records if "validation" in one]
    assert len(losses) == 6 and [one["train_loss"] for one in evaluations] == [
        fmean(losses[:3]),
        fmean(losses[3:]),
    ]
    assert f"step 6/6: loss {fmean(losses[3:]):.4f}, validation" in caplog.text


@pytest.mark.parametrize(
    ("difference", "interval", "verdict", "trial", "said", "unsaid"),
    [
        (0.0004, [-0.1, 0.1], EQUAL, False, "is equal to the model, to within 0.0005", "better"),
        (0.01, [-0.1, 0.1], CHANCE, False, "better than the best of them by 0.0100, which may be chance", "not better"),
        (0.1, [0.05, 0.15], BETTER, False, "better than the best of them by 0.1000 (0.0500 to 0.1500 in 95 % of", "not better"),
        (-0.05, [-0.1, 0.01], NOT_BETTER, False, "best of them: f 0.8000 against 0.8500. The difference may", "equal"),
        (-0.15, [-0.2, -0.1], NOT_BETTER, False, "best of them: f 0.8000 against 0.9500. A base model", "equal"),
        (-0.15, [-0.2, -0.1], NOT_BETTER, True, "0.9500", "not better"),
    ],
)  # fmt: skip
def test_a_tie_is_no_defeat_and_a_trial_none_either(
    caplog, difference, interval, verdict, trial, said, unsaid
):
    caplog.set_level(logging.INFO)
    fitted = FitResult(3, 1.0, 3, 0.8, False, 512, [])
    scores, baseline = Scores("f", {"f": 0.8}), 0.8 - difference
    against = Against("words", baseline, difference, interval, 0.05, verdict)
    rivals = Rivals({"words": Scores("f", {"f": baseline})}, {}, {"words": "trained on 5 of 9 rows"}, against)
    log_result(fitted, Result("test", scores, rivals, None, {"f": [0.7, 0.9]}), trial=trial)
    assert said in caplog.text and unsaid not in caplog.text and "(trained on 5 of 9 rows)" in caplog.text
