"""Data whose readers are libraries: whatever these raise is told with the file; nothing leads out of the buffers."""

import io
import json
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.canonical import Converter
from autotune.data.formats.readers import load_saved_dataset
from autotune.data.local import file_source, with_known_columns
from autotune.errors import DataError
from autotune.registry import task
from tests.integration.fuzz.corpus import DOORS, ROWS


def rows(path: Path, name: str = "sentiment", form: Format = Format.auto) -> list[dict[str, object]]:
    """Canonical rows, as training reads them."""
    config = DatasetConfig(path=str(path), format=form)
    columns = task(name).columns
    source = with_known_columns(file_source(path, config), columns, config)
    converter = Converter(columns, config, str(path), predicting=False, training=True, tags=None)
    return list(converter.convert(source.raw([])))


def refused(path: Path, name: str = "sentiment", form: Format = Format.auto) -> str:
    with pytest.raises(DataError) as caught:
        rows(path, name, form)
    return str(caught.value)


def workbook(**parts: bytes) -> bytes:
    """A workbook with parts replaced, by their file's stem."""
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(DOORS["r.xlsx"][1]()["r.xlsx"])) as old,
        zipfile.ZipFile(sink, "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, parts.get(Path(name).stem, old.read(name)))
    return sink.getvalue()


def damaged_stream(content: bytes) -> bytes:
    """The compressed bytes of the sheet overwritten; its directory is whole."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        part = archive.getinfo("xl/worksheets/sheet1.xml")
        begin = part.header_offset + 30 + len(part.filename)
    return content[:begin] + b"\xff" * part.compress_size + content[begin + part.compress_size :]


def sheet(cells: str) -> bytes:
    return (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"<row><c t='inlineStr'><is><t>text</t></is></c></row>{cells}</sheetData></worksheet>"
    ).encode()


@pytest.mark.parametrize(
    "content",
    [
        damaged_stream(DOORS["r.xlsx"][1]()["r.xlsx"]), workbook(sheet1=b"<worksheet>"), workbook(sheet1=b"\xff" * 40),
        workbook(sheet1=sheet("<row r='x'><c><v>1</v></c></row>")),
        workbook(sheet1=sheet("<row><c t='s'><v>99999</v></c></row>")),
        workbook(sheet1=sheet("<row><c t='n'><v>x</v></c></row>")), workbook(sheet1=sheet("<row><c t='d'><v>x</v></c></row>")),
        workbook(styles=b"<a/>", workbook=b"<b/>"),
    ],
)  # fmt: skip
def test_a_damaged_workbook_is_told(tmp_path, content):
    (tmp_path / "r.xlsx").write_bytes(content)
    said = refused(tmp_path / "r.xlsx")
    assert "r.xlsx" in said and "fix:" in said


def test_text_that_leads_out_of_its_buffer_is_not_followed(tmp_path):
    """An end of a text before its beginning; pyarrow itself reads whatever lies there, or raises SystemError."""
    good = DOORS["r.arrow"][1]()["r.arrow"]
    starts = struct.pack("<4i", 0, *[len(ROWS[0]["text"].encode()) * n for n in (1, 2, 3)])
    for wrong in (-5, 2**30):
        damaged = good.replace(starts, starts[:4] + struct.pack("<i", wrong) + starts[8:])
        assert damaged != good
        (tmp_path / "r.arrow").write_bytes(damaged)
        assert "not readable as Arrow" in refused(tmp_path / "r.arrow")
        saved = tmp_path / f"saved{wrong}"
        Dataset.from_list(ROWS).save_to_disk(str(saved))
        file = next(saved.glob("*.arrow"))
        file.write_bytes(
            file.read_bytes().replace(starts, starts[:4] + struct.pack("<i", wrong) + starts[8:])
        )
        with pytest.raises(DataError, match="damaged"):
            load_saved_dataset(saved)


@pytest.mark.parametrize(
    "metadata",
    [
        b"{",
        b"5",
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": 5}}}}',
        b'{"info": {"features": 5}}',
    ],
)
def test_a_damaged_note_of_datasets_inside_parquet_and_arrow_is_told(tmp_path, metadata):
    table = pa.Table.from_pylist(ROWS).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "r.parquet")
    assert "not readable as Parquet" in refused(tmp_path / "r.parquet")
    with pa.ipc.new_stream(str(tmp_path / "r.arrow"), table.schema) as writer:
        writer.write_table(table)
    assert "not readable as Arrow" in refused(tmp_path / "r.arrow")


@pytest.mark.parametrize(
    "info", ["5", "{", '{"features": {"text": {"_type": "Nothing"}}}', '{"features": 5}', "[" * 100_000]
)
def test_a_damaged_folder_of_save_to_disk_is_told(tmp_path, info):
    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "saved" / "dataset_info.json").write_text(info)
    with pytest.raises(DataError, match="save_to_disk, or is damaged"):
        load_saved_dataset(tmp_path / "saved")


@pytest.mark.parametrize("depth", [100, 800, 100_000])
def test_rows_of_json_that_nest_deeply_are_told(tmp_path, depth):
    deep = '{"text": ' + "[" * depth + "]" * depth + ', "label": "a"}'
    for name, content in (("r.jsonl", deep), ("r.json", f"[{deep}]")):
        (tmp_path / name).write_text(content)
        assert "not valid JSON" in refused(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("brat", {"brat/a.txt": "Ana viu", "brat/a.ann": f"T1\tPESSOA 0 {'9' * 5000}\tAna\n"}, "a.ann:1"),
        ("brat", {"brat/a.txt": "Ana viu", "brat/a.ann": "T1\tPESSOA 0 \u0663\tAna\n"}, "a.ann:1"),
        ("r.jsonl", {"r.jsonl": '{"text": "Ana viu", "spans": [{"start": 0, "end": Infinity, "label": "A"}]}\n'}, "row 0"),
        ("r.jsonl", {"r.jsonl": '{"text": "Ana viu", "spans": [{"start": 0, "end": NaN, "label": "A"}]}\n'}, "row 0"),
        ("r.jsonl", {"r.jsonl": '{"text": "Ana viu", "spans": [[0, 1e999, "A"]]}\n'}, "row 0"),
        ("r.jsonl", {"r.jsonl": json.dumps({"tokens": "[{[]: 1}]", "tags": ["O"]}) + "\n"}, "row 0"),
        ("r.jsonl", {"r.jsonl": json.dumps({"tokens": "[" * 5000, "tags": ["O"]}) + "\n"}, "row 0"),
    ],
)  # fmt: skip
def test_offsets_and_lists_that_are_none_are_told_with_their_row(tmp_path, name, files, expected):
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(content, "utf-8")
    assert expected in refused(tmp_path / name, "ner")


def test_numbers_of_five_thousand_digits_are_words(tmp_path):
    (tmp_path / "r.conll").write_text(f"{'9' * 5000} O\na O\nAna B-PESSOA\n\n" * 2)
    assert len(rows(tmp_path / "r.conll", "ner")) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"tokens": [{"start": None, "end": "x"}]},
        {"token_offsets": 5},
        {"token_offsets": [[0]]},
        {"token_offsets": [[0, "x"]]},
    ],
)
def test_offsets_of_tokens_that_are_none_are_not_used(tmp_path, more):
    row = {"text": "Ana viu", "spans": [{"start": 0, "end": 3, "label": "PESSOA"}], **more}
    (tmp_path / "r.jsonl").write_text(json.dumps(row) + "\n")
    assert rows(tmp_path / "r.jsonl", "ner", Format.spans)[0]["tokens"] == ["Ana", "viu"]
