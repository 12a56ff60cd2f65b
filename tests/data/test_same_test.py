"""A test set that is made of train has the same rows, however train is sliced and whatever the run's seed is."""

import json

import pytest

from autotune.config.load import diff, digest, parse_config, to_dict
from autotune.run.sweeps import warn_of_changed_rows, warn_of_other_rows

ROWS = [{"text": f"Frase {n} de prova.", "label": "ab"[n % 2]} for n in range(40)]


def with_test(load, path, **options):
    rows = load("sentiment", path, test_fraction=0.2, **options)
    assert set(rows.splits["train"]["id"]).isdisjoint(rows.splits["test"]["id"])
    return rows


@pytest.mark.parametrize("train", ["train[:25%]", "train[:50%]", "train[20:]", "train[:5]+train[30:]"])
def test_a_slice_of_train_is_scored_on_the_same_rows_as_all_of_it(load, write, train):
    path = write("a.jsonl", ROWS)
    whole, part = with_test(load, path), with_test(load, path, splits={"train": train})
    assert whole.by_split["test"] == part.by_split["test"]
    assert len(part.splits["train"]) < len(whole.splits["train"]) == 32


def test_rows_of_test_are_in_no_slice_that_another_split_has(load, write):
    rows = [*ROWS, {"text": "", "label": "a"}]
    splits = {"train": "train[:50%]", "validation": "train[50%:]"}
    made = with_test(load, write("a.jsonl", rows), splits=splits)
    assert set(made.splits["validation"]["id"]).isdisjoint(made.splits["test"]["id"])
    assert {len(made.splits["train"]), len(made.splits["test"])} == {16, 8}


def test_a_limit_takes_the_first_rows_of_the_same_test(load, write):
    path = write("a.jsonl", ROWS)
    few = with_test(load, path, limit=5).splits["test"]["id"]
    assert list(few) == list(with_test(load, path).splits["test"]["id"])[:5]


def test_copies_of_rows_of_test_are_not_learned_when_repeats_are_left_out(load, write):
    rows = load("sentiment", write("a.jsonl", [*ROWS, *ROWS]), test_fraction=0.2, dedup="repeats")
    assert len(rows.splits["train"]) == 32
    assert set(rows.splits["train"]["text"]).isdisjoint(rows.splits["test"]["text"])


def test_groups_and_sums_are_held_out_whole(load, write):
    rows = [row | {"group": str(n // 4)} for n, row in enumerate(ROWS)]
    write("d/train.jsonl", rows[:20])
    folder = write("d/validation.jsonl", rows[20:]).parent
    options = {"columns": {"group": "group"}, "splits": {"train": "train+validation", "validation": None}}
    made = with_test(load, folder, **options)
    assert set(made.splits["train"]["group"]).isdisjoint(made.splits["test"]["group"])
    assert len(made.splits["train"]) + len(made.splits["test"]) == 40


def config(seed, of_splits):
    dataset = {"path": "sample/sentiment", "seed": of_splits}
    return parse_config(
        {"task": {"name": "sentiment"}, "dataset": dataset, "seed": seed, "model": {"tiny": "bert"}}
    )


def test_a_run_of_before_keeps_the_splits_that_its_seed_made():
    old = to_dict(config(7, 7))
    del old["dataset"]["seed"]
    assert parse_config(old).dataset.seed == 7
    assert diff(old, config(7, 7)) == []
    assert diff(old, config(7, 42)) == ["dataset.seed: 7 -> 42"]


def test_names_of_runs_of_before_are_found_and_other_splits_are_another_run():
    without = json.loads(json.dumps(to_dict(config(42, 42))))
    assert digest(config(42, 42)) == digest(parse_config(without)) != digest(config(42, 43))
    assert digest(config(7, 7)) != digest(config(7, 42))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (({"test": "x"}, {"test": "x"}), False),
        (({"test": "x"}, {"test": "y"}), True),
        (({"validation": "x"}, {"test": "x"}), True),
        (
            ({"train": "x", "validation": "y", "test": "z"}, {"train": "o", "validation": "p", "test": "z"}),
            False,
        ),
    ],
)
def test_runs_of_a_sweep_that_were_scored_on_other_rows_are_named(tmp_path, caplog, rows, told):
    configs = [config(1, 42), config(1, 43)]
    for number, (one, fingerprints) in enumerate(zip(configs, rows, strict=True)):
        one.runs, one.name = str(tmp_path), f"run{number}"
        folder = tmp_path / one.name
        folder.mkdir()
        (folder / "data.json").write_text(json.dumps({"fingerprints": fingerprints}))
    warn_of_other_rows(configs)
    assert ("different rows, so their scores cannot be compared (dataset.seed)" in caplog.text) is told
    assert ("run1" in caplog.text) is told


def test_a_run_whose_data_have_changed_says_so(tmp_path, caplog):
    (tmp_path / "data.json").write_text('{"fingerprint": "a"}')
    warn_of_changed_rows(str(tmp_path), "a")
    warn_of_changed_rows("hub:ORG/NAME", "b")
    assert not caplog.text
    warn_of_changed_rows(str(tmp_path), "b")
    assert "have changed since this run was trained" in caplog.text
