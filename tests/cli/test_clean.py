"""`autotune clean`: what is in the cache is listed, and what nobody uses is removed; nothing else ever is."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autotune.cli.main import main
from autotune.pipeline import check

KEY, SHORT = "0123456789abcdef01234567", "0123456789abcdef"
TABLE, FEATURES, TINY = f"rows-{KEY}.arrow", f"features-{KEY}.arrow", f"tiny-bert-{SHORT}"
PART, TORSO = f".{FEATURES}.4711.part", f"{TINY}.k2_x9ab1"
OURS = (TABLE, FEATURES, TINY, PART, TORSO)
HOLD = """
import sys
from pathlib import Path
from autotune.data.cache_use import entries_in_use, hold
with entries_in_use():
    hold(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
"""
WORDS = ("check", "task=sentiment", "model=tiny_bert", "dataset=jsonl", "dataset.path=r.jsonl")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with one entry of each kind, 1000 bytes each."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / ".cache"
    folder.mkdir(parents=True)
    for name in OURS:
        file = folder / name
        if name.startswith("tiny"):
            file.mkdir()
            file = file / "model.safetensors"
        file.write_bytes(b"x" * 1000)
    return folder


def names(cache):
    return {path.name for path in cache.iterdir()} - {".lock"}


def test_what_is_there_is_listed_by_kind_and_removed(cache, capsys):
    assert main(["clean"]) == 0
    assert names(cache) == set()
    said = capsys.readouterr().out
    assert f"{cache.relative_to(Path.cwd())}: 5 entries, 0.0 MB" in said
    for line in ("tables of rows: 1,", "tables of features: 1,", "tiny models: 1,", "unfinished files: 2,"):
        assert line in said
    assert "5 entries were removed, 0.0 MB freed" in said
    assert main(["clean", "runs"]) == 0
    assert ": 0 entries" in capsys.readouterr().out


def test_a_dry_run_says_it_and_removes_nothing(cache, capsys):
    (cache / TABLE).write_bytes(b"x" * 3_000_000)
    assert main(["clean", "runs=runs", "--dry-run"]) == 0
    assert names(cache) == set(OURS)
    assert "5 entries would be removed, 3.0 MB" in capsys.readouterr().out


@pytest.mark.parametrize("days", ["3", "3d", "3.5"])
def test_what_was_used_since_stays(days, cache, capsys):
    then = time.time() - 4 * 86400
    for name in (TABLE, TINY):
        os.utime(cache / name, (then, then))
    assert main(["clean", "--older-than", days]) == 0
    assert names(cache) == {FEATURES, PART, TORSO}
    assert "3 entries were used in the last" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["file", "folder", "link", "run", "other cache"])
def test_what_is_not_of_the_cache_is_never_removed(kind, cache, tmp_path, capsys):
    made = {
        "file": cache / f"rows-{KEY}.arrow.bak",
        "folder": cache / FEATURES.replace("0", "1") / "thesis.txt",
        "link": tmp_path / "elsewhere.arrow",
        "run": tmp_path / "runs" / "rows" / TABLE,
        "other cache": tmp_path / "runs" / ".cache-somebody" / TABLE,
    }[kind]
    made.parent.mkdir(exist_ok=True)
    made.write_text("mine")
    link = cache / TABLE.replace("0", "2")
    if kind == "link":
        link.symlink_to(made)
    assert main(["clean"]) == 0
    assert made.read_text() == "mine"
    assert link.is_symlink() == (kind == "link")
    left = names(cache)
    assert not left & set(OURS)
    assert (f"never removed: {len(left)}" in capsys.readouterr().out) == bool(left)


@pytest.mark.parametrize(
    ("entry", "kept"), [(TABLE, {TABLE}), (FEATURES, {FEATURES, PART}), (TINY, {TINY, TORSO})]
)
def test_what_another_process_uses_stays_until_it_ends_or_dies(entry, kept, cache, capsys):
    command = [sys.executable, "-P", "-c", HOLD, str(cache / entry)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout.readline() == "held\n"
        assert main(["clean"]) == 0
        assert names(cache) == kept
        assert f"{len(kept)} entries are in use by another process and stay" in capsys.readouterr().out
        user.kill()
    assert main(["clean"]) == 0
    assert names(cache) == set()


def test_a_check_at_work_keeps_its_tables_and_makes_old_ones_young(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"texto {i} bom", "label": "ab"[i % 2]} for i in range(24)]
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = []
    show = check._print

    def clean_meanwhile(*arguments):
        command = [sys.executable, "-P", "-m", "autotune", "clean"]
        said.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        show(*arguments)

    monkeypatch.setattr(check, "_print", clean_meanwhile)
    assert main([*WORDS]) == 0
    cache = Path("runs/.cache")
    made = names(cache)
    assert {name.partition("-")[0] for name in made} == {"rows", "features", "tiny"}
    assert f"{len(made)} entries are in use by another process and stay" in said[0]
    for path in cache.iterdir():
        os.utime(path, (0, 0))
    assert main([*WORDS]) == 0
    capsys.readouterr()
    assert main(["clean", "--older-than", "1"]) == 0
    assert names(cache) == made
    assert main(["clean"]) == 0
    assert names(cache) == set()


@pytest.mark.parametrize(
    "words", [["nix"], ["--older-than", "-1"], ["--older-than", "x"], ["--older-than", "nan"], ["a", "b"]]
)
def test_a_wrong_call_is_refused(words, cache, capsys):
    assert main(["clean", *words]) == 2
    assert names(cache) == set(OURS)
    assert "Traceback" not in capsys.readouterr().err


def test_what_the_system_refuses_is_said_and_the_rest_is_gone(cache, monkeypatch, capsys):
    unlink = Path.unlink

    def refusing(path, *arguments, **options):
        if path.name == TABLE:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        unlink(path, *arguments, **options)

    monkeypatch.setattr(Path, "unlink", refusing)
    assert main(["clean"]) == 74
    assert names(cache) == {TABLE}
    said = capsys.readouterr()
    assert "4 entries were removed" in said.out
    assert TABLE in said.err


def test_without_file_locks_nothing_is_removed(cache, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert main(["clean"]) == 74
    assert names(cache) == set(OURS)
    assert "No locks available" in capsys.readouterr().err
