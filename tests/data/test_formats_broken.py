"""Files that cannot be read: each is refused in words, with its place and a way out."""

import errno
import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import Dataset

from autotune.config.enums import Format
from autotune.data.formats import encoding
from autotune.errors import DataError, DiskError

ROWS = [{"text": f"texto {number}", "label": "ab"[number % 2]} for number in range(500)]


def refused(load, path, task="sentiment", **options) -> str:
    with pytest.raises(DataError) as caught:
        load(task, path, **options)
    assert caught.value.fix, "every refusal says what to do"
    return str(caught.value)


def cut(path: Path) -> Path:
    """The first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_a_file_cut_off_is_refused(load, tmp_path):
    data = Dataset.from_list(ROWS)
    data.to_parquet(tmp_path / "a.parquet")
    assert "a.parquet" in refused(load, cut(tmp_path / "a.parquet"))
    for name, new in (("b.arrow", pa.ipc.new_stream), ("c.arrow", pa.ipc.new_file)):
        with pa.OSFile(str(tmp_path / name), "wb") as sink, new(sink, data.data.table.schema) as writer:
            writer.write_table(data.data.table)
        assert "not readable as Arrow" in refused(load, cut(tmp_path / name))


@pytest.mark.parametrize("name", ["data-00000-of-00001.arrow", "state.json", "dataset_info.json"])
def test_a_saved_folder_with_a_file_cut_off_is_refused(load, tmp_path, name):
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "saved")
    cut(tmp_path / "saved" / name)
    assert "damaged" in refused(load, tmp_path / "saved")


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.csv", Format.auto), ("a.csv", Format.csv), ("a.jsonl", Format.auto)],
)
def test_a_compressed_file_is_refused_whole_or_cut_off(load, write, name, form):
    packed = gzip.compress(b"text,label\na,b\n" * 99)
    for content in (packed, packed[: len(packed) // 2]):
        assert "gunzip" in refused(load, write(name, content), format=form)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.csv", "text,label\na,b\nc\0,d\n", 3),
        ("a.jsonl", '{"text": "a", "label": "b"}\n{"text": "\0"}\n', 2),
        ("a.conll", "Ana B-P\nri\0 O\n", 2),
        ("a.json", '[{"text": "\0"}]', 1),
    ],
)
def test_nul_bytes_are_refused_with_their_line(load, write, name, text, line):
    message = refused(load, write(name, text), "ner" if name.endswith("conll") else "sentiment")
    assert f"{name}:{line}" in message and "NUL" in message


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_utf16_is_read_by_its_mark_or_its_name_and_refused_without(load, write, name):
    text = "text,label\nnão,x\n" if name == "a.csv" else '{"text": "não", "label": "x"}\n'
    for content, options in (
        (text.encode("utf-16"), {}),
        (text.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    ):
        assert load("sentiment", write(name, content), **options).splits["train"]["text"][:] == ["não"]
    assert "dataset.encoding=utf-16" in refused(load, write(name, text.encode("utf-16-le")))
    assert "damaged UTF-16" in refused(load, write(name, text.encode("utf-16")[:-1]))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.conll"])
def test_a_line_without_end_is_refused_before_it_fills_the_memory(load, write, name, monkeypatch):
    monkeypatch.setattr(encoding, "LONGEST_LINE", 1000)
    path = write(name, "text,label\n" * (name == "a.csv") + "a" * 2000)
    message = refused(load, path, "ner" if name == "a.conll" else "sentiment")
    assert "more than 1,000 characters" in message and f"{name}:" in message


@pytest.mark.parametrize("where", ["hash", "read"])
def test_a_file_without_the_right_to_read_is_refused(load, write, monkeypatch, where):
    path = write("a.csv", "text,label\na,b\n")
    true, calls = Path.open, []

    def opened(self, mode="r", *args, **options):
        if self == path and (where == "hash" or len(calls) > 0):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        calls.append(self) if self == path else None
        return true(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(DiskError) as caught:
        load("sentiment", path)
    assert "Permission denied" in str(caught.value) and "owner" in str(caught.value)


def test_a_folder_without_the_right_to_read_is_refused(load, write, monkeypatch):
    folder = write("d/train.csv", "text,label\na,b\n").parent
    monkeypatch.setattr(
        Path,
        "iterdir",
        lambda self: (_ for _ in ()).throw(PermissionError(errno.EACCES, "Permission denied")),
    )
    with pytest.raises(DiskError, match="owner"):
        load("sentiment", folder)


def test_a_folder_where_a_file_is_expected_is_refused(load, tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert "no file for train" in refused(load, tmp_path / "a.csv")
    assert "save_to_disk" in refused(load, tmp_path, splits={"train": "a.csv"})


def test_a_link_to_nowhere_is_refused(load, tmp_path):
    (tmp_path / "a.csv").symlink_to(tmp_path / "nada.csv")
    assert "no such file" in refused(load, tmp_path / "a.csv")
