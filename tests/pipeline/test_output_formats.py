"""Outputs: never over an input, in the form that the name says, refused before the work where they cannot be written."""

import csv
import io
import json
import os
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import pyarrow.parquet
import pytest
from openpyxl import load_workbook

from autotune.cli.main import main

ROWS = [("a1", "Gostei muito da caneta.", "loja 7", "01"), ("a2", 'Não presta; "nunca" mais.', "", "02")]
HEAD = ["id", "text", "loja", "código"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that knows little."""
    runs = tmp_path_factory.mktemp("runs")
    words = [
        "task=sentiment",
        "model=tiny_bert",
        "trainer.max_steps=1",
        "dataset.limit=16",
        "check=none",
        "guard=none",
    ]
    assert main([*words, f"runs={runs}", "name=r"]) == 0
    return runs / "r"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """A file of a person's own, where the command is run."""
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEAD, *ROWS])
    return tmp_path / "mine.csv"


def other_names(rows):
    """Other names of the same file."""
    (rows.parent / "folder").mkdir()
    (rows.parent / "way").symlink_to(rows.parent)
    (rows.parent / "soft.csv").symlink_to("mine.csv")
    (rows.parent / "hard.csv").hardlink_to(rows)
    return ["mine.csv", str(rows), "./folder/../mine.csv", "soft.csv", "hard.csv", "way/mine.csv"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_an_input_is_never_written_by_whatever_name(run, rows, capsys, force):
    before = rows.read_bytes()
    for name in other_names(rows):
        for call in (
            ["predict", str(run), "mine.csv", "-o", name],
            ["predict", str(run), name, "-o", "mine.csv"],
            ["convert", "mine.csv", name, "task=sentiment"],
        ):
            assert main([*call, *force]) == 2, call
            said = capsys.readouterr().err
            assert "never overwritten" in said and "Traceback" not in said
    assert rows.read_bytes() == before


def test_a_file_inside_of_a_folder_that_is_read_is_not_written(run, tmp_path, capsys):
    folder = tmp_path / "dados"
    folder.mkdir()
    lines = [json.dumps({"text": f"texto {number}", "label": "bom"}) + "\n" for number in range(4)]
    (folder / "train.jsonl").write_text("".join(lines))
    assert main(["convert", str(folder), str(folder / "train.jsonl"), "task=sentiment", "--force"]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (folder / "train.jsonl").read_text() == "".join(lines)


def test_an_evaluation_does_not_overwrite_the_data_of_its_run(tmp_path, capsys):
    data = tmp_path / "dados.json"
    data.write_text(
        json.dumps(
            [{"text": f"{word} {number}", "label": word} for number in range(9) for word in ("bom", "mau")]
        )
    )
    before = data.read_bytes()
    words = [
        "task=sentiment",
        "model=tiny_bert",
        "dataset=json",
        f"dataset.path={data}",
        "trainer.max_steps=1",
    ]
    assert main([*words, "check=none", "guard=none", f"runs={tmp_path}", "name=r"]) == 0
    for more in (["--data", str(data)], []):
        assert main(["evaluate", f"{tmp_path}/r", *more, "-o", str(data), "--force"]) == 2
        assert "never overwritten" in capsys.readouterr().err
    assert data.read_bytes() == before


def test_what_exists_is_overwritten_only_when_that_is_said(run, rows, capsys):
    calls = {
        "out.jsonl": ["predict", str(run), "mine.csv"],
        "out.json": ["evaluate", str(run)],
        "out.tsv": ["convert", "mine.csv", "task=sentiment", "dataset.columns.label=código"],
    }
    for name, call in calls.items():
        out = rows.with_name(name)
        out.write_text("mine")
        words = [*call[:2], name, *call[2:]] if call[0] == "convert" else [*call, "-o", name]
        assert main(words) == 2
        assert "--force" in capsys.readouterr().err
        assert out.read_text() == "mine"
        assert main([*words, "--force"]) == 0
        assert out.read_text() != "mine"


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="/dev/shm cannot be written")
def test_a_file_in_memory_is_overwritten_only_when_that_is_said_too(run, capsys):
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".json") as out:
        assert main(["evaluate", str(run), "-o", out.name]) == 2
        assert "--force" in capsys.readouterr().err
        assert main(["evaluate", str(run), "-o", out.name, "--force"]) == 0


