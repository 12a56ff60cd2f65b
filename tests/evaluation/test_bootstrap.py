"""Resampled test sets are scored as if each had been scored by itself, and intervals cover what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.evaluation import bootstrap
from autotune.evaluation.bootstrap import Resampling, block_states, interval, intervals
from autotune.metrics import class_metric, entity_metric, rouge_metric
from autotune.metrics.accumulator import MetricState
from autotune.tasks.sentiment import Sentiment

TAGS = ["O", "B-PESSOA", "I-PESSOA", "B-LOCAL", "I-LOCAL"]
TEXTS = ["", "a avó não foi", "A avó foi.\nNão voltou!", "o avô foi à serra", "choveu"]


class Classes(Sentiment):
    """Two classes, without a model."""

    def __init__(self) -> None:
        pass

    def metric(self):
        return class_metric(["não", "sim"])

    def to_metric_inputs(self, row, prediction):
        return row["label"], prediction["prediction"]


def states_of(metric, pairs) -> list[MetricState]:
    states = []
    for reference, prediction in pairs:
        states.append(metric.empty())
        states[-1].add(reference, prediction)
    return states


def pairs_of(values):
    return st.lists(st.tuples(values, values), min_size=1, max_size=6)


tag_rows = st.integers(1, 4).flatmap(
    lambda words: st.tuples(*[st.lists(st.sampled_from(TAGS), min_size=words, max_size=words)] * 2)
)


@given(
    st.one_of(
        pairs_of(st.integers(0, 2)).map(lambda pairs: (class_metric(["a", "b", "c"]), pairs)),
        st.lists(tag_rows, min_size=1, max_size=6).map(lambda pairs: (entity_metric(), pairs)),
        pairs_of(st.sampled_from(TEXTS)).map(lambda pairs: (rouge_metric(), pairs)),
    ),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_a_table_of_counts_gives_what_merged_states_give(metric_and_pairs, weights):
    metric, pairs = metric_and_pairs
    states = states_of(metric, pairs)
    weights = np.array([weights[: len(states)]], dtype=np.float64)
    weights[0, 0] += 1  # a test set has at least one row
    whole = metric.empty()
    for state, times in zip(states, weights[0].astype(int), strict=True):
        for _ in range(times):
            whole.merge(state)
    values = Resampling([states], metric.empty).values(weights)
    assert {name: value[0] for name, value in values.items()} == pytest.approx(whole.values(), abs=1e-12)


def test_a_metric_without_a_table_is_resampled_by_merging(monkeypatch):
    draw = np.random.default_rng(0)
    pairs = [(int(gold), int(answer)) for gold, answer in draw.integers(2, size=(150, 2))]
    metric = class_metric(["a", "b"])
    states = states_of(metric, pairs)
    by_table = Resampling([states], metric.empty)
    by_table.resamples = bootstrap.MERGED_RESAMPLES
    expected = by_table.bootstrap(seed=3)
    monkeypatch.setattr(type(states[0]), "table", MetricState.table)
    for name, values in Resampling([states], metric.empty).bootstrap(seed=3).items():
        assert values == pytest.approx(expected[name], abs=1e-12)


@pytest.mark.parametrize("rows", [60, 2 * bootstrap.BLOCKS])
def test_intervals_are_those_of_the_bootstrap_over_rows(rows):
    draw = np.random.default_rng(0)
    gold = draw.integers(2, size=rows)
    answers = np.where(draw.random(rows) < 0.8, gold, 1 - gold)
    split = [{"label": int(label)} for label in gold]
    predictions = [{"prediction": int(label)} for label in answers]
    states = block_states(Classes(), split, predictions)
    ends = intervals(states, Classes().metric().empty, seed=1)
    right = gold == answers
    drawn = [right[draw.integers(rows, size=rows)].mean() for _ in range(2000)]
    width = 1.96 * np.sqrt(0.16 / rows)
    assert ends["accuracy"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.35 * width)
    assert ends == intervals(states, Classes().metric().empty, seed=1)
    assert set(ends) == {"macro_f1", "accuracy", "weighted_f1"}


def test_one_row_has_an_interval_without_width():
    states = block_states(Classes(), [{"label": 1}], [{"prediction": 1}])
    ends = intervals(states, Classes().metric().empty, seed=0)
    assert ends["accuracy"] == [1.0, 1.0]


def test_intervals_cover_the_true_score_as_often_as_they_say():
    """Of 600 simulated test sets of 200 rows, 95 % intervals of accuracy cover 0.8 in 93 to 97 %."""
    draw, metric, covered = np.random.default_rng(5), class_metric(["a", "b"]), 0
    right, wrong = states_of(metric, [(0, 0), (0, 1)])
    for _ in range(600):
        states = [right if hit else wrong for hit in draw.random(200) < 0.8]
        resampling = Resampling([states], metric.empty)
        resampling.resamples = 400
        low, high = interval(resampling.bootstrap(seed=int(draw.integers(2**31)))["accuracy"])
        covered += low <= 0.8 <= high
    assert 0.93 <= covered / 600 <= 0.97


def test_intervals_of_entity_scores_cover_what_they_promise():
    """500 simulated test sets of 150 sentences: entity F1 and the F1 of a type, against the score of endless data.

    Of two types, a sentence has one entity, found with probability 0.7 (A) or 0.5 (B); one in five sentences has a
    spurious A. The scores of endless data are ratios of expected counts.
    """
    metric = entity_metric()
    kinds = states_of(
        metric,
        [
            (["B-A", "O"], ["B-A", "O"]), (["B-A", "O"], ["O", "O"]), (["B-A", "O"], ["B-A", "B-A"]),
            (["B-A", "O"], ["O", "B-A"]), (["B-B", "O"], ["B-B", "O"]), (["B-B", "O"], ["O", "O"]),
            (["B-B", "O"], ["B-B", "B-A"]), (["B-B", "O"], ["O", "B-A"]),
        ],
    )  # fmt: skip
    chances = [
        0.5 * hit * spurious for hits in ((0.7, 0.3), (0.5, 0.5)) for spurious in (0.8, 0.2) for hit in hits
    ]
    # Expected counts per sentence: correct, predicted and gold of A; then of both types.
    true_a = 2 * 0.35 / (0.35 + 0.2 + 0.5)
    true_all = 2 * 0.6 / (0.6 + 0.2 + 1)
    draw, covered = np.random.default_rng(11), [0, 0]
    for _ in range(500):
        states = [kinds[kind] for kind in draw.choice(8, size=150, p=chances)]
        resampling = Resampling([states], metric.empty)
        resampling.resamples = 400
        seed = int(draw.integers(2**31))
        for number, (values, truth) in enumerate(
            ((resampling.bootstrap(seed)["entity_f1"], true_all), (resampling.class_f1(seed)["A"], true_a))
        ):
            low, high = interval(values)
            covered[number] += low <= truth <= high
    assert all(0.925 <= count / 500 <= 0.97 for count in covered), covered
