"""Texts with entities as annotation tools export them: the same rows from every tool, and what is refused."""

import json

import pytest

from autotune.config.column_names import ColumnsConfig
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.sources import load_file
from autotune.errors import DataError

from .conftest import COLUMNS

TEXT = "João mora em São Luís."
SPANS = [{"start": 0, "end": 4, "label": "PESSOA"}, {"start": 13, "end": 21, "label": "LOCAL"}]
TRIPLES = [[one["start"], one["end"], one["label"]] for one in SPANS]
OFFSETS = [{"start_offset": start, "end_offset": end, "label": label} for start, end, label in TRIPLES]
TOKENS = ["João", "mora", "em", "São", "Luís", "."]
TAGS = ["B-PESSOA", "O", "O", "B-LOCAL", "I-LOCAL", "O"]


def regions(spans=SPANS):
    """Results of Label Studio for spans."""
    return [
        {
            "id": f"r{number}",
            "type": "labels",
            "from_name": "label",
            "to_name": "text",
            "value": {**{name: one[name] for name in ("start", "end")}, "labels": [one["label"]]},
        }
        for number, one in enumerate(spans)
    ]


def studio(*annotations, **data):
    return {"id": 7, "data": data or {"text": TEXT}, "annotations": list(annotations), "predictions": []}


EXPORTS = {
    "ours": {"text": TEXT, "spans": SPANS},
    "triples": {"text": TEXT, "spans": TRIPLES},
    "doccano": {"id": 1, "text": TEXT, "label": TRIPLES, "Comments": []},
    "doccano, text called data": {"id": 1, "data": TEXT, "label": TRIPLES},
    "doccano, labels": {"text": TEXT, "labels": TRIPLES},
    "doccano, entities": {"text": TEXT, "entities": OFFSETS},
    "doccano, relations": {
        "id": 1,
        "text": TEXT,
        "entities": [{"id": number, **one} for number, one in enumerate(OFFSETS)],
        "relations": [{"id": 0, "from_id": 0, "to_id": 1, "type": "mora_em"}],
        "Comments": [],
    },
    "label studio": studio({"was_cancelled": False, "result": regions()}),
    "label studio, min": {
        "id": 1,
        "text": TEXT,
        "label": [{**one["value"], "text": TEXT[slice(*TRIPLES[n][:2])]} for n, one in enumerate(regions())],
        "annotator": 1,
        "annotation_id": 1,
    },
    "label studio, min, named by the user": {
        "text": TEXT,
        "entidades": [one["value"] for one in regions()],
        "annotation_id": 1,
    },
    "spacy": [TEXT, {"entities": TRIPLES}],
    "spacy, doc": {"text": TEXT, "ents": SPANS},
    "prodigy": {"text": TEXT, "_task_hash": 5, "spans": SPANS, "answer": "accept"},
    "harem": {"doc_id": "d", "doc_text": TEXT, "entities": [{"entity_id": 0, "text": "João", **OFFSETS[0]}]},
}


def train(load, path, **options):
    return load("ner", path, **options).splits["train"]


