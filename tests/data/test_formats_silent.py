"""What would pass for data and cost the score: every case is refused in words, or read as it is meant."""

import json
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from autotune.config.columns import Column, Kind
from autotune.config.overrides import normalize_argv
from autotune.config.schema import DatasetConfig
from autotune.data.canonical import Converter
from autotune.data.formats.conll import read_conll
from autotune.data.formats.delimited import read_delimited
from autotune.data.formats.readers import format_of, read_rows
from autotune.data.labels import detect_tag_scheme, map_override
from autotune.errors import DataError, format_override

TEXT = [Column("text", Kind.text, target=False), Column("label", Kind.label, target=True)]
ENTITIES = [Column("tokens", Kind.words, target=False), Column("tags", Kind.tags, target=True)]


def converted(rows, columns=TEXT, **config):
    converter = Converter(columns, DatasetConfig(**config), "F", predicting=False, training=True, tags=None)
    return list(converter.convert(rows))


@pytest.mark.parametrize(
    ("tags", "proposed"),
    [
        (["B_PER", "I_PER"], "{B_PER: B-PER, I_PER: I-PER}"),
        (["PER-B", "PER-I"], "{PER-B: B-PER, PER-I: I-PER}"),
        (["b-per", "i-per"], "{b-per: B-PER, i-per: I-PER}"),
    ],
)
def test_tags_written_otherwise_are_no_types(tags, proposed):
    with pytest.raises(DataError, match="not written as O, B-… and I-…") as caught:
        detect_tag_scheme(DatasetConfig(), [[*tags, "O", "O", "O"]], "F")
    assert f"dataset.label_map={proposed}" in caught.value.fix


def test_a_map_that_is_proposed_keeps_the_one_given():
    assert (
        map_override(DatasetConfig(label_map={"a": None}), {"b": "c d"})
        == "'dataset.label_map={a: null, b: c d}'"
    )


@given(st.lists(st.text("aã'\" ,:{}[]#1-", min_size=1).map(str.strip).filter(bool), min_size=1))
def test_names_that_are_proposed_are_read_as_they_are_meant(names):
    (line,) = normalize_argv(shlex.split(format_override("dataset.labels", names)))
    assert list(map(str, OverridesParser.create().parse_override(line).value())) == names


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_counts_the_words_is_refused(tmp_path, first):
    path = tmp_path / "train.conll"
    sentence = f"{first} Ana B-PER\n{first + 1} foi O\n{first + 2} ali O\n"
    path.write_text(f"{sentence}\n{sentence}")
    with pytest.raises(DataError, match="holds numbers") as caught:
        list(read_conll(path, DatasetConfig(), []))
    assert caught.value.fix == "dataset.token_column=1"


def test_conllu_is_read_by_its_form_without_ranges_and_empty_nodes(tmp_path):
    path = tmp_path / "train.conllu"
    ids, forms = ["1", "2-3", "2", "3", "3.1", "4"], ["Vou", "ao", "a", "o", "x", "Rio"]
    tags = ["O", "_", "O", "O", "_", "B-LOC"]
    lines = ["\t".join([one, form, *["_"] * 7, tag]) for one, form, tag in zip(ids, forms, tags, strict=True)]
    path.write_text("# text = Vou ao Rio\n" + "\n".join(lines) + "\n")
    (row,) = read_conll(path, DatasetConfig(), [])
    assert row == {"tokens": ["Vou", "a", "o", "Rio"], "tags": ["O", "O", "O", "B-LOC"]}


def test_a_row_without_the_key_of_the_text_is_refused():
    with pytest.raises(DataError, match="row has no text, which the rows before it have") as caught:
        converted([{"text": "bom", "label": "1"}, {"texto": "mau", "label": "0"}])
    assert caught.value.fix == "rename texto to text there"


def test_shifted_offsets_are_refused_and_few_cuts_told():
    text = "Ana foi"
    good = {"text": text, "spans": [{"start": 0, "end": 3, "label": "PER"}]}
    shifted = {"text": text, "spans": [{"start": 0, "end": 2, "label": "PER"}]}
    with pytest.raises(DataError, match="12 of 12 entities begin or end inside a word"):
        converted([shifted] * 12, ENTITIES)
    converter = Converter(ENTITIES, DatasetConfig(), "F", predicting=False, training=True, tags=None)
    assert len(list(converter.convert([good] * 12 + [shifted]))) == 13
    assert "train: rows have entities that begin or end inside a word: 1 (row 12)" in converter.notes("train")


@pytest.mark.parametrize("label", [None, "", "O", "B-PER"])
def test_an_entity_without_a_type_is_refused(label):
    with pytest.raises(DataError, match="an entity type is missing"):
        converted([{"text": "Ana foi", "spans": [{"start": 0, "end": 3, "label": label}]}], ENTITIES)


def test_bytes_are_read_as_utf8_or_refused():
    assert converted([{"text": "ação".encode(), "label": b"1"}])[0]["text"] == "ação"
    with pytest.raises(DataError, match="not valid UTF-8"):
        converted([{"text": "ação".encode("latin-1"), "label": "1"}])


def test_half_characters_in_names_are_replaced():
    assert converted([{"id": "a\ud800", "text": "bom", "label": "x\ud800"}]) == [
        {"id": "a\ufffd", "text": "bom", "label": "x\ufffd"}
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of git-lfs"),
        ("a.jsonl", "<!DOCTYPE html>\n<html></html>\n", "web page"),
        ("a.jsonl", '{"text": ' + "1" * 5000 + "}\n", "not valid JSON"),
        ("a.json", '[{"text": ' + "1" * 5000 + "}]\n", "not valid JSON"),
        ("a.jsonl", "{'text': 'bom'}\n", "double quotes"),
    ],
)
def test_what_is_no_data_is_said(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        list(read_rows(path, format_of(path, DatasetConfig()), DatasetConfig(), []))
    assert message in f"{caught.value.what} {caught.value.fix}"


def test_a_document_of_many_lines_is_read(tmp_path):
    path = tmp_path / "train.csv"
    document = "\n".join(f"linha {number}" + ", e mais" * (number % 3) for number in range(900))
    path.write_text(f'text,label\n"{document}",1\nbom,0\n')
    assert [row["text"] for row in read_delimited(path, DatasetConfig(), [])] == [document, "bom"]


def test_rows_swallowed_by_a_quote_in_the_last_column_are_noticed(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text('label,text\n1,bom\n0,mau\n1,"bom\n0,mau"\n0,mau\n')
    with pytest.raises(DataError, match="not closed"):
        list(read_delimited(path, DatasetConfig(), []))
    path.write_text('label,text\n1,bom\n0,mau\n1,"bom\n0, mas caro"\n0,mau\n')
    assert len(list(read_delimited(path, DatasetConfig(), []))) == 4


def test_a_line_of_json_says_its_place(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "bom"}) + "\n{\n")
    with pytest.raises(DataError) as caught:
        list(read_rows(path, format_of(path, DatasetConfig()), DatasetConfig(), []))
    assert caught.value.where == f"{path}:2"


def test_files_that_no_split_reads_are_named_and_a_test_file_is_not_passed_over(load, tmp_path):
    for name in ("train.csv", "validaton.csv"):
        (tmp_path / name).write_text("text,label\nbom,1\nmau,0\n")
    notes = load("sentiment", tmp_path).notes
    assert any("no split reads: validaton.csv" in note for note in notes)
    (tmp_path / "teste.csv").write_text("text,label\nbom,1\nmau,0\n")
    assert len(load("sentiment", tmp_path).splits["test"]) == 2
