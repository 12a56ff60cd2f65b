"""Tables on disk: made once, whole or not at all, mapped into memory."""

import tracemalloc

import pytest
from datasets import Features, List, Value

from autotune.data.cache import BATCH, cache_key, cached_table

FEATURES = Features({"text": Value("string"), "starts": List(Value("int32")), "label": Value("string")})


def test_rows_are_made_once(tmp_path):
    calls = []

    def rows():
        calls.append(1)
        return iter([{"text": "não", "starts": [0, 4]}])

    for _ in range(2):
        assert list(cached_table(tmp_path, "k", rows)) == [{"text": "não", "starts": [0, 4]}]
    assert len(calls) == 1


def test_rows_come_back_in_order_over_many_batches(tmp_path):
    table = cached_table(tmp_path, "k", lambda: ({"n": number} for number in range(3 * BATCH + 7)))
    assert table["n"][:] == list(range(3 * BATCH + 7))


def test_an_error_in_the_middle_leaves_nothing_behind(tmp_path):
    def rows():
        yield from ({"n": number} for number in range(2 * BATCH))
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        cached_table(tmp_path, "k", rows)
    assert list(tmp_path.iterdir()) == []


def test_types_do_not_depend_on_the_first_rows(tmp_path):
    def rows():
        yield from ({"text": "a", "label": None} for _ in range(BATCH))
        yield {"text": "b", "label": "bom"}

    table = cached_table(tmp_path, "k", rows, FEATURES)
    assert table.features == Features({"text": Value("string"), "label": Value("string")})
    assert table[BATCH]["label"] == "bom"


def test_no_rows_are_an_empty_table(tmp_path):
    assert len(cached_table(tmp_path, "k", lambda: iter(()), FEATURES)) == 0


def test_keys_differ_with_what_goes_into_them_and_nothing_else():
    assert cache_key({"a": 1, "b": [2]}, "x") == cache_key({"b": [2], "a": 1}, "x")
    assert (
        len(
            {
                cache_key(1),
                cache_key("1"),
                cache_key([1]),
                cache_key(1, 2),
                cache_key("não"),
                cache_key("nao"),
            }
        )
        == 6
    )
    assert len(cache_key(1)) == 24


def test_memory_does_not_grow_with_the_rows(tmp_path):
    tracemalloc.start()
    cached_table(tmp_path, "k", lambda: ({"text": f"{number} " * 200} for number in range(20_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "k.arrow").stat().st_size > 15_000_000
    assert peak < 8_000_000
