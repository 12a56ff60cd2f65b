"""The model against the best baseline: the verdict, the paired interval, and bounds that are not rivals."""

import numpy as np
import pytest
from datasets import Dataset

from autotune.evaluation.bootstrap import block_states
from autotune.evaluation.rivals import BETTER, CHANCE, EQUAL, NOT_BETTER, rivals
from autotune.tasks.base import Baseline
from tests.evaluation.test_bootstrap import Classes

ROWS = 200
GOLD = [number % 2 for number in range(ROWS)]


def answers(right: int) -> list[dict[str, int]]:
    """Predictions of which the first ones are right."""
    return [{"prediction": label if number < right else 1 - label} for number, label in enumerate(GOLD)]


@pytest.mark.parametrize(
    ("right", "verdict"), [(180, BETTER), (123, CHANCE), (120, EQUAL), (117, NOT_BETTER), (60, NOT_BETTER)]
)
def test_the_verdict_depends_on_the_paired_difference_to_the_best(right, verdict):
    task, rows = Classes(), Dataset.from_dict({"label": GOLD})
    states = block_states(task, rows, answers(right))
    weak, best = Baseline("weak", answers(100)), Baseline("best", answers(120), "trained on 9 of 99 rows")
    oracle = Baseline("oracle", answers(ROWS), is_bound=True)
    compared = rivals(task, rows, states, [weak, best, oracle], seed=1)
    assert compared.against.name == "best" and compared.against.verdict == verdict
    low, high = compared.against.interval
    assert low <= compared.against.difference <= high
    content = compared.as_dict("test")
    assert list(content["baseline"]["test"]) == ["weak", "best"]
    assert content["upper_bound"]["test"]["oracle"]["accuracy"] == 1
    assert content["baseline_notes"] == {"best": "trained on 9 of 99 rows"}
    assert content["against_baseline"]["test"]["value"] == content["baseline"]["test"]["best"]["macro_f1"]


def test_the_interval_is_paired():
    """Both are right on the same rows but few: the interval is far narrower than that of either score."""
    task, rows = Classes(), Dataset.from_dict({"label": GOLD})
    compared = rivals(
        task, rows, block_states(task, rows, answers(124)), [Baseline("b", answers(120))], seed=1
    )
    low, high = compared.against.interval
    assert high - low < 0.06 < 4 * np.sqrt(0.24 / ROWS)
