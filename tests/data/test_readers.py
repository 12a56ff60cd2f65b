"""JSON, JSON Lines, Parquet, Arrow, spans: rows as they are, or the file and line of what is wrong."""

import json

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.formats.readers import format_of, read_rows
from autotune.errors import DataError


def read(path, **options):
    config = DatasetConfig(path=str(path), **options)
    return list(read_rows(path, format_of(path, config), config, []))


def refused(path, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **options)
    return str(caught.value)


ROWS = [{"text": "não", "label": 1}, {"text": "sim", "label": 0}]
LABELLED = Features(
    {
        "text": Value("string"),
        "label": ClassLabel(names=["ruim", "bom"]),
        "tags": List(ClassLabel(names=["O", "B-X"])),
    }
)


@pytest.fixture
def labelled():
    """Two rows with ClassLabel columns; -1 stands for no label."""
    rows = {"text": ["não", "sim"], "label": [1, -1], "tags": [[0, 1], []]}
    return Dataset.from_dict(rows, features=LABELLED)


NAMED = [
    {"text": "não", "label": "bom", "tags": ["O", "B-X"]},
    {"text": "sim", "label": None, "tags": []},
]


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        {"linhas": ROWS},
        {"version": 1, "authors": ["x"], "data": ROWS},
        {"classes": ["x"], "rows": ROWS},
    ],
    ids=["list", "one list", "data", "one list of rows"],
)
def test_json_rows_are_a_list_or_in_one(write, value):
    assert read(write("a.json", json.dumps(value))) == ROWS


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[{"a": 1},\n {"a": }]', ":2"),
        ('{"a": 1}\n{"a": 2}', "dataset.format=jsonl"),
        ('{"a": [1], "b": [2]}', "a, b"),
        ('[{"a": 1}, 7]', "row 1"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_json_that_holds_no_rows_is_refused(write, text, part):
    assert part in refused(write("a.json", text))


def test_jsonl_skips_blank_lines(write):
    assert read(write("a.jsonl", "\n" + "\n\n".join(map(json.dumps, ROWS)) + "\n")) == ROWS


@pytest.mark.parametrize("line", ['{"text": ', "[1]", "solto"])
def test_a_broken_line_of_jsonl_is_refused_with_its_number(write, line):
    path = write("a.jsonl", f'{{"text": "a"}}\n{line}\n')
    assert f"{path}:2" in refused(path)


def test_json_called_jsonl_is_refused_with_the_format(write):
    assert "dataset.format=json" in refused(write("a.jsonl", json.dumps(ROWS, indent=1)))


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.parquet", "a.arrow", "a.conll"])
def test_an_empty_file_is_refused(write, name):
    assert "empty" in refused(write(name, ""))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_file_that_is_not_what_its_name_says_is_refused(write, name):
    assert name in refused(write(name, "text,label\n"))


def test_a_name_that_says_nothing_is_refused_with_the_formats(write):
    path = write("dados.txt", "João O\n")
    assert "dataset.format=conll" in refused(path)
    assert read(path, format=Format.conll) == [{"tokens": ["João"], "tags": ["O"]}]


def test_parquet_keeps_the_names_of_labels(tmp_path, labelled):
    labelled.to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == NAMED


def test_arrow_is_read_as_stream_as_file_and_as_saved_folder(tmp_path, labelled):
    table = labelled.data.table
    for name, new in (("stream.arrow", pa.ipc.new_stream), ("file.arrow", pa.ipc.new_file)):
        with pa.OSFile(str(tmp_path / name), "wb") as sink, new(sink, table.schema) as writer:
            writer.write_table(table)
    labelled.save_to_disk(tmp_path / "saved")
    for name in ("stream.arrow", "file.arrow", "saved"):
        assert read(tmp_path / name) == NAMED


def test_a_saved_folder_of_several_splits_is_refused_with_one_of_them(tmp_path, labelled):
    DatasetDict(train=labelled, test=labelled).save_to_disk(tmp_path / "saved")
    assert "saved/train" in refused(tmp_path / "saved")
    (tmp_path / "other").mkdir()
    assert "save_to_disk" in refused(tmp_path / "other")
