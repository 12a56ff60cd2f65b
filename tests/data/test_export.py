"""Rows written to every form and read back; what a form cannot hold is refused."""

import itertools
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from datasets import Dataset
from datasets.table import InMemoryTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotune.config.columns import canonical_features
from autotune.config.enums import Format, Normalize
from autotune.config.formats import WRITABLE, Form, form_of
from autotune.config.schema import DatasetConfig
from autotune.data.export import export
from autotune.data.sources import load_rows
from autotune.data.words import Span, words_from_spans
from autotune.errors import ConfigError, DataError

from .conftest import COLUMNS

OF_WORDS = [form for form in Form if form is not Form.fasttext]
"""What words with tags can be written as."""
TABLES = (Form.csv, Form.tsv, Form.json, Form.jsonl, Form.parquet, Form.arrow, Form.xlsx)
LETTERS = "aãÇ1,;\"'#=\t\\ \n😀|[{\u00a0"
OWN = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


numbers = itertools.count()


def dataset(task: str, rows) -> Dataset:
    features = canonical_features(COLUMNS[task])
    schema = type(features)({name: features[name] for name in features if name in rows[0]}).arrow_schema
    # With a fingerprint of its own: computing one takes longer than all else that is done with so few rows.
    return Dataset(InMemoryTable.from_pylist(rows, schema=schema), fingerprint=f"rows-{next(numbers)}")


def target_of(folder: Path, form: Form) -> Path:
    """A file where the form has a suffix, else a folder."""
    names = {Form.spans: "a.jsonl"} | {form: f"a{suffix}" for suffix, form in reversed(WRITABLE.items())}
    return folder / names.get(form, "a")


def read_back(task: str, path: Path, form: Form, **options):
    known = Format.csv if form is Form.tsv else Format(form)
    config = DatasetConfig(
        path=str(path), format=known, validation_fraction=0.0, normalize=Normalize.none, **options
    )
    with TemporaryDirectory() as cache:
        rows = load_rows(config, COLUMNS[task], cache=Path(cache)).splits
        return {split: list(data) for split, data in rows.items()}


def round_trip(task: str, rows, form: Form, **options):
    with TemporaryDirectory() as folder:
        path = target_of(Path(folder), form)
        export({"train": dataset(task, rows)}, COLUMNS[task], path, form)
        return read_back(task, path, form, **options)["train"]


def numbered(rows):
    return [{**row, "id": str(number)} for number, row in enumerate(rows)]


texts = st.text(LETTERS, min_size=1, max_size=12).filter(str.strip)
reviews = st.lists(
    st.fixed_dictionaries({"text": texts, "label": st.sampled_from(["bom", "não", "1", "a;b", "True"])}),
    min_size=1,
    max_size=4,
).map(numbered)


@pytest.mark.parametrize("form", TABLES)
@OWN
@given(rows=reviews)
def test_texts_with_labels_come_back(form, rows):
    try:
        assert round_trip("sentiment", rows, form) == rows
    except DataError as error:
        # Lines inside a quoted field may look like rows, which reading refuses, so writing does, too.
        assert form in (Form.csv, Form.tsv) and any("\n" in row["text"] for row in rows)
        assert "cannot hold" in str(error)


@st.composite
def tagged(draw):
    """A text with entities, parted as usual, as canonical rows hold it."""
    pieces = draw(
        st.lists(st.tuples(st.text("aãÇ1😀", min_size=1, max_size=4), st.sampled_from("OPL")), min_size=1)
    )
    blanks = draw(
        st.lists(st.sampled_from([" ", "  ", "\n", ", "]), min_size=len(pieces), max_size=len(pieces))
    )
    text, spans = "", []
    for (word, label), blank in zip(pieces, blanks, strict=True):
        if label != "O":
            spans.append(Span(len(text), len(text) + len(word), label))
        text += word + blank
    tokens, starts, tags = words_from_spans(text, spans)
    return {"tokens": tokens, "tags": tags, "text": text, "starts": starts}


sentences = st.lists(tagged(), min_size=1, max_size=3).map(numbered)


