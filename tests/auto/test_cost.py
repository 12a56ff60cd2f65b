"""The cost of a fine-tuning, measured by `autotune plan` in a process of its own."""

import itertools

import pytest

from autotune.auto import cost as costs
from autotune.auto.cost import Cost, DoesNotFit, measure
from autotune.errors import ModelError
from autotune.runtime.child_process import ProcessResult

WORDS = [
    "task=sentiment",
    "dataset.limit=24",
    "dataset.fold=1/3",
    "dataset.validation_fraction=0",
    "trainer.max_steps=8",
]


def test_a_run_is_measured_up_to_what_judges_it(tmp_path):
    ticks = itertools.count(0.0, 7.0)
    measured = measure([*WORDS, f"runs={tmp_path}", "check=strict"], lambda: next(ticks))
    assert measured.training > 0 and measured.judging >= 0 and measured.start == 7.0
    assert {path.name for path in tmp_path.iterdir()} <= {".cache"}


def test_a_run_that_is_refused_says_why(tmp_path):
    with pytest.raises(ModelError, match="the model's folder does not exist"):
        measure([*WORDS, "model=custom", f"model.name_or_path={tmp_path}/none"], lambda: None)


@pytest.mark.parametrize(
    ("code", "output", "error", "reason"),
    [
        (-9, "", DoesNotFit, "memory"),
        (65, "error: out of memory with a single text\n  where: step 1", DoesNotFit, "memory"),
        (70, "Traceback\nValueError: what", ModelError, "exit code 70: ValueError: what"),
        (0, "{\n", ModelError, "exit code 0"),
    ],
)
def test_a_run_that_ends_otherwise_is_not_measured(code, output, error, reason, monkeypatch):
    monkeypatch.setattr(costs.child_process, "run", lambda words: ProcessResult(code, output))
    with pytest.raises(error, match=reason):
        measure(WORDS, lambda: None)


def test_the_task_of_a_plug_in_is_measured_with_the_plug_in(monkeypatch):
    asked = []
    monkeypatch.setattr(costs.child_process, "run", lambda words: asked.extend(words) or ProcessResult(2, ""))
    with pytest.raises(ModelError):
        measure(WORDS, lambda: None, ["mine.py"])
    assert asked[:2] == ["plan", "--plugin=mine.py"]


def test_a_trial_takes_all_folds_and_starts_at_each_rung():
    cost = Cost(100.0, 5.0, 1.0)
    assert (cost.seconds(None, 1), cost.seconds(None, 3), cost.seconds(5, 3)) == (106.0, 118.0, 590.0)
