"""Runs to which something happens at a given place, and what comes out where nothing happens."""

import subprocess
from pathlib import Path

import pytest

from tests.support.forks import forks
from tests.support.runs import WORDS, ended, result

PLUGIN = Path(__file__).parent / "plugin.py"


@pytest.fixture(scope="session")
def train():
    """Trains to the end, or to a fault; gives the exit code and what was said."""

    def begin(runs: Path, name: str, *words: str, at: str = "", event: str = "", **options):
        once = runs.parent / f"{name}.happened"
        once.unlink(missing_ok=True)
        env = {"FAULT": at, "EVENT": event, "ONCE": str(once)} if at else {}
        called = [*WORDS, "--plugin", PLUGIN, f"runs={runs}", f"name={name}", *words]
        return ended(forks().start(*called, cwd=runs.parent, **options, **env))

    return begin


@pytest.fixture(scope="session")
def reference(train, tmp_path_factory):
    """What comes out of the run of sentiment to which nothing happens."""
    runs = tmp_path_factory.mktemp("reference") / "runs"
    code, said = train(runs, "reference", "task=sentiment")
    assert code == 0, said
    return result(runs / "reference")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk of its own can be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)
