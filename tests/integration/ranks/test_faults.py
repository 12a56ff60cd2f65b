"""One of several processes dies, hangs or is asked to leave: all end, and the same command goes on.

What happens to a process happens at a point of its own work, so no test waits for a moment.
"""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.integration.ranks.worker import exit_codes
from tests.support import ROOT
from tests.support.forks import Fork, forks, state_of
from tests.support.runs import checkpoints, ended, result, status

HERE = Path(__file__).parent
WORDS = [
    "task=sentiment", "dataset.limit=24", "trainer.epochs=4", "trainer.batch_size=8", "checkpoint.every=3st",
    # A larger epsilon keeps Adam from blowing up rounding where a gradient is nearly zero.
    "trainer.adam_epsilon=1e-5", "trainer.precision=fp32", "trainer.keep=best", "check=none",
    "name=shared", "--plugin", str(HERE / "without_dropout.py"),
]  # fmt: skip

IMPATIENT = ["--plugin", str(HERE / "impatient.py")]
UNTIL_IT_HANGS = ["--plugin", str(HERE / "until_it_hangs.py")]


def start(count: int, runs: Path, *words: str) -> Fork:
    """The run, in so many processes of a launcher."""
    return forks().start(*WORDS, f"runs={runs}", *words, cwd=ROOT, ranks=count)


def struck(count: int, runs: Path, rank: int, number: int, steps: int, *words: str) -> Fork:
    """The same, where a rank sends itself a signal when so many steps are done."""
    armed = {"runs": str(runs), "at": ("optimizer step", steps), "number": number, "rank": rank}
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


def killed(runs: Path, rank: int, steps: int) -> str:
    """A process dies; what was said."""
    code, said = ended(struck(2, runs, rank, signal.SIGKILL, steps, *IMPATIENT))
    assert code != 0, said
    # The launcher asks the other one to leave, which may notice that first.
    assert re.search(rf"error: (.*process {rank}\b.* did not answer|interrupted .*SIGTERM)", said), said
    assert status(runs / "shared")["state"] == ("interrupted" if rank else "running")
    return said


def hanging(runs: Path) -> str:
    """One hangs, and the other one gives up."""
    launcher = struck(2, runs, 1, signal.SIGSTOP, 4, "trainer.rank_timeout=0.7", *UNTIL_IT_HANGS)
    run = runs / "shared"
    launcher.until(lambda: status(run)["state"] != "running")
    end_what_is_stopped(launcher)
    code, said = ended(launcher)
    assert code != 0 and "process 1 of 2" in said and "did not answer" in said, said
    assert "patience: 42 s" in said, said
    assert status(run)["state"] == "interrupted"
    return said


def asked_to_leave(runs: Path, rank: int, steps: int = 1) -> str:
    """One gets a signal, which all heed at the same step."""
    _, said = ended(struck(2, runs, rank, signal.SIGTERM, steps))
    assert exit_codes(said) == [75, 75] and "SIGTERM" in status(runs / "shared")["reason"], said
    assert f"interrupted after step {newest(runs)} " in said
    return said


def newest(runs: Path) -> int:
    """The step of the newest checkpoint."""
    state = json.loads((checkpoints(runs / "shared")[-1] / "state.json").read_text())
    step: int = state["standing"]["step"]
    return step


@pytest.mark.slow
def test_whatever_happens_to_one_process_ends_all_and_the_same_command_goes_on(tmp_path, undisturbed):
    """One thing after the other happens to the same run."""
    faults = [
        hanging, lambda runs: killed(runs, 1, 3), lambda runs: killed(runs, 0, 1),
        lambda runs: asked_to_leave(runs, 1),
    ]  # fmt: skip
    done = None
    for fault in faults:
        said = fault(tmp_path)
        assert done is None or f"resuming after step {done} of" in said, said
        done = newest(tmp_path)
    code, said = ended(start(2, tmp_path))
    assert code == 0 and f"resuming after step {done} of" in said, said
    assert result(tmp_path / "shared") == undisturbed


@pytest.mark.slow
def test_another_number_of_processes_goes_on_to_nearly_the_same(tmp_path, undisturbed):
    from safetensors.torch import load

    asked_to_leave(tmp_path, 0, 4)
    code, said = ended(struck(1, tmp_path, 0, signal.SIGTERM, 1))
    assert code != 0 and "last digits from an uninterrupted run: processes 2 -> 1" in said, said
    code, said = ended(start(2, tmp_path))
    assert code == 0 and "last digits from an uninterrupted run: processes 1 -> 2" in said, said
    expected, found = load(undisturbed["weights"]), load(result(tmp_path / "shared")["weights"])
    assert max((found[name] - expected[name]).abs().max().item() for name in expected) < 1e-5
