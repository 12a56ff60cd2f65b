"""Real data sets: the counts that their sources state; those of the largest are in tests/checks/test_real.py."""

from collections import Counter

import pytest

from autotune.config.enums import Format
from autotune.data.words import entities
from autotune.errors import DataError


def sizes(rows) -> list[int]:
    return [len(data) for data in rows.splits.values()]


def test_the_empty_row_of_lener_br_on_the_hub_is_dropped(load, shared_data):
    tail = shared_data / "lener_br" / "hf_loader_validation_tail.jsonl"
    names = {0: "O", 3: "B-PESSOA", 4: "I-PESSOA", 5: "B-TEMPO"}
    rows = load("ner", tail, columns={"tags": "ner_tags"}, label_map=names)
    assert rows.splits["train"]["id"][:] == ["1173", "1174", "1175"]
    assert "train: rows without a word were dropped: 1 (row 3 (id 1176))" in rows.notes
    with pytest.raises(DataError, match="dataset.label_map"):
        load("ner", tail, columns={"tags": "ner_tags"})


def test_votes_of_told_br_are_mapped_to_classes(load, shared_data):
    votes = {0: "limpo", 1: None, 2: "insulto", 3: "insulto"}
    rows = load(
        "sentiment", shared_data / "told_br" / "ToLD-BR.csv", columns={"label": "insult"}, label_map=votes
    )
    assert Counter(rows.splits["train"]["label"]) == {"limpo": 16615, "insulto": 1352 + 517}
    assert any("to null: 2516" in note for note in rows.notes)


def test_harem(load, shared_data):
    """Its selective scenario."""
    splits = {
        "train": "FirstHAREM-selective-train.json",
        "validation": "FirstHAREM-selective-dev.json",
        "test": "MiniHAREM-selective.json",
    }
    rows = load("ner", shared_data / "harem", format=Format.spans, splits=splits)
    assert sizes(rows) == [121, 8, 128]
    counts = [sum(len(list(entities(tags))) for tags in data["tags"]) for data in rows.splits.values()]
    assert counts == [3984, 167, 3018]
    assert any("trimmed" in note for note in rows.notes)


def test_the_two_scenarios_of_harem_are_not_mixed_up(load, shared_data):
    with pytest.raises(DataError, match="several files may be train"):
        load("ner", shared_data / "harem", format=Format.spans)


@pytest.mark.parametrize(
    ("name", "counts", "test"),
    [("reli", {"1": 2070, "-1": 438}, 627), ("repro", {"1": 3301, "-1": 2759}, 1516)],
)
def test_reviews_with_labels_of_minus_one_and_one(load, shared_data, name, counts, test):
    rows = load("sentiment", shared_data / name)
    assert Counter(rows.splits["train"]["label"]) == counts
    assert len(rows.splits["test"]) == test


def test_minutes_of_a_municipality_stay_together(load, shared_data):
    rows = load(
        "summarization",
        shared_data / "citilink" / "citilink_summ_sample.jsonl",
        columns={"document": "text", "group": "municipality"},
        validation_fraction=0.2,
        test_fraction=0.2,
    )
    assert sum(sizes(rows)) == 158
    groups = [set(data["group"]) for data in rows.splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 6
