"""The corrected score of a chosen candidate is the truth on the mean, and its interval covers it."""

import numpy as np
import pytest

from autotune.evaluation.bootstrap import Resampling, interval
from autotune.evaluation.selection import by_group, chance_of_best, corrected, halving, survivors
from autotune.metrics import class_metric, entity_metric, rouge_metric
from autotune.metrics.accumulator import CountTable, MetricState
from autotune.metrics.objective import Objective
from tests.evaluation.test_bootstrap import TAGS, TEXTS, states_of

TRUTH = 0.7
ACCURACY = Objective("accuracy")


class Share(MetricState):
    """Share of right rows; light enough for thousands of simulated candidates."""

    def __init__(self, right: int = 0, rows: int = 0) -> None:
        self.right, self.rows = right, rows

    def add(self, reference, prediction):
        raise NotImplementedError

    def merge(self, other):
        self.right, self.rows = self.right + other.right, self.rows + other.rows

    def figures(self):
        return {"accuracy": self.right / self.rows, "errors": 1 - self.right / self.rows}

    @classmethod
    def table(cls, states):
        counts = np.array([(state.right, state.rows) for state in states], dtype=np.float64)
        return CountTable(
            counts,
            lambda sums: {
                "accuracy": sums[:, 0] / sums[:, 1],
                "errors": 1 - sums[:, 0] / sums[:, 1],
            },
        )


OUTCOMES = Share(0, 1), Share(1, 1)


def shares(right) -> list[list[Share]]:
    """States of candidates from whether they are right: (candidates, rows)."""
    return [[OUTCOMES[outcome] for outcome in line] for line in np.asarray(right, dtype=np.int64).tolist()]


def simulated(candidates: int, rows: int, generator) -> list[list[Share]]:
    """Candidates that are all right on 70 % of all texts; a third of the rows is equally hard for all of them."""
    right = generator.random((candidates, rows)) < TRUTH
    same = generator.random(rows) < 1 / 3
    right[:, same] = right[0, same]
    return shares(right)


@pytest.mark.parametrize(
    ("candidates", "times"),
    [
        (1, {60: 60, 200: 60, 1000: 20}),
        (8, {60: 50, 200: 50, 1000: 15}),
        (64, {60: 30, 200: 25, 1000: 5}),
    ],
)
def test_a_choice_among_equals_is_corrected_to_what_they_are(candidates, times):
    generator = np.random.default_rng(candidates)
    covered = []
    for rows, count in times.items():
        results = [
            corrected(simulated(candidates, rows, generator), Share, ACCURACY, seed, draws=200)
            for seed in range(count)
        ]
        covered += [result.low <= TRUTH <= result.high for result in results]
        if candidates == 64:
            assert np.mean([result.naive for result in results]) - TRUTH >= 0.02
        if rows >= 200:
            assert abs(np.mean([result.mean for result in results]) - TRUTH) <= 0.015
    assert 0.9 <= np.mean(covered) <= 0.99


def test_one_candidate_gives_the_plain_bootstrap():
    """Rows sorted by what is counted in them, which is the order in which blocks are drawn."""
    empty = class_metric(["a", "b"]).empty
    pairs = [(0, 0)] * 30 + [(0, 1)] * 20 + [(1, 0)] * 7 + [(1, 1)] * 43
    states = states_of(class_metric(["a", "b"]), pairs)
    plain = Resampling([states], empty)
    states = [states[block] for block in plain.order()]
    plain = Resampling([states], empty)
    expected = interval(plain.bootstrap(seed=5)["macro_f1"])
    result = corrected([states], empty, Objective("macro_f1"), 5, draws=plain.resamples)
    assert [result.low, result.high] == pytest.approx(expected, abs=1e-12)
    assert result.mean == result.naive == pytest.approx(sum_of(states, empty).values()["macro_f1"], abs=1e-12)


def sum_of(states, empty) -> MetricState:
    total = empty()
    for state in states:
        total.merge(state)
    return total


def test_a_clear_winner_keeps_its_score():
    draw = np.random.default_rng(1)
    right = draw.random((4, 300)) < [[0.5], [0.55], [0.9], [0.4]]
    result = corrected(shares(right), Share, ACCURACY, 0)
    assert result.chosen == 2
    assert result.mean == result.naive == right[2].mean()


def test_smaller_values_can_be_better():
    draw = np.random.default_rng(1)
    right = draw.random((3, 300)) < [[0.5], [0.6], [0.55]]
    errors = Objective("errors", greater_is_better=False)
    result, mirrored = (corrected(shares(right), Share, objective, 0) for objective in (errors, ACCURACY))
    assert result.chosen == mirrored.chosen == 1
    assert result.naive < result.mean, "choosing the least errors flatters, too"
    assert 1 - result.mean == pytest.approx(mirrored.mean, abs=1e-12)
    assert chance_of_best(shares(right), Share, errors, 0) == chance_of_best(
        shares(right), Share, ACCURACY, 0
    )


def test_a_copy_shares_the_chance_of_being_the_best():
    draw = np.random.default_rng(2)
    right = draw.random((3, 200)) < 0.6
    chances = chance_of_best(shares(right), Share, ACCURACY, 0)
    with_copy = chance_of_best(shares([*right, right[1]]), Share, ACCURACY, 0)
    assert sum(chances) == pytest.approx(1, abs=1e-12)
    assert sum(with_copy) == pytest.approx(1, abs=1e-12)
    assert with_copy[1] == with_copy[3]
    assert with_copy[1] == pytest.approx(chances[1] / 2, abs=0.05)
    assert with_copy[1] < chances[1]


