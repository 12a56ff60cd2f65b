"""The batch plan: every feature once, whatever the ranks, the budget and the way of batching."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.config.enums import Batching
from autotune.data.batches import (
    BatchPlan,
    MicroBatchCost,
    assign_to_ranks,
    pack_by_cost,
    padded_tokens,
    partition_by_length,
    prediction_batches,
)

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(lambda values: np.array(values)[:, None])


def plan(rows: list[int], sizes: list[int], **options) -> BatchPlan:
    settings = {"batch_size": 4, "budget": 256, "seed": 7} | options
    return BatchPlan(np.array(rows), np.array(sizes)[:, None], **settings)


def seen(made: BatchPlan, step: int, ranks: int) -> list[int]:
    """The features of all ranks' shares."""
    shares = [made.micro_batches(step, rank=rank, ranks=ranks) for rank in range(ranks)]
    return [int(feature) for micro_batches in shares for micro in micro_batches for feature in micro]


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 600),
    st.sampled_from(Batching),
)
def test_every_feature_exactly_once_an_epoch_over_all_ranks(windows, batch_size, ranks, budget, batching):
    rows = [row for row, count in enumerate(windows) for _ in range(count)]
    rng = np.random.default_rng(0)
    made = plan(
        rows,
        list(rng.integers(1, 200, len(rows))),
        batch_size=batch_size,
        budget=budget,
        batching=batching,
    )
    for epoch in range(2):
        numbers = range(epoch * made.steps_per_epoch, (epoch + 1) * made.steps_per_epoch)
        found = [feature for number in numbers for feature in seen(made, number, ranks)]
        assert sorted(found) == list(range(len(rows)))


@given(st.integers(1, 4), st.integers(1, 600), st.integers(0, 9), st.sampled_from(Batching))
def test_the_rows_of_a_step_depend_on_neither_ranks_nor_budget(ranks, budget, step, batching):
    sizes = list(np.random.default_rng(3).integers(1, 200, 30))
    alone = plan(list(range(30)), sizes, batching=batching)
    shared = plan(list(range(30)), sizes, budget=budget, batching=batching)
    assert sorted(seen(shared, step, ranks)) == sorted(alone.step_features(step))


@pytest.mark.parametrize("batching", Batching)
def test_epochs_have_different_orders_and_seeds_too(batching):
    made = plan(list(range(40)), [5] * 40, batching=batching)
    other = plan(list(range(40)), [5] * 40, seed=8, batching=batching)
    assert list(made.step_features(0)) != list(made.step_features(made.steps_per_epoch))
    assert list(made.step_features(0)) != list(other.step_features(0))


@pytest.mark.parametrize("batching", Batching)
def test_a_step_is_the_same_whatever_was_asked_before(batching):
    sizes = list(np.random.default_rng(3).integers(1, 200, 700))
    made = plan(list(range(700)), sizes, batching=batching)
    forwards = [list(made.step_features(number)) for number in range(400)]
    assert [list(made.step_features(number)) for number in reversed(range(400))] == forwards[::-1]


def test_the_windows_of_a_row_stay_in_one_step():
    made = plan([0, 0, 0, 1, 2, 2, 3], [9] * 7, batch_size=1)
    for step in range(made.steps_per_epoch):
        features = made.step_features(step)
        assert len({[0, 0, 0, 1, 2, 2, 3][feature] for feature in features}) == 1


def test_buckets_pay_less_padding_in_steps_of_the_same_size():
    sizes = [int(size) for size in np.random.default_rng(3).lognormal(3, 1, 1003).astype(int) + 1]
    exact, bucketed = (
        plan(list(range(1003)), sizes, batch_size=16, batching=way)
        for way in (Batching.exact, Batching.bucketed)
    )

    def positions(made: BatchPlan) -> int:
        steps = [made.step_features(number) for number in range(made.steps_per_epoch)]
        assert sorted(len(step) for step in steps) == [1003 % 16] + [16] * (1003 // 16)
        return sum(padded_tokens(made.lengths[step]) for step in steps)

    assert 1.2 * positions(bucketed) < 1.5 * sum(sizes) < positions(exact)
    longest = [int(bucketed.lengths[bucketed.step_features(number)].max()) for number in range(40)]
    assert sum(after > before for before, after in pairwise(longest)) in range(10, 30), (
        "not in order of length"
    )


@given(lengths, st.integers(1, 2000))
def test_no_micro_batch_passes_the_budget_unless_it_is_one_feature(sizes, budget):
    for group in partition_by_length(sizes, budget):
        assert len(group) == 1 or padded_tokens(sizes[group]) <= budget


@settings(max_examples=30)
@given(lengths)
def test_cutting_pays_less_padding_than_one_padded_batch(sizes):
    assert sum(padded_tokens(sizes[group]) for group in partition_by_length(sizes, 10**9)) <= padded_tokens(
        sizes
    )


@settings(max_examples=30)
@given(lengths, st.integers(20, 2000))
def test_no_cut_at_other_borders_costs_less(sizes, budget):
    """Against all cuts of the sorted features, for few of them."""
    sizes = np.sort(sizes[:9], axis=0)
    cost = MicroBatchCost(attention=100.0, overhead=30.0)

    def costs(groups) -> float:
        return sum(float(cost.of(len(group), group.max(axis=0).sum())) for group in groups)

    every = []
    for borders in range(2 ** (len(sizes) - 1)):
        at = [place + 1 for place in range(len(sizes) - 1) if borders >> place & 1]
        groups = np.split(sizes, at)
        if all(len(group) == 1 or padded_tokens(group) <= budget for group in groups):
            every.append(costs(groups))
    found = costs([sizes[group] for group in partition_by_length(sizes, budget, cost=cost)])
    assert found == pytest.approx(min(every))


@given(lengths, st.integers(2, 4))
def test_ranks_have_nearly_the_same_work(sizes, ranks):
    cost = MicroBatchCost()
    loads = [
        sum(float(cost.of(len(group), sizes[group].max())) for group in groups)
        for groups in assign_to_ranks(sizes, 10**9, ranks=ranks)
    ]
    alone = sum(float(cost.of(len(group), sizes[group].max())) for group in partition_by_length(sizes, 10**9))
    dearest = float(cost.of(1, sizes.max()))
    assert max(loads) <= 1.35 * max(alone / ranks, dearest) + 2 * cost.overhead


def test_a_plan_of_a_million_rows_is_small_and_answers_at_once():
    rows, sizes = np.arange(1_000_000), np.random.default_rng(0).integers(4, 200, (1_000_000, 1))
    tracemalloc.start()
    made = BatchPlan(rows, sizes, batch_size=32, budget=4096, seed=1)
    del rows, sizes
    for number in range(20):
        made.micro_batches(number)
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 14e6 and peak < 40e6


@given(lengths, st.integers(1, 2000))
def test_prediction_reads_every_feature_once(sizes, budget):
    batches = list(prediction_batches(sizes, budget))
    assert sorted(np.concatenate(batches)) == list(range(len(sizes)))
    assert all(len(batch) == 1 or padded_tokens(sizes[batch]) <= budget for batch in batches)


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=60),
    budget=st.integers(1, 2000),
    ranks=st.integers(1, 4),
)
def test_packed_groups_hold_every_feature_once_within_the_budget(lengths, budget, ranks):
    column = np.asarray(lengths)[:, None]
    groups = pack_by_cost(column, budget, ranks=ranks)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    assert all(column[group].sum() <= budget or len(group) == 1 for group in groups)
    if len(lengths) >= ranks:
        assert len(groups) % ranks == 0 or len(groups) == len(lengths)
