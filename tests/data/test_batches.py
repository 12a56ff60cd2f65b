import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.data.batches import BatchPlan, cut, padded, prediction_batches

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(lambda values: np.array(values)[:, None])


def plan(rows: list[int], sizes: list[int], **options) -> BatchPlan:
    settings = {"batch_size": 4, "budget": 256, "seed": 7} | options
    return BatchPlan(np.array(rows), np.array(sizes)[:, None], **settings)


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 600),
)
def test_every_feature_exactly_once_an_epoch_over_all_ranks(windows, batch_size, ranks, budget):
    rows = [row for row, count in enumerate(windows) for _ in range(count)]
    rng = np.random.default_rng(0)
    made = plan(rows, list(rng.integers(1, 200, len(rows))), batch_size=batch_size, budget=budget)
    for epoch in range(2):
        seen = [
            int(feature)
            for update in range(made.updates_per_epoch)
            for rank in range(ranks)
            for micro in made.micro_batches(epoch * made.updates_per_epoch + update, rank=rank, ranks=ranks)
            if not micro.filler
            for feature in micro.features
        ]
        assert sorted(seen) == list(range(len(rows)))


@given(st.integers(1, 4), st.integers(1, 600), st.integers(0, 9))
def test_the_rows_of_an_update_depend_on_neither_ranks_nor_budget(ranks, budget, update):
    sizes = list(np.random.default_rng(3).integers(1, 200, 30))
    alone = plan(list(range(30)), sizes)
    shared = plan(list(range(30)), sizes, budget=budget)
    together = [
        feature
        for rank in range(ranks)
        for micro in shared.micro_batches(update, rank=rank, ranks=ranks)
        if not micro.filler
        for feature in micro.features
    ]
    assert sorted(together) == sorted(alone.update(update))


def test_epochs_have_different_orders_and_seeds_too():
    made, other = plan(list(range(40)), [5] * 40), plan(list(range(40)), [5] * 40, seed=8)
    assert list(made.update(0)) != list(made.update(made.updates_per_epoch))
    assert list(made.update(0)) != list(other.update(0))


def test_the_windows_of_a_row_stay_in_one_update():
    made = plan([0, 0, 0, 1, 2, 2, 3], [9] * 7, batch_size=1)
    for update in range(made.updates_per_epoch):
        features = made.update(update)
        assert len({[0, 0, 0, 1, 2, 2, 3][feature] for feature in features}) == 1


@given(lengths, st.integers(1, 2000))
def test_no_micro_batch_passes_the_budget_unless_it_is_one_feature(sizes, budget):
    for group in cut(sizes, budget):
        assert len(group) == 1 or padded(sizes[group]) <= budget


@settings(max_examples=30)
@given(lengths)
def test_cutting_pays_less_padding_than_one_padded_batch(sizes):
    assert sum(padded(sizes[group]) for group in cut(sizes, 10**9)) <= padded(sizes)


@given(lengths, st.integers(1, 2000))
def test_prediction_reads_every_feature_once(sizes, budget):
    batches = list(prediction_batches(sizes, budget))
    assert sorted(np.concatenate(batches)) == list(range(len(sizes)))
    assert all(len(batch) == 1 or padded(sizes[batch]) <= budget for batch in batches)
