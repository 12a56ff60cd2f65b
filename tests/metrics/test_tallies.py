"""Figures from counts: the same to the bit however rows are ordered and shared among processes."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from autotune.metrics.classification import ClassificationState
from autotune.metrics.entities import EntityState
from autotune.metrics.rouge import RougeState

LABELS = ["negativo", "neutro", "positivo"]
TAGS = st.sampled_from(["O", "B-PESSOA", "I-PESSOA", "B-LOCAL", "I-LOCAL"])
WORDS = st.lists(st.sampled_from(["avó", "avô", "não", "lei.", "Lei", "é\n"]), max_size=8).map(" ".join)
KINDS = {
    "classes": (lambda: ClassificationState(LABELS), st.tuples(st.integers(0, 2), st.integers(0, 2))),
    "entities": (
        EntityState,
        st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8).map(
            lambda pairs: tuple(zip(*pairs, strict=True))
        ),
    ),
    "texts": (RougeState, st.tuples(WORDS, WORDS)),
}

quick = settings(max_examples=60, deadline=None)


def counted(make, rows):
    tally = make()
    for reference, prediction in rows:
        tally.add(reference, prediction)
    return tally


@pytest.mark.parametrize("kind", KINDS)
def test_the_figures_do_not_depend_on_how_rows_are_shared(kind):
    make, row = KINDS[kind]

    @quick
    @given(st.lists(row, min_size=1, max_size=12), st.integers(1, 4), st.randoms())
    def check(rows, processes, random):
        tally = counted(make, rows)
        expected = tally.figures()
        assert tally.values() == {name: one for name, one in expected.items() if isinstance(one, float)}
        shuffled = list(rows)
        random.shuffle(shuffled)
        whole = make()
        for rank in range(processes):
            # A process may have no row.
            whole.merge(copy.deepcopy(counted(make, shuffled[rank::processes])))
        assert whole.figures() == expected

    check()


@quick
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=200))
def test_counts_give_the_figures_of_the_rows_to_the_bit(rows):
    golden, predicted = np.array(rows).T
    figures = counted(lambda: ClassificationState(LABELS), rows).figures()
    for average in ("macro", "weighted"):
        expected = f1_score(golden, predicted, average=average, zero_division=0)
        assert figures[f"{average}_f1"] == expected
    assert figures["accuracy"] == accuracy_score(golden, predicted)
    columns = precision_recall_fscore_support(golden, predicted, labels=range(3), zero_division=0)
    assert [tuple(one.values()) for one in figures["per_class"].values()] == list(zip(*columns, strict=True))