def refused(load, path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load("ner", path, **options)
    return str(caught.value)


@pytest.mark.parametrize("form", [Format.auto, Format.spans])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("tool", EXPORTS)
def test_every_tool_gives_the_same_words_and_tags(load, write, tool, suffix, form):
    row = EXPORTS[tool]
    text = json.dumps([row] if suffix == "json" else row, ensure_ascii=False)
    (read,) = train(load, write(f"a.{suffix}", text), format=form)
    assert read["text"] == TEXT
    assert read["tokens"] == TOKENS
    assert read["tags"] == (TAGS if tool != "harem" else [*TAGS[:3], "O", "O", "O"])


def test_one_object_of_label_studio_or_spacy_is_a_row(load, write):
    for row in (EXPORTS["label studio"], {**EXPORTS["spacy, doc"], "sents": [], "tokens": []}):
        assert train(load, write("a.json", json.dumps(row)))["tags"][:] == [TAGS]


def test_rows_with_words_and_tags_are_no_export(load, write):
    row = {"text": "x", "tokens": ["a"], "tags": ["O"], "label": []}
    assert train(load, write("a.jsonl", [row]))["tokens"][:] == [["a"]]
    named = {"text": "x", "words": ["a"], "ner": ["O"], "label": []}
    columns = {"tokens": "words", "tags": "ner"}
    assert train(load, write("b.jsonl", [named]), columns=columns)["tokens"][:] == [["a"]]


def test_a_label_of_another_task_is_no_entity(load, write):
    assert "dataset.columns.tokens" in refused(load, write("a.jsonl", [{"text": "x", "label": ["bom"]}]))


def test_what_looks_like_spans_stays_as_it_is_where_the_task_has_no_words(load, write):
    rows = [{"text": "x", "label": "bom", "spans": []}]
    assert load("sentiment", write("a.jsonl", rows)).splits["train"]["label"][:] == ["bom"]


def test_columns_may_be_named(load, write):
    row = {"frase": TEXT, "nomes": TRIPLES, "label": "x"}
    columns = {"text": "frase", "spans": "nomes"}
    assert train(load, write("a.jsonl", [row]), columns=columns)["tags"][:] == [TAGS]


def test_the_text_of_an_export_may_be_named(load, write):
    row = {
        "frase": TEXT,
        "autor": "Ana",
        "entidades": [one["value"] for one in regions()],
        "annotation_id": 1,
    }
    assert train(load, write("a.jsonl", [row]), columns={"text": "frase"})["tags"][:] == [TAGS]


def test_real_spans_are_found_without_a_word(load, shared_data):
    path = shared_data / "harem" / "FirstHAREM-selective-dev.json"
    assert load("ner", path).fingerprint == load("ner", path, format=Format.spans).fingerprint


def test_rows_that_prodigy_did_not_accept_are_dropped_and_counted(load, write):
    accepted = EXPORTS["prodigy"]
    rows = [accepted, {**accepted, "answer": "reject"}, {**accepted, "answer": "ignore"}]
    path = write("a.jsonl", rows)
    loaded = load("ner", path)
    assert len(loaded.splits["train"]) == 1
    assert any("rejected or ignored were left out: 2" in note for note in loaded.notes)
    config = DatasetConfig(path=str(path))
    assert len(load_file(str(path), config, COLUMNS["ner"], cache=path.parent / "cache")) == 3


def test_a_row_without_the_key_has_no_entities_where_the_tool_leaves_it_out(load, write):
    rows = [{"text": "Oi", "_task_hash": 1, "answer": "accept"}, EXPORTS["prodigy"]]
    assert train(load, write("a.jsonl", rows))["tags"][:] == [["O"], TAGS]
    rows = [{"text": "Oi", "annotation_id": 2}, EXPORTS["label studio, min"]]
    assert train(load, write("b.jsonl", rows))["tags"][:] == [["O"], TAGS]


WHOLE = [[0, 4], [5, 9], [10, 12], [13, 21], [21, 22]]


@pytest.mark.parametrize("tool", ["prodigy", "spacy, doc"])
def test_the_words_of_the_data_are_kept(load, write, tool):
    tokens = [{"id": number, "start": start, "end": end} for number, (start, end) in enumerate(WHOLE)]
    (read,) = train(load, write("a.jsonl", [{**EXPORTS[tool], "tokens": tokens}]))
    assert read["tokens"] == ["João", "mora", "em", "São Luís", "."]
    assert read["starts"] == [0, 5, 10, 13, 21]
    assert read["tags"] == ["B-PESSOA", "O", "O", "B-LOCAL", "O"]


def test_words_of_the_data_are_kept_in_prediction_and_in_another_normal_form(load, write):
    text = "Sa\u0303o Luís"
    path = write("a.jsonl", [{"text": text, "tokens": [{"start": 0, "end": 9}], "_task_hash": 1}])
    config = DatasetConfig(path=str(path))
    (read,) = load_file(str(path), config, COLUMNS["ner"], cache=path.parent / "cache")
    assert (read["tokens"], read["starts"]) == (["São Luís"], [0])


def test_a_word_that_an_entity_cuts_becomes_two_and_no_entity_is_lost(load, write):
    tokens = [{"start": 0, "end": 9}, {"start": 10, "end": 12}]
    (read,) = train(load, write("a.jsonl", [{**EXPORTS["ours"], "tokens": tokens}]))
    assert read["tokens"] == TOKENS  # São Luís has no word in the data, so the text is parted as usual
    row = {"text": TEXT, "spans": SPANS[:1], "tokens": tokens}
    assert train(load, write("b.jsonl", [row]))["tokens"][:] == [["João", "mora", "em"]]


def test_words_that_overlap_are_refused(load, write):
    tokens = [{"start": 0, "end": 4}, {"start": 3, "end": 9}]
    message = refused(load, write("a.jsonl", [{**EXPORTS["ours"], "tokens": tokens}]))
    assert "row 0" in message and "3..9 behind 4" in message


def test_the_first_annotation_that_was_not_cancelled_counts(load, write):
    one, other = {"result": regions()}, {"result": []}
    cancelled = {"was_cancelled": True, "result": []}
    rows = load("ner", write("a.json", json.dumps([studio(cancelled, one, other), studio(cancelled)])))
    assert rows.splits["train"]["tags"][:] == [TAGS]
    assert any("several annotations; only the first was read: 1" in note for note in rows.notes)
    assert any("skipped were left out: 1" in note for note in rows.notes)


def test_results_that_are_no_entities_are_counted(load, write):
    results = [
        *regions(),
        {"type": "choices", "value": {"choices": ["bom"]}},
        {"type": "relation", "from_id": "r0", "to_id": "r1"},
        {"type": "labels", "value": {"start": 5, "end": 9, "labels": []}},
    ]
    rows = load("ner", write("a.json", json.dumps([studio({"result": results})])))
    assert rows.splits["train"]["tags"][:] == [TAGS]
    assert any("not entities (relations, choices) were left out: 2" in note for note in rows.notes)
    assert any("without a label were left out: 1" in note for note in rows.notes)


def test_the_text_of_a_task_is_the_one_that_is_named_or_the_only_one(load, write):
    annotation = {"result": regions()}
    path = write("a.json", json.dumps([studio(annotation, frase=TEXT, nota=3)]))
    assert train(load, path)["text"][:] == [TEXT]
    path = write("b.json", json.dumps([studio(annotation, frase=TEXT, autor="Ana")]))
    assert "dataset.columns.text=frase" in refused(load, path)
    assert train(load, path, columns={"text": "frase", "group": "autor"})["group"][:] == ["Ana"]


def test_a_task_without_annotations_is_refused_in_training_only(load, write):
    path = write("a.json", json.dumps([studio({"result": regions()}), studio()]))
    assert "row 1 (id 7)" in refused(load, path)
    read = load_file(str(path), DatasetConfig(path="x"), COLUMNS["ner"], cache=path.parent / "cache")
    assert read["tags"][:] == [TAGS, None]


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (
            {"text": "Ana", "label": [{"start": 0, "end": 3, "labels": ["A", "B"]}]},
            ["several labels", "row 0"],
        ),
        ({"text": "Ana", "spans": [{"start": 0, "label": "A"}]}, ["{start, end, label}", "row 0"]),
        ({"text": "Ana", "spans": [[0, 3, "A"], [1, 2, "B"]]}, ["overlap", "row 0"]),
        ({"text": "Ana", "spans": [[0, 9, "A"]]}, ["leaves its text", "0..9"]),
        (
            {"text": "Ana Sá", "spans": [{"start": 0, "end": 3, "label": "A", "text": "Sá"}]},
            ["not the text at its offsets", "'Sá'", "'Ana'"],
        ),
        ({"text": "Ana", "spans": None}, ["no spans", "row 0"]),
        (studio({"result": [{"value": {"start": "/p[1]", "startOffset": 3}}]}), ["HTML", "row 0"]),
    ],
)
def test_what_no_tag_can_say_is_refused(load, write, row, parts):
    message = refused(load, write("a.jsonl", [row]), format=Format.spans)
    assert all(part in message for part in parts), message


def test_offsets_in_utf16_units_are_found_out_by_the_text_of_the_entity(load, write):
    text = "😀😀 Ana ri"
    entity = {"start": 5, "end": 8, "text": "Ana", "labels": ["P"]}
    rows = load("ner", write("a.jsonl", [{"text": text, "label": [entity], "annotation_id": 1}]))
    (read,) = rows.splits["train"]
    assert (read["tokens"], read["tags"]) == (["😀", "😀", "Ana", "ri"], ["O", "O", "B-P", "O"])
    assert any("UTF-16" in note for note in rows.notes)


def test_ids_of_harem_are_ids(load, write):
    assert train(load, write("a.json", json.dumps([EXPORTS["harem"]])))["id"][:] == ["d"]


def test_a_column_of_spans_in_parquet_is_read(load, tmp_path):
    from datasets import Dataset

    Dataset.from_list([{"text": TEXT, "spans": SPANS}]).to_parquet(tmp_path / "a.parquet")
    assert train(load, tmp_path / "a.parquet")["tags"][:] == [TAGS]
    columns = ColumnsConfig(text="text")
    assert train(load, tmp_path / "a.parquet", columns={"text": columns.text})["tags"][:] == [TAGS]
