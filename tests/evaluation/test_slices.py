"""Slices of a split against scores counted by hand."""

import numpy as np
import pytest
from datasets import Dataset

from autotune.evaluation.slices import FEW_ROWS, Slice, slices
from autotune.registry import task as find
from tests.tasks.conftest import words_row


class Sentiment(find("sentiment")):
    """Two classes, without a model."""

    def __init__(self) -> None:
        self.facts = {"labels": ["não", "sim"]}
        self.ids = {"não": 0, "sim": 1}


class Ner(find("ner")):
    """Without a model."""

    def __init__(self) -> None:
        pass


def by_key(parts: list[Slice]) -> dict[tuple[str, str], Slice]:
    return {(part.by, part.name): part for part in parts}


def test_classes_are_sliced_by_length_label_leak_and_column():
    rows = [
        {"id": "x", "text": "palavra " * length, "label": label, "slices": [source]}
        for length, label, source in [
            (1, "sim", "app"), (2, "não", "app"), (3, "sim", ""), (4, "não", "site"), (5, "sim", "site"), (6, "sim", "site"),
            (7, "não", "site"), (8, "sim", "site"),
        ]
    ]  # fmt: skip
    predictions = [{"prediction": name} for name in ("sim", "não", "não", "não", "sim", "não", "não", "não")]
    data = Dataset.from_list(rows)
    leaked = np.array([True, True, False, False, False, False, False, False])
    parts = slices(Sentiment(), data, data, predictions, leaked, ["fonte"], seed=1)
    found = by_key(parts)
    assert [part.name for part in parts if part.by == "length in words"] == ["1–2", "3–4", "5–6", "7–8"]
    assert found["label", "sim"].metric == "accuracy" and found["label", "sim"].score == pytest.approx(2 / 5)
    assert found["label", "não"].score == 1 and found["label", "não"].rows == 3
    assert found["rows", "seen in train"].score == 1 and found["rows", "not in train"].rows == 6
    assert found["column fonte", "site"].rows == 5
    # não: 2 right, 4 predicted; sim: 1 right of 3. F1 2·2/6 and 2·1/4.
    assert found["column fonte", "site"].score == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert [part.name for part in parts if part.by == "column fonte"] == ["app", "site", "empty"]
    low, high = found["label", "sim"].interval
    assert low < 0.4 < high and all(part.few == (part.rows < FEW_ROWS) for part in parts)


def test_entities_are_sliced_by_type_and_by_what_train_has():
    train = Dataset.from_list([words_row(0, ["São", "Luís", "venceu"], ["B-LOC", "I-LOC", "O"])])
    rows = Dataset.from_list([
        words_row(0, ["são", "luís", "e", "Ana"], ["B-LOC", "I-LOC", "O", "B-PES"]),
        words_row(1, ["Belém", "chora"], ["B-LOC", "O"]),
    ])  # fmt: skip
    predictions = [{"prediction": ["B-LOC", "I-LOC", "O", "B-LOC"]}, {"prediction": ["B-LOC", "O"]}]
    found = by_key(slices(Ner(), train, rows, predictions, np.array([False, False]), [], seed=1))
    assert {key: (part.rows, part.score) for key, part in found.items() if key[0] != "length in words"} == {
        ("entity type", "LOC"): (2, pytest.approx(2 * 2 / (3 + 2))),
        ("entity type", "PES"): (1, 0),
        ("entities", "seen in train"): (1, 1),
        ("entities", "not in train"): (2, pytest.approx(2 * 1 / (2 + 2))),
    }


def test_rare_values_of_a_column_are_together():
    rows = Dataset.from_list([
        {"id": "x", "text": "uma frase", "label": "sim", "slices": [str(min(number, 25))]} for number in range(50)
    ])  # fmt: skip
    parts = slices(Sentiment(), rows, rows, [{"prediction": "sim"}] * 50, None, ["ano"], seed=1)
    of_column = [part for part in parts if part.by == "column ano"]
    assert len(of_column) == 21 and of_column[-1].name == "other values"
    assert sum(part.rows for part in of_column) == 50