def test_a_link_is_followed(run, rows):
    rows.with_name("link.jsonl").symlink_to("real.jsonl")
    assert main(["predict", str(run), "mine.csv", "-o", "link.jsonl"]) == 0
    assert rows.with_name("link.jsonl").is_symlink()
    assert len(rows.with_name("real.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("append", [True, False])
def test_standard_output_that_leads_into_the_input(rows, capsys, append):
    """As `>> mine.csv` does."""
    true = os.dup(1)
    descriptor = os.open(rows if append else os.devnull, os.O_WRONLY | os.O_APPEND)
    try:
        os.dup2(descriptor, 1)
        assert main(["predict", "no such run", "mine.csv"]) == 2
    finally:
        os.dup2(true, 1)
    assert ("never overwritten" in capsys.readouterr().err) == append


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("new/out.jsonl", "mkdir -p"),
        ("mine.csv/out.jsonl", "takes no files"),
        ("out.txt", "known suffixes: .csv, .tsv, .json"),
        ("out.conll", "known suffixes"),
        ("out.csv.gz", "known suffixes"),
        (".", "a folder of this name"),
        ("x" * 300 + ".csv", "a name of 304 bytes"),
        ("ring/out.csv", "links form a loop"),
    ],
)
def test_what_cannot_be_written_is_found_before_the_work(rows, capsys, target, said):
    """There is no such run: it is never looked for."""
    rows.with_name("ring").symlink_to("ring")
    assert main(["predict", "no such run", "mine.csv", "-o", target]) == 2
    refused = capsys.readouterr().err
    assert (
        said in refused
        and "no such run" not in refused
        and "Traceback" not in refused
        and "MB free" not in refused
    )
    if said != "known suffixes":
        assert main(["evaluate", "no such run", "-o", target]) == 2
        assert main(["convert", "mine.csv", target, "task=sentiment"]) == 2
    assert sorted(path.name for path in rows.parent.iterdir()) == ["mine.csv", "ring"]


def read_back(path):
    """Rows of a file of any form, and the values of one row as Python's."""
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
        case ".xlsx":
            head, *cells = load_workbook(path).active.iter_rows(values_only=True)
            return [dict(zip(head, row, strict=True)) for row in cells]
        case ".parquet":
            return pyarrow.parquet.read_table(path).to_pylist()
        case ".json":
            return json.loads(path.read_text(encoding="utf-8"))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx", ".parquet", ""])
def test_the_suffix_says_the_form(run, rows, suffix):
    assert main(["predict", str(run), "mine.csv", "-o", f"out{suffix}", "--keep"]) == 0
    found = read_back(rows.with_name(f"out{suffix}"))
    assert [row["id"] for row in found] == ["a1", "a2"]
    assert found[1]["text"] == ROWS[1][1]
    assert [row["código"] for row in found] == ["01", "02"]
    assert [row["loja"] or "" for row in found] == ["loja 7", ""]
    if suffix in (".csv", ".tsv", ".xlsx"):
        probabilities = {
            name.partition(".")[2]: value for name, value in found[0].items() if "probabilities." in name
        }
        assert suffix != ".xlsx" or all(isinstance(value, float) for value in probabilities.values())
    else:
        probabilities = found[0]["probabilities"]
    assert abs(sum(map(float, probabilities.values())) - 1) < 1e-6
    assert found[0]["prediction"] in probabilities


@pytest.mark.parametrize(
    ("keep", "columns"),
    [
        (["--keep", "loja"], ["loja"]),
        (["--keep=código,loja"], ["código", "loja"]),
        (["--keep", "código", "--keep", "loja"], ["código", "loja"]),
        (["--keep"], ["loja", "código"]),
        ([], []),
    ],
)
def test_other_columns_are_kept_in_the_order_that_is_asked_for(run, rows, capsys, keep, columns):
    assert main(["predict", str(run), "mine.csv", *keep]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(line) for line in lines] == [["id", "text", "prediction", "probabilities", *columns]] * 2
    assert [line.get("loja") for line in lines] == (["loja 7", ""] if "loja" in columns else [None, None])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--keep", "lojas"], "--keep=loja"),
        (["--keep", "text"], "of their own"),
        (["--text", "a", "--keep"], "no other columns"),
        (["--to", "csv"], "-o out.csv"),
        (["-o", "out.csv", "--to", "xlsx"], "the name says csv"),
        (["-o", "out", "--to", "brat"], "unknown output format 'brat'"),
    ],
)
def test_a_wrong_wish_is_refused(run, rows, capsys, words, said):
    file = [] if "--text" in words else ["mine.csv"]
    assert main(["predict", str(run), *file, *words]) == 2
    assert said in capsys.readouterr().err


def test_what_a_form_cannot_hold_is_not_lost(run, rows, capsys):
    texts = [{"text": "bom", "nota": 5}, {"text": "mau \x01", "nota": "cinco"}]
    rows.with_name("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    for name, said in (("o.parquet", "of several"), ("p.xlsx", "control characters")):
        assert main(["predict", str(run), "a.jsonl", "-o", name, "--keep"]) == 2
        assert said in capsys.readouterr().err
        kept = read_back(rows.with_name(name).with_suffix(".jsonl"))
        assert [row["nota"] for row in kept] == [5, "cinco"]
        assert not rows.with_name(name).exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_lines_that_are_printed_are_json_in_any_encoding(run, rows, encoding):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with redirect_stdout(out):
        assert main(["predict", str(run), "--text", "Não gostei 😀 “ł”"]) == 0
    out.seek(0)
    assert json.loads(out.read())["text"] == "Não gostei 😀 “ł”"


def test_a_disk_that_fills_up_names_no_folder_of_runs(run, rows, capsys, monkeypatch):
    """`predict` has no runs=."""

    fsync = os.fsync

    def full(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(rows.parent):
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("autotune.runtime.files.os.fsync", full)
    for name in ("o.jsonl", "o.csv"):
        assert main(["predict", str(run), "mine.csv", "-o", name]) == 74
        said = capsys.readouterr().err
        assert "make room" in said and "another name for the output" in said and "runs=" not in said
        assert sorted(path.name for path in rows.parent.iterdir()) == ["mine.csv"]
