"""Folds of cross-validation: each row is in test once, what belongs together stays together, whatever the order of rows."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autotune.config.compose import compose
from autotune.data.folds import ALWAYS_TRAIN, cross_validation_folds
from autotune.data.sources import Rows, load_rows
from autotune.errors import DataError
from autotune.registry import task

ROWS = st.lists(
    st.tuples(st.integers(0, 25), st.sets(st.sampled_from("abc"), max_size=2), st.integers(0, 12)),
    min_size=4,
    max_size=60,
)
"""Text, labels and group of each row."""


@settings(max_examples=30)
@given(rows=ROWS, count=st.integers(2, 5), seed=st.integers(0, 9), order=st.randoms(use_true_random=False))
@example(
    rows=[(0, {"b"}, 0), (0, {"c"}, 0), (1, {"a", "c"}, 1), (2, {"a", "b"}, 2), (3, set(), 3)],
    count=2,
    seed=0,
    order=None,
)
def test_folds_cut_nothing_apart_in_any_order_of_rows(rows, count, seed, order):
    texts, labels, groups = (
        [f"t{row[0]}" for row in rows],
        [sorted(row[1]) for row in rows],
        [f"g{row[2]}" for row in rows],
    )
    try:
        folds = cross_validation_folds(texts, labels, groups, count=count, seed=seed)
    except ValueError as error:
        assert int(str(error)) < count
        return
    assert set(folds.tolist()) <= {ALWAYS_TRAIN, *range(count)}
    for together in (texts, groups):
        places = {
            value: {fold for other, fold in zip(together, folds, strict=True) if other == value}
            for value in together
        }
        assert all(len(place) == 1 for place in places.values())
    # Whatever is in test is in train, too.
    for name in {name for names in labels for name in names}:
        inside = {fold for names, fold in zip(labels, folds.tolist(), strict=True) if name in names}
        assert inside == {ALWAYS_TRAIN} or len(inside) > 1
    if order is not None:
        places = list(range(len(rows)))
        order.shuffle(places)
        shuffled = cross_validation_folds(
            *([values[place] for place in places] for values in (texts, labels, groups)),
            count=count,
            seed=seed,
        )
        assert shuffled.tolist() == folds[places].tolist()


@settings(max_examples=20)
@given(
    sizes=st.lists(st.integers(2, 40), min_size=2, max_size=4),
    count=st.integers(2, 6),
    seed=st.integers(0, 9),
)
def test_the_share_of_a_label_in_a_fold_is_within_a_row_of_the_ideal(sizes, count, seed):
    labels = [[str(label)] for label, size in enumerate(sizes) for _ in range(size)]
    folds = cross_validation_folds([f"{row}" for row in range(len(labels))], labels, count=count, seed=seed)
    for label, size in enumerate(sizes):
        counts = Counter(
            fold for fold, names in zip(folds.tolist(), labels, strict=True) if names == [str(label)]
        )
        assert all(abs(counts[fold] - size / count) < 1 for fold in range(count))
    other = cross_validation_folds(
        [f"{row}" for row in range(len(labels))], labels, count=count, seed=seed + 1
    )
    assert len(labels) < 20 or not np.array_equal(folds, other)


def loaded(folder: Path, name: str, *words: str) -> Rows:
    (config,) = compose([f"task={name}", "dataset=jsonl", f"dataset.path={folder / 'rows.jsonl'}", *words])
    return load_rows(config.dataset, task(name).columns, cache=folder / "cache")


def write(folder: Path, rows: list[dict]) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_each_row_is_in_the_test_split_of_one_fold_and_groups_stay_whole(tmp_path):
    rows = [
        {"id": f"r{n}", "text": f"texto {n}", "label": "ab"[n % 2], "author": f"g{n % 12}"} for n in range(60)
    ]
    write(tmp_path, [*rows, {"id": "alone", "text": "outro", "label": "c", "author": "g0"}])
    folds = [
        loaded(tmp_path, "sentiment", f"dataset.fold={n}/3", "dataset.columns.group=author")
        for n in (1, 2, 3)
    ]
    ids = [name for fold in folds for name in fold.splits["test"]["id"]]
    # All rows of c are in one group, so that group is never in test.
    always = {row["id"] for row in rows if row["author"] == "g0"} | {"alone"}
    assert sorted(ids) == sorted({row["id"] for row in rows} - always)
    for number, fold in enumerate(folds, 1):
        names = {split: set(data["group"]) for split, data in fold.splits.items()}
        assert not names["test"] & (names["train"] | names["validation"])
        assert always & set(fold.splits["test"]["id"]) == set()
        assert sum(map(len, fold.splits.values())) == 61
        counts = len(fold.splits["test"]), len(always)
        assert fold.notes[0] == (
            f"test is fold {number}/3 of train, {counts[0]} rows (groups and duplicates whole, stratified by label; "
            f"in train always, as their label is nowhere else: {counts[1]}; dataset.seed 42)"
        )


def test_a_test_split_that_there_is_stays_out_of_all_folds(tmp_path):
    write(tmp_path, [{"id": f"r{n}", "text": f"texto {n}", "label": "ab"[n % 2]} for n in range(50)])
    whole = loaded(tmp_path, "sentiment", "dataset.test_fraction=0.2")
    last_exam = set(whole.splits["test"]["id"])
    seen: set[str] = set()
    for number in (1, 2):
        fold = loaded(tmp_path, "sentiment", "dataset.test_fraction=0.2", f"dataset.fold={number}/2")
        assert "the 10 rows of test are left out: with dataset.fold, test is a fold of train" in fold.notes
        seen |= {name for data in fold.splits.values() for name in data["id"]}
    assert not seen & last_exam and len(seen) == 40


def test_entity_types_are_spread_over_folds(tmp_path):
    tags = [["B-PER", "O"], ["B-LOC", "O"], ["B-PER", "B-LOC"], ["O", "O"]]
    write(
        tmp_path,
        [{"tokens": [f"w{n}", "x"], "tags": tags[0 if n % 4 else 1 + n // 4 % 3]} for n in range(60)],
    )
    types = [
        Counter(
            tag
            for tags in loaded(tmp_path, "ner", f"dataset.fold={n}/5").splits["test"]["tags"]
            for tag in tags
        )
        for n in range(1, 6)
    ]
    assert [counts["B-LOC"] for counts in types] == [2] * 5


def test_more_folds_than_there_is_to_divide_are_refused(tmp_path):
    write(tmp_path, [{"text": f"texto {n % 3}", "label": "ab"[n % 3 % 2]} for n in range(12)])
    with pytest.raises(DataError, match="5 folds need 5 rows that can be in test"):
        loaded(tmp_path, "sentiment", "dataset.fold=1/5")


def test_pairs_with_the_same_first_text_may_be_in_other_folds(tmp_path):
    answers = [" ".join(f"{n}{letter}{n}" * 2 for letter in "abcdef") for n in range(12)]
    write(
        tmp_path,
        [{"text": "sim", "text_pair": answer, "label": "ab"[n % 2]} for n, answer in enumerate(answers)],
    )
    words = ("dataset.columns.text_pair=text_pair", "dataset.fold=1/3")
    assert len(loaded(tmp_path, "classification", *words).splits["test"]) == 4
