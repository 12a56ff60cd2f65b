"""Figures of several labels per row are those of scikit-learn, in any order and in parts; bootstrap counts are the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    hamming_loss,
    precision_recall_fscore_support,
)

from autotune.errors import DataError
from autotune.metrics import multi_label_metric
from autotune.metrics.multi_label import MultiLabelState

NAMES = ["a", "b", "c", "d"]
SETS = st.sets(st.integers(0, 3))


def matrix(sets) -> np.ndarray:
    return np.array([[number in row for number in range(len(NAMES))] for row in sets], dtype=int)


@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=30))
def test_figures_are_those_of_scikit_learn(rows):
    metric = multi_label_metric(NAMES)
    for gold, predicted in rows:
        metric.add(reference=sorted(gold), prediction=sorted(predicted))
    figures = metric.compute()
    gold, predicted = (matrix(side) for side in zip(*rows, strict=True))
    occurring = np.flatnonzero((gold + predicted).any(axis=0)).tolist()
    expected = {
        # All labels where each occurs, as in any data set that is worth scoring.
        "macro_f1": f1_score(gold, predicted, average="macro", labels=occurring, zero_division=0)
        if occurring
        else 0.0,
        "micro_f1": f1_score(gold, predicted, average="micro", zero_division=0),
        "subset_accuracy": accuracy_score(gold, predicted),
        "hamming_loss": hamming_loss(gold, predicted),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    columns = precision_recall_fscore_support(gold, predicted, average=None, zero_division=0)
    for name, *values in zip(NAMES, *columns, strict=True):
        own = figures["per_class"][name]
        assert [own[key] for key in ("precision", "recall", "f1", "support")] == pytest.approx(values)
    assert "confusion" not in figures


@given(st.lists(st.tuples(SETS, SETS), min_size=2, max_size=12), st.integers(1, 3))
def test_parts_and_the_table_of_counts_give_the_same_bits(rows, parts):
    states = []
    for gold, predicted in rows:
        state = MultiLabelState(NAMES)
        state.add(sorted(gold), sorted(predicted))
        states.append(state)
    total = MultiLabelState(NAMES)
    for first in range(parts):
        part = MultiLabelState(NAMES)
        for state in states[first::parts]:
            part.merge(state)
        total.merge(part)
    table = MultiLabelState.table(states)
    values = table.values(table.counts.sum(axis=0, keepdims=True))
    assert {name: float(value[0]) for name, value in values.items()} == total.values()
    f1 = table.class_f1(table.counts.sum(axis=0, keepdims=True))
    assert {name: float(value[0]) for name, value in f1.items()} == {
        name: row["f1"] for name, row in total.figures()["per_class"].items()
    }


def test_an_id_that_is_none_is_refused():
    with pytest.raises(DataError, match="not a label id"):
        multi_label_metric(NAMES).add(reference=[4], prediction=[])
