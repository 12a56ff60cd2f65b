"""One of several processes dies, hangs or is asked to leave: all end soon, and the same command goes on."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.forks import Fork, forks
from tests.ranks.test_ranks import HERE, ROOT, exit_codes
from tests.test_checkpoints import after_updates, checkpoints, ended, result, status

WORDS = [
    "task=sentiment", "dataset.limit=120", "trainer.epochs=4", "trainer.batch_size=16", "checkpoint.every=3up",
    # A larger epsilon keeps Adam from blowing up rounding where a gradient is nearly zero.
    "trainer.adam_epsilon=1e-5", "name=shared", "--plugin", str(HERE / "without_dropout.py"),
]  # fmt: skip


def start(count: int, runs: Path, *words: str) -> Fork:
    """The run, in so many processes of a launcher."""
    return forks().start(*WORDS, f"runs={runs}", *words, cwd=ROOT, ranks=count)


def rank_of(launcher: Fork, rank: int) -> int:
    """Process id of a rank: they are the launcher's children, in their order."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text()
    return sorted(map(int, children.split()))[rank]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    runs = tmp_path_factory.mktemp("undisturbed")
    code, said = ended(start(2, runs))
    assert code == 0, said
    return result(runs / "shared")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_same_command_goes_on(tmp_path, undisturbed, rank):
    launcher = start(2, tmp_path)
    after_updates(tmp_path / "shared", 8, launcher)
    os.kill(rank_of(launcher, rank), signal.SIGKILL)
    began = time.monotonic()
    code, said = ended(launcher)
    assert code != 0 and time.monotonic() - began < (30 if rank else 50), said
    # The launcher asks the other one to leave, which may notice that first.
    assert re.search(rf"error: (.*process {rank}\b.* did not answer|interrupted .*SIGTERM)", said), said
    assert status(tmp_path / "shared")["state"] == ("interrupted" if rank else "running")
    code, said = ended(start(2, tmp_path))
    assert code == 0 and "going on after update" in said, said
    assert result(tmp_path / "shared") == undisturbed


@pytest.mark.slow
def test_a_process_that_hangs_is_given_up(tmp_path, undisturbed):
    launcher = start(2, tmp_path, "trainer.rank_timeout=0.1")
    after_updates(tmp_path / "shared", 8, launcher)
    hung = rank_of(launcher, 1)
    os.kill(hung, signal.SIGSTOP)
    while status(tmp_path / "shared")["state"] == "running":
        time.sleep(0.1)
    # The launcher would do it after half a minute.
    os.kill(hung, signal.SIGKILL)
    code, said = ended(launcher)
    assert code != 0 and "process 1 of 2" in said and "did not answer" in said, said
    assert status(tmp_path / "shared")["state"] == "interrupted"
    code, said = ended(start(2, tmp_path))
    assert code == 0 and "going on after update" in said, said
    assert result(tmp_path / "shared") == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_one_process_is_heeded_by_all_at_the_same_update(tmp_path, undisturbed, rank):
    launcher = start(2, tmp_path)
    after_updates(tmp_path / "shared", 7, launcher)
    os.kill(rank_of(launcher, rank), signal.SIGTERM)
    code, said = ended(launcher)
    assert exit_codes(said) == [75, 75] and "SIGTERM" in status(tmp_path / "shared")["reason"], said
    done = json.loads((checkpoints(tmp_path / "shared")[-1] / "state.json").read_text())["standing"]["update"]
    assert f"interrupted after update {done} " in said
    code, said = ended(start(2, tmp_path))
    assert code == 0 and f"going on after update {done} of" in said, said
    assert result(tmp_path / "shared") == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_another_number_of_processes_goes_on_to_nearly_the_same(tmp_path, undisturbed, before, after):
    from safetensors.torch import load

    launcher = start(before, tmp_path)
    after_updates(tmp_path / "shared", 7, launcher)
    os.kill(rank_of(launcher, 0), signal.SIGTERM)
    assert ended(launcher)[0] != 0
    code, said = ended(start(after, tmp_path))
    assert code == 0 and f"last digits from an undisturbed run: processes {before} -> {after}" in said, said
    expected, found = load(undisturbed["weights"]), load(result(tmp_path / "shared")["weights"])
    assert max((found[name] - expected[name]).abs().max().item() for name in expected) < 1e-5
