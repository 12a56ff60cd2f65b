"""Doors for what people have: compressed files, fastText, a folder for each class, answers of annotators, plain lines."""

import bz2
import gzip
import json
import lzma

import pytest

from autotune.cli.main import main
from autotune.config import compression
from autotune.config.enums import Format
from autotune.config.rules.dataset import path as path_rule
from autotune.config.schema import DatasetConfig
from autotune.data.sources import load_file
from autotune.errors import DataError
from tests.data.conftest import COLUMNS

ROWS = [{"text": "Gostei muito, sim.", "label": "pos"}, {"text": "Não gostei.", "label": "neg"}]
CSV = "text,label\n" + "".join(f'"{row["text"]}",{row["label"]}\n' for row in ROWS)
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)


def pairs(rows, split="train"):
    return [[row["text"], row["label"]] for row in rows.splits[split]]


EXPECTED = [[row["text"], row["label"]] for row in ROWS]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV.encode("utf-8-sig"), mtime=0)),
        ("a.csv.gz", gzip.compress(CSV.encode("cp1252"), mtime=0)),
        ("a.tsv.bz2", bz2.compress(CSV.replace(",l", "\tl").replace('",', '"\t').encode())),
        ("a.jsonl.gz", gzip.compress(JSONL.encode(), mtime=0)),
        ("a.ndjson.xz", lzma.compress(JSONL.encode())),
        ("a.json.gz", gzip.compress(json.dumps(ROWS).encode("utf-16"), mtime=0)),
    ],
)
def test_compressed_files_are_read_as_they_are(load, write, name, content):
    assert pairs(load("sentiment", write(name, content))) == EXPECTED
    assert pairs(load("sentiment", write(f"d/treino.{name.partition('.')[2]}", content).parent)) == EXPECTED


def test_a_compressed_file_that_unpacks_to_far_more_than_a_text_is_refused(load, write, monkeypatch):
    monkeypatch.setattr(compression, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(DataError, match="far more than a text has"):
        load("sentiment", write("a.csv.gz", gzip.compress(("text,label\n" + "a" * 10**6).encode())))


@pytest.mark.parametrize(
    "content", [gzip.compress(CSV.encode(), mtime=0)[:-9], b"no gzip", b"\x1f\x8b\x08\0" + b"\xff" * 40]
)
def test_a_damaged_compressed_file_is_refused(load, write, content):
    with pytest.raises(DataError, match="compressed file is damaged"):
        load("sentiment", write("a.csv.gz", content))


@pytest.mark.parametrize(
    ("name", "refused"), [("a.csv.gz", False), ("a.zip", True), ("a.parquet.gz", True), ("a.tar.gz", True)]
)
def test_what_is_unpacked_by_hand_is_said_by_the_configuration(name, refused):
    class Config:
        dataset = DatasetConfig(path=name)

    assert bool(list(path_rule(Config))) is refused


@pytest.mark.parametrize("name", ["a.txt", "a.fasttext", "a.train.txt"])
def test_lines_of_fasttext(load, write, name):
    lines = "".join(f"__label__{row['label']} {row['text']}\n\n" for row in ROWS)
    assert pairs(load("sentiment", write(name, lines))) == EXPECTED
    assert pairs(load("sentiment", write("treino.data", lines), format="fasttext")) == EXPECTED


@pytest.mark.parametrize("line", ["__label__a __label__b texto", "texto sem classe"])
def test_a_line_of_fasttext_has_one_label(load, write, line):
    with pytest.raises(DataError, match="label") as caught:
        load("sentiment", write("a.fasttext", f"__label__x a\n{line}\n"))
    assert "a.fasttext:2" in caught.value.where


def test_fasttext_is_written_and_read_back(write, tmp_path):
    source = write("a.jsonl", ROWS)
    target = tmp_path / "b.fasttext"
    assert main(["convert", str(source), str(target)]) == 0
    assert target.read_text(encoding="utf-8") == "__label__pos Gostei muito, sim.\n__label__neg Não gostei.\n"
    many = write("c.jsonl", [{"text": "duas\nlinhas", "label": "a"}, {"text": "b", "label": "b"}])
    assert main(["convert", str(many), str(tmp_path / "d.fasttext")]) == 2


def put_folders(write, root):
    for number, row in enumerate(ROWS):
        folder = write(f"{root}/{row['label']}/{number}.txt", row["text"]).parent.parent
    return folder


def test_a_folder_for_each_class(load, write):
    folder = put_folders(write, "corpus")
    assert pairs(load("sentiment", folder)) == EXPECTED[::-1]
    assert load("sentiment", folder).splits["train"]["id"][:] == ["neg/1", "pos/0"]
    put_folders(write, "splits/treino")
    folder = put_folders(write, "splits/teste").parent
    write("splits/leia.md", "nada")
    for options in ({}, {"format": "folders"}):
        rows = load("sentiment", folder, **options)
        assert {split: len(data) for split, data in rows.splits.items()} == {"train": 2, "test": 2}


@pytest.mark.parametrize(
    "names",
    [
        ("treino.csv", "validação.csv", "teste.csv"), ("Treinamento.csv", "validacao.csv", "Teste.csv"),
        ("train.csv", "dev.csv", "test.csv"), ("a_treino.csv", "a-valid.csv", "a.teste.csv"),
        ("training.csv", "desenvolvimento.csv", "teste.csv"),
        ("treino.csv", "valida\u0063\u0327a\u0303o.csv", "TESTE.csv"),
    ],
)  # fmt: skip
def test_files_of_splits_may_have_portuguese_names(load, write, names):
    for name in names:
        folder = write(f"d/{name}", CSV).parent
    assert set(load("sentiment", folder).splits) == {"train", "validation", "test"}


def test_two_files_for_one_split_are_refused(load, write):
    write("d/treino.csv", CSV)
    with pytest.raises(DataError, match="several files may be train"):
        load("sentiment", write("d/train.csv", CSV).parent)


def annotation(**value):
    return {
        "id": 7,
        "data": {"text": "Gostei."},
        "annotations": [{"result": [{"from_name": "s", "value": value}]}],
    }


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"text": "Gostei.", "label": ["pos"]}, "pos"),
        ({"text": ["Gostei."], "label": "['pos']"}, "pos"),
        (annotation(choices=["pos"]), "pos"),
        (annotation(rating=4), "4"),
        (
            {
                "data": {"texto": "Gostei."},
                "completions": [{"was_cancelled": True}, {"result": [{"value": {"choices": ["pos"]}}]}],
            },
            "pos",
        ),
        ({"text": "Gostei.", "options": [], "accept": ["pos"], "answer": "accept"}, "pos"),
    ],
)
def test_one_class_for_each_text_as_annotation_tools_write_it(load, write, row, label):
    rows = load(
        "sentiment", write("a.jsonl", [row, {**row, "answer": "reject"}] if "answer" in row else [row])
    )
    assert pairs(rows) == [["Gostei.", label]]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"text": "a", "label": ["pos", "neg"]}, "several values"),
        ({"text": "a", "label": []}, "no label"),
        (annotation(choices=["pos", "neg"]), "several values"),
        (annotation(start=0, end=3, labels=["PER"]), "no label"),
    ],
)
def test_several_classes_or_none_are_refused(load, write, row, told):
    with pytest.raises(DataError, match=told):
        load("sentiment", write("a.jsonl", [row]))


