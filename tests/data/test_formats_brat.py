"""brat standoff: folders of texts with annotations beside them."""

import pytest

from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.sources import load_file
from autotune.errors import DataError

from .conftest import COLUMNS

TEXT = "João Silva\nmora em São Luís."
LINES = ["T1\tPESSOA 0 10\tJoão Silva", "T2\tLOCAL 19 27\tSão Luís"]
TAGS = ["B-PESSOA", "I-PESSOA", "O", "O", "B-LOCAL", "I-LOCAL", "O"]


@pytest.fixture
def document(write):
    """Writes a text and its annotations (None: no .ann file); gives the folder."""

    def put(stem="d/a", text=TEXT, annotations=LINES):
        if text is not None:
            folder = write(f"{stem}.txt", text).parent
        if annotations is not None:
            folder = write(f"{stem}.ann", "\n".join(annotations)).parent
        return folder

    return put


def refused(load, path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load("ner", path, **options)
    return str(caught.value)


@pytest.mark.parametrize("form", [Format.auto, Format.brat])
def test_a_document_is_a_row(load, document, form):
    document("d/doc10")
    folder = document("d/doc2", "Nada aqui", [])
    rows = load("ner", folder, format=form).splits["train"]
    assert rows["id"][:] == ["doc2", "doc10"]
    assert rows["tags"][:] == [["O", "O"], TAGS]
    assert rows["text"][1] == TEXT


@pytest.mark.parametrize("names", [("train", "dev", "test"), ("Train", "valid", "TEST")])
def test_subfolders_are_splits(load, document, names):
    for name in names:
        folder = document(f"d/{name}/a")
    rows = load("ner", folder.parent)
    assert {split: len(data) for split, data in rows.splits.items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }
    assert "subfolders: " in refused(load, folder.parent, splits={"test": "prova"})


def test_files_of_splits_come_before_subfolders_of_documents(load, document, write):
    document("d/antigo/a")
    folder = write("d/train.conll", "Ana B-P\n").parent
    assert load("ner", folder).splits["train"]["tokens"][:] == [["Ana"]]


def test_parts_of_one_folder_may_be_splits(load, document):
    for number in range(4):
        folder = document(f"d/{number}")
    rows = load("ner", folder, splits={"train": "train[:3]", "validation": "train[3:]"})
    assert rows.splits["validation"]["id"][:] == ["3"]


def test_a_subfolder_may_be_named(load, document, tmp_path):
    document("d/parte1/a")
    document("d/parte2/b")
    splits = {"train": "d/parte1", "test": "./d/parte2"}
    assert list(load("ner", tmp_path, splits=splits).splits) == ["train", "test"]


def test_lines_of_other_kinds_are_counted(load, document):
    others = ["R1\tmora Arg1:T1 Arg2:T2", "A1\tCerto T1", "#1\tAnnotatorNotes T1\tx", "*\tEquiv T1 T2", ""]
    others += ["E1\tViver:T1", "N1\tReference T2 Wikidata:Q1\tSão Luís", "R2\tmora Arg1:T1 Arg2:T2"]
    rows = load("ner", document(annotations=[LINES[0], *others, LINES[1]]))
    assert rows.splits["train"]["tags"][:] == [TAGS]
    (note,) = [note for note in rows.notes if ".ann" in note]
    assert "relations 2" in note and "comments 1" in note and "events 1" in note


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["T1\tPESSOA 0 4;5 10\tJoão Silva"], ["a.ann:1", "discontinuous"]),
        ([*LINES, "T3\tLOCAL 5 10\tSilva"], ["a.ann:3", "overlap", "T1"]),
        (
            [LINES[0], "T2\tLOCAL 18 26\tSão Luís"],
            ["a.ann:2", "not the text at its offsets", "'São Luís'"],
        ),
        (["T1\tLOCAL 90 99\tSão Luís"], ["a.ann:1", "not the text at"]),
        (["T1 PESSOA 0 4 João"], ["a.ann:1", "not a brat annotation"]),
        (["T1\tPESSOA 0\tJoão"], ["a.ann:1", "not a brat annotation"]),
        (["", "solto"], ["a.ann:2", "not a brat annotation"]),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(load, document, lines, parts):
    message = refused(load, document(annotations=lines))
    assert all(part in message for part in parts), message


def test_annotations_without_their_text_are_refused(load, document):
    assert "no a.txt beside it" in refused(load, document(text=None))


def test_a_text_without_annotations_is_refused_in_training_only(load, document):
    document("d/a")
    folder = document("d/b", annotations=None)
    message = refused(load, folder)
    assert "b.ann" in message and "empty .ann file" in message
    for form in (Format.auto, Format.brat):
        config = DatasetConfig(path="x", format=form)
        rows = load_file(str(folder), config, COLUMNS["ner"], cache=folder / "cache")
        assert rows["tags"][:] == [TAGS, None]


def test_a_folder_without_documents_is_refused(load, write):
    folder = write("d/leia.md", "x").parent
    message = refused(load, folder, format=Format.brat)
    assert "leia.md" in message and "NAME.ann" in message
    assert "are a folder" in refused(load, write("a.txt", "x"), format=Format.brat)


def test_offsets_that_count_line_ends_as_one_are_understood(load, document):
    text = TEXT.replace("\n", "\r\n")
    (row,) = load("ner", document("d/a", text)).splits["train"]
    assert (row["text"], row["tags"]) == (TEXT, TAGS)
    counted = [LINES[0], "T2\tLOCAL 20 28\tSão Luís"]
    assert load("ner", document("e/a", text, counted)).splits["train"]["tags"][:] == [TAGS]


def test_entities_over_a_line_end_have_a_blank_in_their_line(load, document):
    lines = ["T1\tX 5 15\tSilva mora"]
    assert load("ner", document(annotations=lines)).splits["train"]["tags"][0][1:3] == ["B-X", "I-X"]


def test_renaming_a_document_changes_its_row(load, document):
    folder = document("d/a")
    assert load("ner", folder).splits["train"]["id"][:] == ["a"]
    for suffix in ("txt", "ann"):
        (folder / f"a.{suffix}").rename(folder / f"b.{suffix}")
    assert load("ner", folder).splits["train"]["id"][:] == ["b"]
