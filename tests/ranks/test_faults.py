"""One of several processes dies, hangs or is asked to leave: all end, and the same command goes on.

What happens to a process happens at a point of its own work, so no test waits for a moment.
"""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.forks import Fork, forks, state_of
from tests.ranks.test_ranks import HERE, ROOT, exit_codes
from tests.test_checkpoints import checkpoints, ended, result, status

WORDS = [
    "task=sentiment", "dataset.limit=48", "trainer.epochs=4", "trainer.batch_size=16", "checkpoint.every=3up",
    # A larger epsilon keeps Adam from blowing up rounding where a gradient is nearly zero.
    "trainer.adam_epsilon=1e-5", "trainer.precision=fp32", "check=none",
    "name=shared", "--plugin", str(HERE / "without_dropout.py"),
]  # fmt: skip


def start(count: int, runs: Path, *words: str) -> Fork:
    """The run, in so many processes of a launcher."""
    return forks().start(*WORDS, f"runs={runs}", *words, cwd=ROOT, ranks=count)


def struck(count: int, runs: Path, rank: int, number: int, updates: int, *words: str) -> Fork:
    """The same, where a rank sends itself a signal when so many updates are done."""
    armed = {"runs": str(runs), "at": ("optimizer step", updates), "number": number, "rank": rank}
    return forks().start(*WORDS, f"runs={runs}", *words, cwd=ROOT, ranks=count, armed=armed)


def end_what_is_stopped(launcher: Fork) -> None:
    """Kills the ranks that have stopped themselves, as the launcher would do after half a minute."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text()
    for child in map(int, children.split()):
        if state_of(child) == "T":
            os.kill(child, signal.SIGKILL)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    runs = tmp_path_factory.mktemp("undisturbed")
    code, said = ended(start(2, runs))
    assert code == 0, said
    return result(runs / "shared")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_same_command_goes_on(tmp_path, undisturbed, rank):
    code, said = ended(struck(2, tmp_path, rank, signal.SIGKILL, 8))
    assert code != 0, said
    # The launcher asks the other one to leave, which may notice that first.
    assert re.search(rf"error: (.*process {rank}\b.* did not answer|interrupted .*SIGTERM)", said), said
    assert status(tmp_path / "shared")["state"] == ("interrupted" if rank else "running")
    code, said = ended(start(2, tmp_path))
    assert code == 0 and "going on after update" in said, said
    assert result(tmp_path / "shared") == undisturbed


@pytest.mark.slow
def test_a_process_that_hangs_is_given_up(tmp_path, undisturbed):
    # Half a minute: on a busy machine a process may long be silent and yet at work.
    launcher = struck(2, tmp_path, 1, signal.SIGSTOP, 8, "trainer.rank_timeout=0.5")
    run = tmp_path / "shared"
    launcher.until(lambda: (run / "status.json").exists() and status(run)["state"] != "running")
    end_what_is_stopped(launcher)
    code, said = ended(launcher)
    assert code != 0 and "process 1 of 2" in said and "did not answer" in said, said
    assert status(tmp_path / "shared")["state"] == "interrupted"
    code, said = ended(start(2, tmp_path))
    assert code == 0 and "going on after update" in said, said
    assert result(tmp_path / "shared") == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_one_process_is_heeded_by_all_at_the_same_update(tmp_path, undisturbed, rank):
    code, said = ended(struck(2, tmp_path, rank, signal.SIGTERM, 7))
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

    assert ended(struck(before, tmp_path, 0, signal.SIGTERM, 7))[0] != 0
    code, said = ended(start(after, tmp_path))
    assert code == 0 and f"last digits from an undisturbed run: processes {before} -> {after}" in said, said
    expected, found = load(undisturbed["weights"]), load(result(tmp_path / "shared")["weights"])
    assert max((found[name] - expected[name]).abs().max().item() for name in expected) < 1e-5