def bare(rows):
    """Rows as words and tags alone say them."""
    made = []
    for row in rows:
        text, starts = "", []
        for token in row["tokens"]:
            starts.append(len(text))
            text += f"{token} "
        made.append({**row, "text": text[:-1], "starts": starts})
    return made


@pytest.mark.parametrize("form", [*TABLES, Form.spans, Form.brat])
@OWN
@given(rows=sentences)
def test_texts_with_entities_come_back(form, rows):
    try:
        assert round_trip("ner", rows, form) == rows
    except DataError as error:
        assert form in (Form.csv, Form.tsv) and "cannot hold" in str(error)


@OWN
@given(rows=sentences)
def test_words_with_tags_come_back_from_conll(rows):
    assert round_trip("ner", rows, Form.conll) == bare(rows)


@pytest.mark.parametrize("form", [*TABLES, Form.spans])
def test_words_of_the_data_come_back(form):
    row = {"id": "d1", "tokens": ["São Luís", "(MA)."], "tags": ["B-L", "O"]}
    row |= {"text": "Em São Luís, (MA).", "starts": [3, 13]}
    assert round_trip("ner", [row], form) == [row]


@pytest.mark.parametrize("form", TABLES)
def test_summaries_and_groups_come_back(form):
    rows = numbered([{"document": "a\nb", "summary": "ç;\t,", "group": "x"}])
    columns = DatasetConfig(path="x").columns
    columns.group = "group"
    assert round_trip("summarization", rows, form, columns=columns) == rows


NER = {"id": "0", "tokens": ["Ana", "ri"], "tags": ["B-P", "O"], "text": "Ana ri", "starts": [0, 4]}
REVIEW = {"id": "0", "text": "bom", "label": "x"}


def spoiled(token: str, **more):
    return {**bare([{**NER, "tokens": ["Ana", token]}])[0], **more}


@pytest.mark.parametrize(
    ("task", "row", "form", "parts"),
    [
        ("ner", spoiled("São Luís"), "conll", ["no blank", "tokens, 1", "'São Luís'", "--to spans"]),
        ("ner", spoiled(""), "conll", ["no empty word", "tokens, 1"]),
        ("ner", spoiled("ri", tags=["B-P Q", "O"]), "conll", ["no blank", "tags, 0"]),
        ("ner", spoiled("ri", tokens=[], tags=[], starts=[], text=""), "conll", ["no row without words"]),
        ("ner", spoiled("\ufeff", id="a/b"), "brat", ["not a valid file name", "a/b"]),
        ("ner", spoiled("ri", tags=["B-P Q", "O"]), "brat", ["no blank in a label", "'P Q'"]),
        ("ner", spoiled("\u00a0"), "spans", ["cannot hold this tokens", "row 0 (id 0)"]),
        ("sentiment", {**REVIEW, "text": "a\0b"}, "csv", ["csv cannot hold", "NUL"]),
        ("sentiment", {**REVIEW, "text": "a_x000D_"}, "xlsx", ["xlsx cannot hold this text", r"'a\r'"]),
        ("sentiment", {**REVIEW, "text": "a\x07b"}, "xlsx", ["control characters", "column text"]),
        ("sentiment", {**REVIEW, "text": "a" * 40_000}, "xlsx", ["32,767 characters", "40,000"]),
        ("sentiment", REVIEW, "conll", ["the task has none", "--to jsonl"]),
    ],
)
def test_what_a_form_cannot_hold_is_refused_and_nothing_stays(tmp_path, task, row, form, parts):
    target = target_of(tmp_path, Form(form))
    with pytest.raises((DataError, ConfigError)) as caught:
        export({"train": dataset(task, [row])}, COLUMNS[task], target, Form(form))
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert not list(tmp_path.rglob("*.*")) and not target.exists()


def test_two_documents_of_brat_have_two_names(tmp_path):
    with pytest.raises(DataError, match="two rows have this id"):
        export({"train": dataset("ner", [NER, NER])}, COLUMNS["ner"], tmp_path / "b", Form.brat)


