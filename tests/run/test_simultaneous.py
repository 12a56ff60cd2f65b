"""Many processes start at the same moment: of different runs each has its folder, of one run one process has it."""

import errno
import fcntl
import os
import re
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from autotune.errors import ConfigError, DiskError
from autotune.runtime.files import link_or_copy
from autotune.runtime.locks import acquire_lock
from tests.support.forks import forks

STARTS = 8
OPEN = """
import os, sys, time
from pathlib import Path
from autotune.config.compose import compose
from autotune.data.cache import cached_table
from autotune.data.cache_use import entries_in_use
from autotune.errors import ConfigError
from autotune.run.folder import RunFolder

runs, name = Path(sys.argv[1]), sys.argv[2]
(config,) = compose(["task=ner", f"runs={runs}", f"name={name}"])

def rows():
    Path(f"made {os.getpid()}").touch()
    yield {"n": 1}

Path(f"ready {os.getpid()}").touch()
while not Path("go").exists():
    time.sleep(0.001)
try:
    with RunFolder.open(config) as folder, entries_in_use():
        assert list(cached_table(folder.cache, "k", rows)) == [{"n": 1}]
        print("opened", os.getpid(), folder.path.name)
        sys.stdout.flush()
        while not Path("end").exists():
            time.sleep(0.01)
except ConfigError as error:
    print("refused", error)
"""


def opened_by(folder: Path, names: list[str]) -> list[str]:
    """Starts a process for each name, all of which open their run at the same moment; what each has printed."""
    starts = [forks().start(folder / "runs", name, code=OPEN, cwd=folder) for name in names]
    for start in starts:
        start.until(lambda: len(list(folder.glob("ready *"))) == STARTS)
    (folder / "go").touch()
    for start in starts:
        while start.poll() is None and not (start.folder / "out").read_text():
            time.sleep(0.01)
    (folder / "end").touch()
    done = [start.ended() for start in starts]
    assert not any(one.returncode for one in done), done
    return [one.stdout for one in done]


def test_starts_of_different_runs_have_folders_of_their_own_and_build_the_cache_once(tmp_path):
    said = opened_by(tmp_path, [f"run{number}" for number in range(STARTS)])
    assert all(text.startswith("opened") for text in said), said
    folders = [path.name for path in (tmp_path / "runs").iterdir() if path.name[0] != "."]
    assert sorted(folders) == sorted(f"run{number}" for number in range(STARTS))
    assert all((tmp_path / "runs" / name / "config.yaml").exists() for name in folders)
    assert len(list(tmp_path.glob("made *"))) == 1
    assert [path.name for path in (tmp_path / "runs" / ".cache").glob("*k.arrow*")] == ["k.arrow"]


def test_of_starts_of_one_run_one_has_it_and_the_others_say_which(tmp_path):
    said = opened_by(tmp_path, ["same"] * STARTS)
    assert Counter(text.split()[0] for text in said) == {"opened": 1, "refused": STARTS - 1}
    holder = next(text.split()[1] for text in said if text.startswith("opened"))
    for text in said:
        assert text.startswith("opened") or f"process {holder} on {socket.gethostname()} since" in text, text


def refuse(number: int):
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def test_a_disk_without_locks_is_refused_in_words(tmp_path, monkeypatch, number):
    monkeypatch.setattr(fcntl, "lockf", refuse(number))
    with pytest.raises(DiskError, match="the file system has no file locks"):
        acquire_lock(tmp_path / ".lock")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
def test_a_lock_that_another_process_has_is_not_mistaken_for_that(tmp_path, monkeypatch, number):
    (tmp_path / ".lock").write_text("process 1 on n1")
    monkeypatch.setattr(fcntl, "lockf", refuse(number))
    with pytest.raises(
        ConfigError, match=re.compile("another process works in this folder.*process 1 on n1", re.DOTALL)
    ):
        acquire_lock(tmp_path / ".lock")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV])
def test_a_disk_without_hard_links_gets_copies(tmp_path, monkeypatch, number):
    (tmp_path / "a").write_text("weights")
    monkeypatch.setattr(os, "link", refuse(number))
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "weights"
