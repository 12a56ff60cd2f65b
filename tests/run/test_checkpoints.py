"""A run that is killed or asked to leave goes on to the same bytes; what is damaged is set aside."""

import errno
import shutil
import signal
import threading
from pathlib import Path

import pytest
import torch

from autotune.errors import DiskError
from autotune.run.checkpoints import Checkpoints, write_tensors
from tests.support.forks import Fork, forks
from tests.support.runs import WORDS, checkpoints, ended, flip, result, status

STOPS = [(signal.SIGKILL, 4), (signal.SIGUSR1, 1), (signal.SIGKILL, 2)]
"""What stops a run, and after how many steps since it went on. SIGTERM stops the run that is `interrupted`; SIGTERM and
SIGINT come at other places in `tests/integration/faults/test_signals.py`."""


@pytest.fixture(scope="module")
def start():
    """Starts a run in a folder of runs."""

    def begin(runs: Path, name: str, *words: str, stops_after: int | None = None) -> Fork:
        """Stops itself after so many steps of this process, and waits for what a test does then."""
        armed = {"runs": str(runs), "at": ("optimizer step", stops_after), "number": signal.SIGSTOP}
        return forks().start(
            *WORDS, "report=none", f"runs={runs}", f"name={name}", *words, cwd=runs,
            armed=None if stops_after is None else armed,
        )  # fmt: skip

    return begin


def signalled(process: Fork, number: int) -> tuple[int, str]:
    """Sends a signal to a run that has stopped itself; how it ends."""
    process.stopped()
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    return ended(process)


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    """A folder of runs with one to which nothing happened."""
    runs = tmp_path_factory.mktemp("runs")
    code, said = ended(start(runs, "reference", "task=sentiment"))
    assert code == 0, said
    assert not (runs / "reference" / "checkpoints").exists()
    return runs


@pytest.mark.slow
def test_a_run_that_was_stopped_again_and_again_ends_with_the_same_bytes(start, undisturbed):
    """With an adapter, and at other places: `tests/integration/chaos`."""
    runs = undisturbed
    for number, steps in STOPS:
        # Killed on a busy machine, it may not have written its first checkpoint yet.
        resumes = bool(checkpoints(runs / "stopped"))
        code, said = signalled(start(runs, "stopped", "task=sentiment", stops_after=steps), number)
        assert ("resuming after step" in said) == resumes, said
        name, found = signal.Signals(number).name, status(runs / "stopped")
        if number == signal.SIGKILL:
            assert code == -number and found["state"] == "running"
        else:
            assert code == 75 and "the same command resumes" in said, said
            assert found["state"] == "interrupted" and name in found["reason"]
    code, said = ended(start(runs, "stopped", "task=sentiment"))
    assert code == 0 and "resuming after step" in said, said
    assert result(runs / "stopped") == result(runs / "reference")
    assert not (runs / "stopped" / "checkpoints").exists()
    assert not (runs / "stopped" / "best.safetensors").exists()


@pytest.fixture(scope="module")
def interrupted(start, undisturbed):
    """Beside it a run that was asked to leave, with two checkpoints."""
    runs = undisturbed
    assert signalled(start(runs, "left", "task=sentiment", stops_after=8), signal.SIGTERM)[0] == 75
    return runs


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