def test_what_is_lost_is_said(tmp_path):
    row = {"id": "d", "tokens": ["São Luís"], "tags": ["O"], "text": "em São Luís", "starts": [3]}
    (note,) = export({"train": dataset("ner", [row])}, COLUMNS["ner"], tmp_path / "b", Form.brat)
    assert note.startswith("train: brat holds no words")
    row["tokens"], row["starts"] = ["em"], [0]
    notes = export({"train": dataset("ner", [row])}, COLUMNS["ner"], tmp_path / "c.conll", Form.conll)
    assert any("no ids" in note for note in notes) and any("the text between" in note for note in notes)
    assert export({"train": dataset("ner", [NER])}, COLUMNS["ner"], tmp_path / "d.conll", Form.conll) == []


@pytest.mark.parametrize("form", OF_WORDS)
def test_several_splits_are_a_folder(tmp_path, form):
    splits = {split: dataset("ner", [NER]) for split in ("train", "validation", "test")}
    export(splits, COLUMNS["ner"], tmp_path / "a", form)
    back = read_back("ner", tmp_path / "a", form)
    assert back == {split: [NER] for split in splits}
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        export(splits, COLUMNS["ner"], tmp_path / "a", form)


def test_several_splits_are_not_one_file(tmp_path):
    splits = {split: dataset("ner", [NER]) for split in ("train", "test")}
    with pytest.raises(ConfigError, match=r"(?s)2 splits.*a --to csv"):
        export(splits, COLUMNS["ner"], tmp_path / "a.csv", Form.csv)


def test_one_split_may_be_a_folder_too(tmp_path):
    export({"train": dataset("ner", [NER])}, COLUMNS["ner"], tmp_path / "a", Form.jsonl)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "train.jsonl"]


@pytest.mark.parametrize(
    ("name", "wanted", "form"),
    [("a.csv", None, "csv"), ("a.jsonl", "spans", "spans"), ("a", "brat", "brat"), ("a.BIO", None, "conll")],
)
def test_the_name_says_the_form(name, wanted, form):
    assert form_of(Path(name), wanted) is Form(form)


@pytest.mark.parametrize(
    ("name", "wanted", "part"),
    [
        ("a", None, "--to FORM"),
        ("a.csv", "json", "says csv"),
        ("a", "doc", "unknown output format 'doc'"),
        ("a.x", None, ".csv"),
    ],
)
def test_a_name_that_does_not_is_refused(name, wanted, part):
    with pytest.raises(ConfigError) as caught:
        form_of(Path(name), wanted)
    assert part in str(caught.value)


def test_reviews_have_the_same_fingerprint_through_every_door(tmp_path, load):
    rows = [{"text": f'Não, "{number}"; é\tassim\n=😀', "label": "ab"[number % 2]} for number in range(20)]
    splits = {split: dataset("sentiment", numbered(rows)) for split in ("train", "test")}
    prints = set()
    for form in TABLES:
        export(splits, COLUMNS["sentiment"], tmp_path / form, form)
        prints.add(load("sentiment", tmp_path / form, validation_fraction=0.2).fingerprint)
    assert len(prints) == 1


def test_sentences_have_the_same_fingerprint_through_every_door(tmp_path, load):
    rows = numbered(
        bare([{**NER, "tokens": [*"ãb", f"{number}"], "tags": ["B-P", "I-P", "O"]} for number in range(12)])
    )
    splits = {split: dataset("ner", rows) for split in ("train", "validation")}
    prints = set()
    for form in OF_WORDS:
        export(splits, COLUMNS["ner"], tmp_path / form, form)
        prints.add(load("ner", tmp_path / form).fingerprint)
    assert len(prints) == 1


def test_our_spans_name_words_and_entities(tmp_path):
    export({"train": dataset("ner", [NER])}, COLUMNS["ner"], tmp_path / "a.jsonl", Form.spans)
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8")) == {
        "id": "0",
        "text": "Ana ri",
        "tokens": [{"text": "Ana", "start": 0, "end": 3}, {"text": "ri", "start": 4, "end": 6}],
        "spans": [{"start": 0, "end": 3, "label": "P"}],
    }
