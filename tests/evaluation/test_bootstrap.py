"""Intervals from blocks of rows are those of the ordinary bootstrap over rows."""

import numpy as np
import pytest

from autotune.evaluation.bootstrap import BLOCKS, intervals
from autotune.metrics import class_metric
from autotune.tasks.sentiment import Sentiment


class Classes(Sentiment):
    """Two classes, without a model."""

    def __init__(self) -> None:
        pass

    def metric(self):
        return class_metric(["não", "sim"])

    def to_metric_inputs(self, row, prediction):
        return row["label"], prediction["prediction"]


@pytest.mark.parametrize("count", [60, 10 * BLOCKS])
def test_they_are_those_of_the_bootstrap_over_rows(count):
    draw = np.random.default_rng(0)
    gold = draw.integers(2, size=count)
    said = np.where(draw.random(count) < 0.8, gold, 1 - gold)
    rows = [{"label": int(one)} for one in gold]
    predictions = [{"prediction": int(one)} for one in said]
    ends = intervals(Classes(), rows, predictions, seed=1)
    right = gold == said
    drawn = [right[draw.integers(count, size=count)].mean() for _ in range(2000)]
    width = 1.96 * np.sqrt(0.16 / count)
    assert ends["accuracy"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.35 * width)
    assert ends == intervals(Classes(), rows, predictions, seed=1)
    assert set(ends) == {"macro_f1", "accuracy", "weighted_f1"}


def test_one_row_has_an_interval_without_width():
    ends = intervals(Classes(), [{"label": 1}], [{"prediction": 1}], seed=0)
    assert ends["accuracy"] == [1.0, 1.0]