def test_a_question_is_named_by_the_column_of_the_label(load, write):
    row = annotation(choices=["pos"])
    row["annotations"][0]["result"].append({"from_name": "tema", "value": {"choices": ["loja"]}})
    with pytest.raises(DataError, match=r"dataset.columns.label=s"):
        load("sentiment", write("a.jsonl", [row]))
    rows = load("sentiment", write("a.jsonl", [row]), columns={"label": "tema"})
    assert pairs(rows) == [["Gostei.", "loja"]]


def test_a_text_that_was_written_for_each_document_is_its_summary(load, write):
    row = annotation(text=["Resumo."])
    rows = load("summarization", write("a.jsonl", [row]))
    assert rows.splits["train"][0] == {"id": "7", "document": "Gostei.", "summary": "Resumo."}


SPAN = {"start": 0, "end": 3, "label": "PER"}


@pytest.mark.parametrize(
    "spans", [[SPAN, SPAN], [[0, 3, "PER"], [0, 3, "PER"], [0, 3, "PER"]], [SPAN, {**SPAN, "label": "PER "}]]
)
def test_an_entity_that_stands_twice_is_one(load, write, spans):
    rows = load("ner", write("a.jsonl", [{"text": "Ana ri", "spans": spans}]))
    assert rows.splits["train"]["tags"][0] == ["B-PER", "O"]
    assert any(f"read once: {len(spans) - 1}" in note for note in rows.notes)


def test_an_entity_twice_in_brat_is_one_and_other_types_overlap(load, write):
    write("b/1.txt", "Ana ri")
    folder = write("b/1.ann", "T1\tPER 0 3\tAna\nT2\tPER 0 3\tAna\n").parent
    assert load("ner", folder).splits["train"]["tags"][0] == ["B-PER", "O"]
    write("b/1.ann", "T1\tPER 0 3\tAna\nT2\tLOC 0 3\tAna\n")
    with pytest.raises(DataError, match="overlap"):
        load("ner", folder)


def test_a_type_by_offsets_has_one_spelling(load, write):
    names = (" PER", "PER", "AC\u0327A\u0303O")
    rows = [{"text": "Ana ri", "spans": [{**SPAN, "label": name}]} for name in names]
    assert [tags[0] for tags in load("ner", write("a.jsonl", rows)).splits["train"]["tags"]] == [
        "B-PER",
        "B-PER",
        "B-AÇÃO",
    ]


@pytest.mark.parametrize(
    ("name", "form", "content", "texts"),
    [
        ("sentiment", "csv", "Gostei, sim.\n\nNão; não.\n", ["Gostei, sim.", "", "Não; não."]),
        ("sentiment", "csv", "text;label\nGostei.;pos\n", ["Gostei."]),
        ("summarization", "jsonl", "Uma notícia.\n", ["Uma notícia."]),
        ("summarization", "jsonl", '{"document": "Uma."}\n', ["Uma."]),
        ("ner", "conll", "Ana mora em Recife.\nSim.\n", ["Ana mora em Recife.", "Sim."]),
        ("ner", "conll", "Ana B-PER\nri O\n", ["Ana ri"]),
        ("ner", "conll", "Ana\nri\n", ["Ana ri"]),
        ("sentiment", "auto", "__label__a Gostei.\n", ["Gostei."]),
    ],
)
def test_a_text_file_is_predicted_line_by_line_unless_it_is_a_table(
    write, tmp_path, name, form, content, texts
):
    config = DatasetConfig(path="x", format=Format(form))
    rows = load_file(str(write("a.txt", content)), config, COLUMNS[name], cache=tmp_path)
    assert rows["document" if name == "summarization" else "text"][:] == texts