DAMAGES = {
    "weights cut off": lambda path: cut(path / "weights.safetensors"),
    "a bit of the moments flipped": lambda path: flip(path / "optimizer.safetensors"),
    "a bit of the state flipped": lambda path: flip(path / "state.json"),
    "no optimizer": lambda path: (path / "optimizer.safetensors").unlink(),
    "a file too many": lambda path: (path / "optimizer.pt").write_bytes(b"evil"),
    "a link": lambda path: (
        (path / "state.json").unlink(),
        (path / "state.json").symlink_to("/etc/hostname"),
    ),
    "no manifest": lambda path: (path / "manifest.json").unlink(),
    "a manifest of nonsense": lambda path: (path / "manifest.json").write_text("[1"),
    "an empty folder": lambda path: [file.unlink() for file in path.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_found_out(interrupted, tmp_path, damage, caplog):
    shutil.copytree(interrupted / "left", tmp_path / "left", symlinks=True)
    before, newest = checkpoints(tmp_path / "left")
    DAMAGES[damage](newest)
    found = Checkpoints(tmp_path / "left" / "checkpoints", keep=2).latest()
    assert f"the checkpoint {newest.name} is damaged" in caplog.text
    assert found is not None and before.name == f"step-{found.state['standing']['step']:08}"
    assert not newest.exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["weights cut off", "a file too many"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(start, interrupted, tmp_path, damage):
    shutil.copytree(interrupted / "left", tmp_path / "left", symlinks=True)
    before, newest = checkpoints(tmp_path / "left")
    DAMAGES[damage](newest)
    code, said = ended(start(tmp_path, "left", "task=sentiment"))
    assert code == 0, said
    assert f"the checkpoint {newest.name} is damaged" in said
    assert f"resuming after step {int(before.name.removeprefix('step-'))} of" in said
    assert result(tmp_path / "left") == result(interrupted / "reference")


@pytest.mark.slow
def test_where_all_are_damaged_training_begins_anew_and_says_so(start, interrupted, tmp_path):
    shutil.copytree(interrupted / "left", tmp_path / "left", symlinks=True)
    for path in checkpoints(tmp_path / "left"):
        cut(path / "weights.safetensors")
    code, said = ended(start(tmp_path, "left", "task=sentiment"))
    assert code == 0 and said.count("is damaged") == 2 and "going on" not in said
    assert result(tmp_path / "left") == result(interrupted / "reference")


def test_other_settings_are_refused_and_harmless_ones_are_taken(start, interrupted, tmp_path):
    shutil.copytree(interrupted / "left", tmp_path / "left", symlinks=True)
    code, said = ended(start(tmp_path, "left", "task=sentiment", "trainer.learning_rate=1e-5"))
    assert code == 2 and "trainer.learning_rate: " in said and "resume=never" in said
    assert checkpoints(tmp_path / "left"), "nothing was lost"
    code, said = ended(
        start(tmp_path, "left", "task=sentiment", "checkpoint.keep=1", "trainer.max_hours=0.000001")
    )
    assert code == 75 and "trainer.max_hours" in said, said
    assert status(tmp_path / "left")["state"] == "interrupted"


def test_two_processes_do_not_share_a_folder(start, tmp_path):
    first = start(tmp_path, "one", "task=sentiment", stops_after=2)
    first.stopped()
    code, said = ended(start(tmp_path, "one", "task=sentiment"))
    assert code == 2 and "another process works in this folder" in said and f"process {first.pid} on" in said
    first.send_signal(signal.SIGKILL)
    first.ended()
    code, said = ended(start(tmp_path, "one", "task=sentiment", "trainer.max_hours=0.000001"))
    assert code == 75, "the lock of a dead process holds nobody up"


def test_a_run_goes_on_by_its_folder_alone(interrupted, tmp_path):
    shutil.copytree(interrupted / "left", tmp_path / "moved" / "elsewhere", symlinks=True)
    run = tmp_path / "moved" / "elsewhere"
    before = status(run)["command"]

    def resumed(*words: str) -> tuple[int, str]:
        return ended(forks().start(*words, cwd=tmp_path))

    for words, said in {
        (f"resume={run}", "trainer.learning_rate=1e-5"): "trainer.learning_rate: 0.001 -> 1e-05",
        (f"resume={run}", "task=ner"): "task.name: sentiment -> ner",
        (f"resume={run}", "name=other"): "already determines the folder",
        (f"resume={run.parent}/elsewher",): f"resume={run}",
    }.items():
        code, text = resumed(*words)
        assert code == 2 and said in text, text
    code, text = resumed(f"resume={run}", "checkpoint.keep=3", "seed=42")
    assert code == 0 and "resuming after step" in text, text
    assert result(run) == result(interrupted / "reference")
    assert "keep: 3" in (run / "config.yaml").read_text()
    assert status(run)["command"] == before


def test_training_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    begun, may_go_on = threading.Event(), threading.Event()

    def slow(path, tensors):
        begun.set()
        assert may_go_on.wait(300)
        write_tensors(path, tensors)

    monkeypatch.setattr("autotune.run.checkpoints.write_tensors", slow)
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    checkpoints.save(3, {"weights": {"a": torch.ones(2)}}, {"standing": 3}, {})
    assert begun.wait(300) and not checkpoints.exist()
    may_go_on.set()
    checkpoints.wait()
    found = checkpoints.latest()
    assert found is not None and found.state == {"standing": 3}
    assert found.tensors("weights")["a"].tolist() == [1, 1]


def test_a_checkpoint_that_could_not_be_written_is_told_by_the_next_or_at_the_end(tmp_path, monkeypatch):
    def full(path, tensors):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("autotune.run.checkpoints.write_tensors", full)
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    for at_the_end in (True, False):
        checkpoints.save(3, {"weights": {"a": torch.ones(2)}}, {}, {})
        with pytest.raises(DiskError, match="No space left"):
            if at_the_end:
                checkpoints.wait()
            else:
                checkpoints.save(6, {"weights": {"a": torch.ones(2)}}, {}, {})
    assert not list((tmp_path / "checkpoints").iterdir())
