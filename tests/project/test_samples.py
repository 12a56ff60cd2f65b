"""The sample data that ship with the package: reproducible, clean, and fair as a first data set."""

import importlib.util
import json
import unicodedata
from collections import Counter
from itertools import combinations, pairwise
from types import ModuleType
from typing import Any

import pytest

from tests.support import ROOT

SAMPLES = ROOT / "autotune" / "assets" / "samples"
TASKS = ("sentiment", "ner", "summarization")
SMALL = ("classification", "multi_label", "ordinal", "regression")
ALL = (*TASKS, *SMALL)
SPLITS = ("train", "validation", "test")
ENTITIES = {"PESSOA", "LOCAL", "ORGANIZACAO", "TEMPO"}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "scripts" / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(task: str, split: str) -> list[Row]:
    return [json.loads(line) for line in (SAMPLES / task / f"{split}.jsonl").read_text("utf-8").splitlines()]


def text_of(row: Row) -> str:
    return " ".join(row["tokens"]) if "tokens" in row else row.get("text") or row["document"]


def test_the_generator_writes_the_same_bytes_again(generator, tmp_path):
    generator.main(tmp_path)
    written = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*.jsonl")}
    shipped = {str(file.relative_to(SAMPLES)): file.read_bytes() for file in SAMPLES.rglob("*.jsonl")}
    assert len(shipped) == len(ALL) * len(SPLITS)
    assert written == shipped


def test_the_samples_are_small():
    assert sum(file.stat().st_size for file in SAMPLES.rglob("*")) < 700_000
    assert all(sum(file.stat().st_size for file in (SAMPLES / task).iterdir()) < 40_000 for task in SMALL)


@pytest.mark.parametrize("task", TASKS)
def test_there_are_enough_rows_to_learn_from_and_to_score(task):
    sizes = [len(read(task, split)) for split in SPLITS]
    assert 400 <= sizes[0] <= 600
    assert sizes[1:] == [80, 120]


@pytest.mark.parametrize("task", ALL)
def test_every_row_has_its_own_id_and_normal_text(task):
    for split in SPLITS:
        rows = read(task, split)
        assert len({row["id"] for row in rows}) == len(rows)
        content = json.dumps(rows, ensure_ascii=False)
        assert unicodedata.is_normalized("NFC", content)
        assert all(character.isprintable() for character in content)
        assert not any(mark in text_of(row) for row in rows for mark in ("{", "}", "  "))


@pytest.mark.parametrize("task", ALL)
def test_the_texts_are_full_of_accents(task):
    letters = {letter for row in read(task, "train") for letter in text_of(row).lower()}
    assert set("ãõçéêíóôúàáâ") - letters <= set("õôàâ")


@pytest.mark.parametrize("task", ALL)
def test_no_row_nearly_repeats_one_of_another_split(task, generator):
    found = {split: [generator.triples(row) for row in read(task, split)] for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not {text_of(row) for row in read(task, one)} & {text_of(row) for row in read(task, other)}
        alike = max(len(a & b) / len(a | b) for a in found[one] for b in found[other])
        assert alike <= generator.ALIKE


@pytest.mark.parametrize("split", SPLITS)
def test_the_classes_of_the_reviews_are_balanced(split):
    counts = Counter(row["label"] for row in read("sentiment", split))
    assert set(counts) == {"negativo", "neutro", "positivo"}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_same_verdict_is_praise_and_with_a_negation_complaint():
    labels: dict[bool, set[str]] = {True: set(), False: set()}
    for row in read("sentiment", "train"):
        if "recomendo" in row["text"].lower() and row["label"] != "neutro":
            labels["não recomendo" in row["text"].lower()].add(row["label"])
    assert labels == {True: {"negativo"}, False: {"positivo"}}


@pytest.mark.parametrize("split", SPLITS)
def test_tags_are_legal_iob2_one_a_word(split):
    types = set()
    for row in read("ner", split):
        assert len(row["tokens"]) == len(row["tags"])
        for before, tag in pairwise(["O", *row["tags"]]):
            assert tag == "O" or tag[:2] in ("B-", "I-")
            assert not tag.startswith("I-") or before[2:] == tag[2:]
            types.add(tag[2:])
    assert types - {""} == ENTITIES


def test_most_names_of_the_test_split_are_new():
    known = {word for row in read("ner", "train") for word in row["tokens"]}
    names = [
        word
        for row in read("ner", "test")
        for word, tag in zip(row["tokens"], row["tags"], strict=True)
        if tag == "B-PESSOA"
    ]
    assert sum(name not in known for name in names) > 0.4 * len(names)


@pytest.mark.parametrize("split", SPLITS)
def test_summaries_are_one_sentence_of_facts_that_the_opening_does_not_tell(split):
    for row in read("summarization", split):
        opening, *rest = row["document"].split(". ")
        told = set(" ".join(rest).replace(".", "").lower().split())
        summary = row["summary"].rstrip(".").lower().split()
        assert 10 <= len(summary) <= 20
        assert sum(word in told for word in summary) >= 0.6 * len(summary)
        assert sum(word in opening.lower().split() for word in summary) < 0.4 * len(summary)


def test_messages_have_any_number_of_labels_and_every_label_both_ways():
    labels = [row["label"] for row in read("multi_label", "train")]
    assert {len(names) for names in labels} == {0, 1, 2, 3}
    shares = [
        sum(name in names for names in labels) / len(labels)
        for name in ("lixo", "iluminação", "ruído", "água")
    ]
    assert all(0.2 < share < 0.6 for share in shares)
