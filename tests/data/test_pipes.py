"""Rows that come through a pipe: read once, whoever asks for them; refused in words where that cannot be."""

import json
import os
import threading
from contextlib import contextmanager

import pytest

from autotune.cli.main import main
from autotune.data import pipes
from autotune.errors import DataError, Interrupted
from autotune.runtime import signals

TEXT = "text,label\n" + "".join(f"{word} {number},{word}\n" for number in range(4) for word in ("bom", "mau"))


@contextmanager
def piped(text):
    """The name of a pipe through which a text comes, as `<(…)` gives it."""
    reading, writing = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writing, text.encode()), os.close(writing)))
    thread.start()
    yield f"/dev/fd/{reading}"
    thread.join()
    os.close(reading)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def on_stdin(text):
    """A text on standard input."""
    true = os.dup(0)
    with piped(text) as name:
        os.dup2(int(name.rpartition("/")[2]), 0)
        try:
            yield
        finally:
            os.dup2(true, 0)
            os.close(true)


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "<( )"])
def test_a_pipe_is_converted_though_its_task_is_looked_for_first(folder, name):
    """Which reads it several times."""
    with on_stdin(TEXT) if name != "<( )" else piped(TEXT) as own:
        assert main(["convert", own or name, "out.jsonl", "dataset.format=csv"]) == 0
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == ["bom", "mau"] * 4


def test_a_named_pipe_says_its_form(folder):
    os.mkfifo("rows.csv")
    writer = threading.Thread(target=lambda: (folder / "rows.csv").write_text(TEXT))
    writer.start()
    assert (
        main(["check", "task=sentiment", "dataset=csv", "dataset.path=rows.csv", "runs=runs", "check=none"])
        == 0
    )
    writer.join()


def test_a_pipe_is_trained_on_and_read_to_predict(folder, capsys):
    words = [
        "task=sentiment",
        "model=tiny_bert",
        "dataset=csv",
        "trainer.max_steps=1",
        "check=none",
        "guard=none",
    ]
    with piped(TEXT) as name:
        assert main([*words, f"dataset.path={name}", "runs=.", "name=r"]) == 0
    capsys.readouterr()
    for name, form, text in (
        ("-", [], TEXT),  # in the form of training
        ("-", ["--format", "jsonl"], '{"text": "bom", "loja": 7}\n'),
        ("/dev/stdin", ["--format=tsv"], "text\tloja\nbom\t7\n"),
    ):
        with on_stdin(text):
            assert main(["predict", "r", name, "--keep", *form]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(lines) == text.count("\n") - ("jsonl" not in form) and "prediction" in lines[0]
        assert ("loja" in lines[0]) == bool(form)
    with piped(TEXT) as name:
        assert main(["evaluate", "r", "--data", name]) == 0
    assert "macro_f1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("text,label\nbom,a,b\n", ["where: -:2", "3 fields"]),
        ("", ["the file is empty", "where: -"]),
        ("texto,label\nbom,a\n", ["dataset.columns.text=texto", "where: -"]),
    ],
)
def test_errors_name_the_pipe_and_not_the_file_in_its_place(capsys, text, said):
    with on_stdin(text):
        assert main(["convert", "-", "out.jsonl", "task=sentiment", "dataset.format=csv"]) == 2
    refused = capsys.readouterr().err
    assert all(part in refused for part in said) and "/tmp" not in refused


@pytest.mark.parametrize("door", ["convert", "check", "show"])
def test_what_is_no_pipe_and_no_file_is_refused(capsys, door):
    words = {
        "convert": ["convert", "/dev/zero", "out.jsonl"],
        "check": ["check", "dataset.path=/dev/zero"],
        "show": [],
    }
    if words[door]:
        assert main([*words[door], "task=sentiment", "dataset.format=csv", "runs=runs"]) == 2
        assert "a device or a socket" in "".join(capsys.readouterr())
    else:
        with (
            pytest.raises(DataError, match="standard input is closed"),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr("sys.__stdin__", None)
            pipes.spooled(pipes.Path("-"))


def test_several_processes_do_not_share_a_pipe(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with piped("") as name, pytest.raises(DataError, match="several processes"):
        pipes.spooled(pipes.Path(name))


def test_who_waits_says_so_once_and_leaves_when_asked(folder, monkeypatch, caplog):
    os.mkfifo("silent.csv")
    asked = []

    def leave():
        asked.append(1)
        if len(asked) > 3:
            raise Interrupted("SIGTERM")

    monkeypatch.setattr(pipes, "WARN_AFTER_SECONDS", 0.01)
    monkeypatch.setattr(signals, "raise_if_stopped", leave)
    with pytest.raises(Interrupted):
        pipes.spooled(pipes.Path("silent.csv"))
    assert [
        record.getMessage() for record in caplog.records if "waiting for rows" in record.getMessage()
    ] == ["waiting for rows from silent.csv: nothing comes from it yet (Ctrl-C ends)"]
