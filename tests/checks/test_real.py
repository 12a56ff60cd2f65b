"""Real data sets: the check reads the rows and finds the defects that their sources state."""

import json
from collections import Counter

import pytest
from safetensors.torch import save_file

from autotune.data.sources import Rows, load_rows
from autotune.data.words import entities


@pytest.fixture
def read(monkeypatch) -> list[Rows]:
    """What each check has read: these files are large, and reading them once is enough."""
    kept: list[Rows] = []

    def keep(*args, **options) -> Rows:
        kept.append(load_rows(*args, **options))
        return kept[-1]

    monkeypatch.setattr("autotune.pipeline.prepare.load_rows", keep)
    return kept


def sizes(rows: Rows) -> list[int]:
    return [len(data) for data in rows.splits.values()]


def entity_counts(data) -> Counter[str]:
    return Counter(name for tags in data["tags"] for name, _, _ in entities(tags))


@pytest.fixture
def bertimbau(here, shared_data) -> str:
    """BERTimbau's config and vocabulary, without its weights."""
    folder = here / "bertimbau"
    folder.mkdir()
    pieces = (shared_data / "tokenizers" / "bertimbau_cased_vocab.txt").read_text("utf-8")
    (folder / "vocab.txt").write_text(pieces, "utf-8")
    config = {"model_type": "bert", "vocab_size": 29794, "max_position_embeddings": 512}
    (folder / "config.json").write_text(json.dumps(config))
    save_file({}, folder / "model.safetensors")
    return f"model.name_or_path={folder}"


def test_lener_br(check, read, bertimbau, shared_data):
    found = check("task=ner", "dataset=conll", f"dataset.path={shared_data / 'lener_br'}", "model=custom", bertimbau,
                  "check.near_duplicates=null")  # fmt: skip
    assert found.code == 0
    (rows,) = read
    assert sizes(rows) == [7827, 1176, 1389]
    assert rows.notes == []
    assert [sum(map(len, data["tokens"])) for data in rows.splits.values()] == [229277, 41166, 47630]
    assert entity_counts(rows.splits["test"]) == {
        "ORGANIZACAO": 501,
        "LEGISLACAO": 378,
        "PESSOA": 233,
        "TEMPO": 192,
        "JURISPRUDENCIA": 185,
        "LOCAL": 47,
    }
    train = found.report["lengths"]["splits"]["train"]
    assert (train["rows_beyond"], train["longest"]) == (9, 1009)
    assert train["units"] == {"tokens": 364584, "words": 229277, "entities": 8894}
    assert train["beyond"]["entities"] == 47
    duplicates = found.report["duplicates"]
    assert duplicates["train"]["exact"] == 1646
    assert (duplicates["test in train"]["exact"], duplicates["test in train"]["exact_texts"]) == (182, 98)
    assert duplicates["texts with several answers"] == 41
    assert found.one("have no word piece")["count"] == 1
    assert "º" in found.one("unknown tokens")["found"]
    assert not found.says("vocabulary has no")
    assert found.report["model"]["parameters"] == pytest.approx(108e6, rel=0.02)


def test_the_empty_row_of_lener_br_on_the_hub(check, shared_data):
    tail = shared_data / "lener_br" / "hf_loader_validation_tail.jsonl"
    found = check("task=ner", "dataset=jsonl", f"dataset.path={tail}", "dataset.columns.tags=ner_tags",
                  "dataset.label_map={0: O, 3: B-PESSOA, 4: I-PESSOA, 5: B-TEMPO}", "dataset.validation_fraction=0")  # fmt: skip
    assert "(row 3 (id 1176))" in found.one("rows without a word were dropped: 1")["what"]


def test_documents_of_harem(check, read, bertimbau, shared_data):
    splits = [f"dataset.splits.{split}={name}" for split, name in {
        "train": "FirstHAREM-total-train.json", "validation": "FirstHAREM-total-dev.json",
        "test": "MiniHAREM-total.json"}.items()]  # fmt: skip
    found = check("task=ner", "dataset=spans", f"dataset.path={shared_data / 'harem'}", *splits, "model=custom",
                  bertimbau, "check.near_duplicates=null")  # fmt: skip
    (rows,) = read
    assert sizes(rows) == [121, 8, 128]
    counts = [entity_counts(data) for data in rows.splits.values()]
    assert [counter.total() for counter in counts] == [4783, 233, 3642]
    assert (counts[2]["LOCAL"], counts[2]["OUTRO"]) == (879, 14)
    assert any("trimmed" in note for note in rows.notes)
    lengths = found.report["lengths"]["splits"]
    assert (lengths["train"]["rows_beyond"], lengths["test"]["rows_beyond"]) == (62, 50)
    assert lengths["train"]["longest"] == pytest.approx(9859, abs=2)
    assert lengths["train"]["beyond"]["entities"] > 1000
    assert "nothing is lost" in found.of("lengths")[0]["what"]
    assert found.one("U+FFFD" if found.says("U+FFFD") else "control characters")


def test_told_br_with_line_breaks_inside_fields(check, read, shared_data):
    words = ("dataset=csv", f"dataset.path={shared_data / 'told_br'}", "dataset.columns.label=toxic")
    found = check(*words, "check.near_duplicates=null")
    assert found.one("U+FFFD")["count"] == 91
    assert found.one("different answers")["count"] == 59
    leaks = found.report["duplicates"]["test in train"]
    assert leaks["exact"] == 30
    reported = {split: about["rows"] for split, about in found.report["splits"].items()}
    assert reported == {"train": 16800, "validation": 2100, "test": 2100}
    (rows,) = read
    assert sizes(rows) == [16800, 2100, 2100]
    assert Counter(rows.splits["train"]["label"]) == {"0": 9425, "1": 7375}
    assert sum("\n" in text for text in rows.splits["train"]["text"]) > 1000
    some = check(*words, "dataset.splits.train=train[:1000]", "dataset.splits.validation=null")
    assert some.report["duplicates"]["test in train"]["near"] > 1


def test_reli(check, shared_data):
    found = check(
        "dataset=csv",
        f"dataset.path={shared_data / 'reli'}",
        "check.near_duplicates=null",
        "dataset.validation_fraction=0",
    )
    leaks = found.report["duplicates"]["test in train"]
    assert (leaks["exact_texts"], leaks["exact"]) == (24, 28)
    assert found.report["duplicates"]["train"]["exact"] == 59
    clean = check(
        "dataset=csv",
        f"dataset.path={shared_data / 'reli'}",
        "dataset.dedup=leaks",
        "check.near_duplicates=null",
    )
    assert clean.report["duplicates"]["test in train"] == {
        "exact": 0,
        "alike": 0,
        "near": 0,
        "exact_texts": 0,
    }
