"""Splits that are made: the asked share, seeded, stratified or in whole groups, nothing lost or doubled."""

from collections import Counter

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from autotune.data.splits import split_off
from autotune.errors import DataError


def rows(values) -> Dataset:
    values = list(values)
    return Dataset.from_dict({"id": [str(number) for number in range(len(values))], "value": values})


def part(data: Dataset, fraction: float, *, seed: int = 0, **columns):
    return split_off(data, fraction, seed=seed, **{"label": None, "group": None, **columns})


@given(
    st.lists(st.sampled_from("abc"), min_size=2, max_size=30),
    st.floats(0.01, 0.99),
    st.sampled_from([{}, {"label": "value"}, {"group": "value"}]),
)
def test_every_row_is_in_one_part_and_no_part_is_empty(values, fraction, columns):
    if "group" in columns and len(set(values)) < 2:
        return
    stay, held, _ = part(rows(values), fraction, **columns)
    assert sorted([*stay["id"], *held["id"]], key=int) == [str(number) for number in range(len(values))]
    assert len(stay)
    assert len(held)
    if "group" in columns:
        assert not set(stay["value"]) & set(held["value"])


def test_the_seed_decides():
    data = rows(range(100))
    assert part(data, 0.1)[1]["id"] == part(data, 0.1)[1]["id"] != part(data, 0.1, seed=1)[1]["id"]


def test_shares_of_labels_are_kept():
    stay, held, how = part(rows("a" * 80 + "b" * 20), 0.1, label="value")
    assert Counter(held["value"]) == {"a": 8, "b": 2}
    assert (len(stay), how) == (90, "stratified by label")


def test_a_label_with_one_row_stays_in_train_and_that_is_said():
    stay, _, how = part(rows("a" * 10 + "b" * 10 + "c"), 0.5, label="value")
    assert "c" in stay["value"]
    assert "one row stay: c" in how


def test_labels_that_never_repeat_cannot_be_stratified_and_that_is_said():
    _, held, how = part(rows("abcdef"), 0.5, label="value")
    assert len(held) == 3
    assert how.startswith("at random")


def test_groups_stay_whole_and_come_near_the_share():
    values = [f"m{number % 10}" for number in range(100)]
    _, held, how = part(rows(values), 0.3, group="value")
    assert set(Counter(held["value"]).values()) == {10}
    assert (len(held), how) == (30, "whole groups")


def test_one_group_or_one_row_cannot_be_parted():
    with pytest.raises(DataError, match=r"dataset.columns.group=null"):
        part(rows("aaaa"), 0.5, group="value")
    with pytest.raises(DataError, match="validation_fraction=0"):
        part(rows("a"), 0.5)