def metric_and_candidates(name):
    """Rows of each kind of metric, and three candidates for them."""
    draw = np.random.default_rng(3)
    if name == "macro_f1":
        metric, values = class_metric(["a", "b", "c"]), range(3)
    elif name == "rougeL":
        metric, values = rouge_metric(), TEXTS
    else:
        metric, values = entity_metric(), [[first, second] for first in TAGS for second in TAGS]
    values = list(values)
    gold = draw.integers(len(values), size=40)
    answers = np.where(draw.random((3, 40)) < 0.6, gold, draw.integers(len(values), size=(3, 40)))
    return metric, [
        states_of(metric, [(values[row], values[answer]) for row, answer in zip(gold, line, strict=True)])
        for line in answers
    ]


@pytest.mark.parametrize("name", ["macro_f1", "entity_f1", "rougeL"])
def test_every_metric_of_sums_can_choose_and_the_order_of_rows_does_not_matter(name):
    metric, candidates = metric_and_candidates(name)
    objective = Objective(name)
    result = corrected(candidates, metric.empty, objective, 0, draws=100)
    scores = [sum_of(states, metric.empty).values()[name] for states in candidates]
    assert result.chosen == int(np.argmax(scores))
    assert result.naive == pytest.approx(max(scores), abs=1e-12)
    assert result.low < result.mean < result.naive < result.high
    order = np.random.default_rng(0).permutation(40)
    shuffled = [[states[row] for row in order] for states in candidates]
    again = corrected(shuffled, metric.empty, objective, 0, draws=100)
    assert [again.naive, again.mean, again.low, again.high] == pytest.approx(
        [result.naive, result.mean, result.low, result.high], abs=1e-12
    )


def test_a_metric_without_a_table_is_merged(monkeypatch):
    right = np.random.default_rng(4).random((3, 60)) < 0.7
    right = right[:, np.lexsort(right)]
    expected = corrected(shares(right), Share, ACCURACY, 1, draws=100)
    monkeypatch.setattr(Share, "table", MetricState.table)
    # Without a table, rows are drawn in their own order: here the same.
    result = corrected(shares(right), Share, ACCURACY, 1, draws=100)
    assert result.mean == pytest.approx(expected.mean, abs=1e-12)
    assert (result.chosen, result.low, result.high) == (expected.chosen, expected.low, expected.high)


def test_survivors_are_the_better_half_and_whoever_may_still_be_best():
    draw = np.random.default_rng(5)
    clear = draw.random((4, 400)) < [[0.9], [0.5], [0.7], [0.6]]
    assert survivors(shares(clear), Share, ACCURACY, 0) == [0, 2]
    assert survivors(shares(clear), Share, ACCURACY, 0, keep=0.25) == [0]
    assert survivors(shares([*clear, clear[0]]), Share, ACCURACY, 0, keep=0.2) == [0, 4], "a copy is as good"
    even = draw.random((4, 40)) < 0.6
    chances = chance_of_best(shares(even), Share, ACCURACY, 0)
    kept = survivors(shares(even), Share, ACCURACY, 0, chance=0.05)
    assert len(kept) > 2
    assert {number for number, chance in enumerate(chances) if chance >= 0.05} <= set(kept)


def test_halving_takes_the_best_of_those_that_are_left():
    # Trials a, b, c, d: at the first rung candidates 0 to 3, at the last one 4 and 5 for a and b.
    select = halving([[0, 1, 2, 3], [4, 5, 2, 3]])
    scores = np.array([[0.9, 0.8, 0.7, 0.1, 0.3, 0.4], [0.1, 0.8, 0.7, 0.2, 0.9, 0.3]])
    assert select(scores).tolist() == [5, 2], "c takes the place of a in the second draw"


def test_dropping_trials_is_corrected_for():
    """Eight equal trials, of which the better four finish; a finished trial is right on much the same rows as before."""
    draw = np.random.default_rng(6)
    results = []
    for seed in range(40):
        first = draw.random((8, 120)) < TRUTH
        finished = np.where(draw.random((8, 120)) < 0.7, first, draw.random((8, 120)) < TRUTH)
        kept = survivors(shares(first), Share, ACCURACY, seed, chance=1, draws=10)
        last = [8 + kept.index(trial) if trial in kept else trial for trial in range(8)]
        candidates = shares([*first, *finished[kept]])
        select = halving([list(range(8)), last])
        results.append(corrected(candidates, Share, ACCURACY, seed, draws=100, select=select))
        assert results[-1].chosen >= 8, "a trial that finished"
    assert np.mean([result.naive for result in results]) - TRUTH > 0.03
    assert abs(np.mean([result.mean for result in results]) - TRUTH) < 0.015


def test_a_candidate_need_not_have_predicted_all_rows():
    right = np.random.default_rng(7).random((2, 100)) < [[0.6], [0.9]]
    candidates = shares(right)
    candidates[1][50:] = [Share()] * 50
    result = corrected(candidates, Share, ACCURACY, 0)
    assert result.chosen == 1
    assert result.naive == right[1, :50].mean()


def test_groups_are_drawn_whole():
    right = np.random.default_rng(8).random(300) < 0.7
    groups = [f"author {row // 30}" for row in range(300)]
    right = np.repeat(right[:10], 30)  # all rows of an author are alike
    states = shares([right])[0]
    grouped = by_group(states, groups, Share)
    assert [state.rows for state in grouped] == [30] * 10
    by_row, by_author = (corrected([each], Share, ACCURACY, 0) for each in (states, grouped))
    assert by_author.naive == by_row.naive
    assert by_author.high - by_author.low > 3 * (by_row.high - by_row.low)


def test_candidates_of_different_rows_are_refused():
    with pytest.raises(ValueError, match="aligned"):
        corrected(shares([[1, 0]]) + shares([[1]]), Share, ACCURACY, 0)
