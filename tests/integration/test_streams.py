"""Standard streams that are closed, full, or in an encoding that lacks characters: no traceback, the right exit code."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

from autotune.cli.main import main
from autotune.runtime.streams import fitting, print_json
from tests.support.forks import forks

VERB = [sys.executable, "-P", "-m", "autotune"]


def shell(command: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """A command of bash, in which AUTOTUNE is ours."""
    words = ["bash", "-c", command.replace("AUTOTUNE", " ".join(VERB))]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **env})


@pytest.mark.parametrize(
    ("command", "code", "on_stdout", "on_stderr"),
    [
        ("AUTOTUNE --help >&-", 74, "", "cannot write standard output: it is closed"),
        ("AUTOTUNE --help >/dev/full", 74, "", "cannot write standard output: No space left on device"),
        ("AUTOTUNE bogus 2>&-", 2, "unknown command 'bogus'", ""),
        ("AUTOTUNE bogus 2>/dev/full", 2, "unknown command 'bogus'", ""),
        ("AUTOTUNE bogus >&- 2>&-", 2, "", ""),
        ("AUTOTUNE --version <&- 2>&-", 0, "autotune ", ""),
        ("AUTOTUNE --help | true; exit ${PIPESTATUS[0]}", 141, "", ""),
    ],
)
def test_a_stream_that_takes_nothing(command, code, on_stdout, on_stderr):
    done = shell(command)
    assert done.returncode == code, done
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    assert on_stdout in done.stdout
    assert on_stderr in done.stderr


def test_where_make_room_is_no_help_it_is_not_said():
    assert "make room" not in shell("AUTOTUNE --help >/dev/full").stderr


CLOSED = "sys.stdout = None; os.close(1)"
FULL = "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)"
NARROW = "sys.stdout = open(1, 'w', encoding='ascii', closefd=False)"
MAIN = """
import os, sys
{}
from autotune.cli.main import main
from autotune.runtime import child_process
child_process.prepare()  # as elsewhere, where torch is not imported yet
os._exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("stdout", [CLOSED, FULL, NARROW], ids=["closed", "full", "ascii"])
def test_a_run_ends_well_whatever_becomes_of_what_it_says(tmp_path, stdout):
    words = ["task=sentiment", "trainer.max_steps=1", "dataset.limit=16", "check=none", "guard=none"]
    words += ["trainer.max_hours=0.000001"] if stdout != FULL else []
    code = MAIN.format(stdout)
    done = forks().start(*words, f"runs={tmp_path}/runs", "name=ação", code=code, cwd=tmp_path).ended()
    assert done.returncode == (0 if stdout == FULL else 75), done.stderr
    assert "Traceback" not in done.stderr
    assert "Logging error" not in done.stderr
    log = (tmp_path / "runs" / "ação" / "log.txt").read_text(encoding="utf-8")
    if stdout == NARROW:
        assert "a\\u00e7\\u00e3o" in done.stdout
    else:
        assert done.stderr.count("cannot write standard output") == 1
        assert "result on" in log or stdout == CLOSED


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "shift_jis"])
def test_a_check_in_any_encoding(tmp_path, encoding):
    rows = tmp_path / "emoji.jsonl"
    texts = [
        {"text": f"ótimo 😀 ł {number}", "label": "bom 😀" if number % 2 else "mau ł"} for number in range(20)
    ]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts))
    words = ["check", "task=sentiment", "dataset=jsonl", f"dataset.path={rows}", f"runs={tmp_path}/runs"]
    for more in ([], ["check.format=json"]):
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with redirect_stdout(out):
            assert main([*words, *more]) == 0
        out.seek(0)
        said = out.read()
        if more:
            assert json.loads(said)["labels"]["counts"]["train"].keys() == {"bom 😀", "mau ł"}
        else:
            assert "mau ł" in said or "mau \\u0142" in said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16", "koi8-r"])
def test_json_stays_the_same_json(encoding):
    value = {"ação": "😀 “a” … \udce3 – ł", "n": 1.5}
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    with redirect_stdout(out):
        print_json(json.dumps(value, ensure_ascii=False) + "\n")
    out.seek(0)
    assert json.loads(out.read()) == value


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "não … – 😀"),
        ("cp1252", "não … – \\ud83d\\ude00"),
        ("latin-1", "não ... - \\ud83d\\ude00"),
        ("ascii", "n\\u00e3o ... - \\ud83d\\ude00"),
        (None, "não … – 😀"),
    ],
)
def test_signs_fall_back(encoding, shown):
    assert fitting("não … – 😀", encoding) == shown


def test_names_of_files_that_are_not_utf_8_are_shown(tmp_path, capsys):
    name = os.fsdecode(b"dados-\xe3.csv")
    (tmp_path / name).write_text("text,label\n" + "bom,1\nmau,0\n" * 8)
    assert (
        main(
            [
                "check",
                "task=sentiment",
                "dataset=csv",
                f"dataset.path={tmp_path}/{name}",
                f"runs={tmp_path}/runs",
            ]
        )
        == 0
    )
    assert main(["check", "task=sentiment", "dataset=csv", f"dataset.path={tmp_path}/x{name}"]) == 2
    assert "dados-\\udce3.csv" in capsys.readouterr().out


def test_texts_of_the_command_line_are_utf_8_in_the_locale_c():
    code = "import sys; from autotune.cli.flags import decoded; print(ascii(decoded(sys.argv[1])))"
    words = [sys.executable, "-P", "-c", code, "não é"]
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == ascii("não é")
