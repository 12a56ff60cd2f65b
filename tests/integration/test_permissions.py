"""What a second user, who may not enter, read or write, is told: one sentence, the owner, what to do, exit code 74."""

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.forks import forks

NOBODY = 65534
AS_NOBODY = (
    # Python itself may lie where nobody else may read, so what is imported late is imported first.
    "import os, sys, encodings.utf_8_sig, encodings.utf_32_le; os.environ['HOME'] = '/nonexistent'; os.umask(0o022);"
    "os.setgroups([]); os.setgid(65534); os.setuid(65534);"
    "from autotune.cli.main import main; os._exit(main(sys.argv[1:]))"
)
TINY = [
    "task=sentiment",
    "model=tiny_bert",
    "trainer.max_steps=1",
    "dataset.limit=16",
    "check=none",
    "guard=none",
]
ROWS = "text,label\n" + "bom,a\nmau,b\n" * 4

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def shared():
    """A folder where one user, root, has a run, data and a model of their own, and others may write."""
    with tempfile.TemporaryDirectory() as name:
        yield _filled(Path(name))


def _filled(folder: Path) -> Path:
    folder.chmod(0o755)
    (folder / "runs").mkdir()
    (folder / "runs").chmod(0o1777)
    (folder / "closed").mkdir(0o755)
    private = folder / "private"
    private.mkdir()
    (private / "y.csv").write_text(ROWS)
    (folder / "mine.csv").write_text(ROWS)
    (folder / "secret.csv").write_text(ROWS)
    (folder / "secret.csv").chmod(0o600)
    done = forks().start(*TINY, "runs=runs", "name=r", cwd=folder).ended()
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "runs" / "r" / "model", private / "model")
    shutil.copytree(folder / "runs" / "r" / "model", folder / "model")
    (folder / "model" / "config.json").chmod(0o600)
    shutil.copytree(folder / "runs" / "r" / "model", folder / "open")
    private.chmod(0o700)
    return folder


def somebody(shared: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    """`autotune` as another user."""
    return forks().start(*words, code=AS_NOBODY, cwd=shared).ended()


@pytest.mark.parametrize(
    ("words", "obstacle"),
    [
        ([*TINY, "runs=runs", "name=r"], "runs/r"),
        ([*TINY, "runs=closed/new"], "closed"),
        (["check", *TINY, "runs=closed"], "closed"),
        (["predict", "runs/r", "--text", "a"], "runs/r"),
        (["evaluate", "runs/r"], "runs/r"),
        (["push", "runs/r"], "runs/r"),
        ([*TINY[1:], "resume=runs/r"], "runs/r"),
        (["predict", "open", "--text", "a", "-o", "closed/o.csv"], "closed"),
        (["evaluate", "open", "-o", "private/o.json"], "private"),
        (["convert", "mine.csv", "closed/o.jsonl", "task=sentiment"], "closed"),
        (["convert", "private/y.csv", "/tmp/never.jsonl", "task=sentiment"], "private"),
        (["predict", "open", "private/y.csv"], "private"),
        (["predict", "open", "secret.csv"], "secret.csv"),
        (["predict", "model", "--text", "a"], "model/config.json"),
        (["predict", "private/model", "--text", "a"], "private"),
        (["check", "task=sentiment", "dataset=csv", "dataset.path=private/y.csv", "runs=/tmp"], "private"),
        (["check", "task=sentiment", "dataset=csv", "dataset.path=private", "runs=/tmp"], "private"),
        (["check", "task=sentiment", "dataset=csv", "dataset.path=secret.csv", "runs=/tmp"], "secret.csv"),
        (["check", "task=sentiment", "model.name_or_path=private/model", "runs=/tmp"], "private"),
        (["check", "task=sentiment", "model.name_or_path=model", "runs=/tmp"], "model/config.json"),
        (["--plugin", "private/p.py", "show"], "private"),
    ],
    ids=lambda value: "-".join(map(str, value))[-60:] if isinstance(value, list) else "",
)
def test_every_door_names_the_obstacle_and_its_owner(shared, words, obstacle):
    done = somebody(shared, *words)
    said = done.stdout + done.stderr
    assert "Traceback" not in said and done.returncode == 74, (done.returncode, said)
    assert said.count("error: ") == 1 and "Permission denied" in said, said
    assert f"{shared / obstacle}: owner root, mode " in said or f"{obstacle}: owner root, mode " in said, said
    assert "this process runs as nobody" in said and "ask root for: chmod" in said, said
    assert "make room" not in said and "MB free" not in said, said


def test_two_users_share_a_folder_of_runs(shared):
    done = somebody(shared, *TINY, "runs=runs", "name=mine", "trainer.max_hours=0.000001")
    assert done.returncode == 75, done.stderr
    assert (shared / "runs" / ".cache").stat().st_uid == 0
    assert (shared / "runs" / ".cache-nobody").stat().st_uid == NOBODY
    for folder in (".cache", ".cache-nobody", "r", "mine"):
        assert stat.S_IMODE((shared / "runs" / folder).stat().st_mode) == 0o700


def test_a_model_that_was_copied_can_be_read_by_others(shared):
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (shared / "runs" / "r" / "model").iterdir()
    }
    assert len(set(modes.values())) == 1, modes
    assert somebody(shared, "predict", "open", "--text", "a").returncode == 0


def test_one_who_shares_a_run_is_understood(shared, tmp_path):
    copy = shared / "copy"
    shutil.copytree(shared / "runs" / "r", copy)
    copy.chmod(0o755)
    assert somebody(shared, "predict", "copy", "--text", "a").returncode == 0
