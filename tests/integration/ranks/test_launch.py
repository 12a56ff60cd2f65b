"""`launcher.num_processes`, torchrun on two machines, srun: one result, one folder, no survivors.

What happens to a process happens at a point of its own work, so no test waits for a moment.
"""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.integration.ranks.test_faults import WORDS
from tests.support import ROOT
from tests.support.forks import Fork, forks, state_of
from tests.support.runs import checkpoints, ended, result, status


def start(count: int, runs: Path, *words: str, **options) -> Fork:
    """The run of WORDS, in so many processes that autotune starts itself."""
    return forks().start(
        *WORDS, f"runs={runs}", f"launcher.num_processes={count}", *words, cwd=ROOT, **options
    )


def stopping(count: int, runs: Path, rank: int, steps: int, *words: str) -> tuple[Fork, dict[int, int]]:
    """The same, where a rank stops itself when so many steps are done, as with SIGSTOP; with the processes by rank."""
    armed = {"runs": str(runs), "at": ("optimizer step", steps), "number": signal.SIGSTOP, "rank": rank}
    controller = start(count, runs, *words, armed=armed)
    controller.until(lambda: any(state_of(pid) == "T" for pid in ranks_of(controller).values()))
    return controller, ranks_of(controller)


def ranks_of(controller: Fork) -> dict[int, int]:
    """The processes that it has started, by rank."""
    children = Path(f"/proc/{controller.pid}/task/{controller.pid}/children").read_text().split()
    return dict(enumerate(map(int, children[1:])))  # the first child waits to verify a model


def gone(processes: dict[int, int]) -> bool:
    """Whether none of them is left."""
    return all(state_of(pid) in ("", "Z") for pid in processes.values())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes of it."""
    runs = tmp_path_factory.mktemp("alone")
    code, said = ended(start(1, runs))
    assert code == 0, said
    return result(runs / "shared")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What two processes make of it, and all that they say."""
    runs = tmp_path_factory.mktemp("two")
    code, said = ended(start(2, runs))
    assert code == 0, said
    return result(runs / "shared"), runs / "shared", said


def difference(one: dict, other: dict) -> float:
    """Greatest difference of a weight."""
    from safetensors.torch import load

    weights, others = load(one["weights"]), load(other["weights"])
    assert weights.keys() == others.keys()
    return max((weights[name] - others[name]).abs().max().item() for name in weights)


def scores(metrics: dict) -> dict:
    return {name: metrics[name] for name in ("validation", "test") if name in metrics}


def predictions(found: dict) -> list[list[dict]]:
    return [[json.loads(line) for line in file.splitlines()] for file in found["predictions"]]


def same(found: dict, expected: dict) -> None:
    """Rounding may differ in the last digits, and nothing else."""
    assert difference(found, expected) < 1e-5
    assert scores(found["metrics"]) and scores(found["metrics"]) == scores(expected["metrics"])
    assert len(predictions(found)) == 2
    for file, other in zip(predictions(found), predictions(expected), strict=True):
        for row, expected_row in zip(file, other, strict=True):
            assert row.pop("probabilities") == pytest.approx(expected_row.pop("probabilities"), abs=1e-5)
            assert row == expected_row


def test_two_processes_have_the_result_of_one_with_one_folder_and_one_voice(alone, undisturbed):
    found, run, said = undisturbed
    same(found, alone)
    assert said.count("run folder:") == said.count("result on test") == 1, said
    assert [path.name for path in run.glob("rank-*.log")] == ["rank-1.log"]
    assert "trained 12 steps" in (run / "rank-1.log").read_text()
    assert "process 1" not in said
    assert status(run)["state"] == "finished" and "launcher.num_processes=2" in status(run)["command"]
    assert [path.name for path in run.parent.iterdir() if path.name[0] != "."] == ["shared"]


def test_three_processes_have_it_too(tmp_path, alone):
    code, said = ended(start(3, tmp_path))
    assert code == 0, said
    same(result(tmp_path / "shared"), alone)


def asked_to_leave(runs: Path) -> str:
    """The controller gets a signal while a rank is in the middle of a step."""
    controller, ranks = stopping(2, runs, 1, 1)
    controller.send_signal(signal.SIGTERM)
    os.kill(ranks[1], signal.SIGCONT)
    code, said = ended(controller)
    assert code == 75 and "(SIGTERM); the same command resumes from there" in said, said
    assert status(runs / "shared")["state"] == "interrupted" and gone(ranks)
    return said


def controller_killed(runs: Path) -> str:
    """The ranks save and leave without it."""
    controller, ranks = stopping(2, runs, 0, 1)
    controller.send_signal(signal.SIGKILL)
    code, said = ended(controller)
    assert code == -signal.SIGKILL, said
    os.kill(ranks[0], signal.SIGCONT)
    while not gone(ranks):
        time.sleep(0.01)
    assert "SIGTERM" in status(runs / "shared")["reason"]
    return said


def rank_killed(runs: Path, rank: int) -> str:
    """The other one ends, too, and the exit code is that of the killed one."""
    controller, ranks = stopping(2, runs, rank, 1)
    os.kill(ranks[rank], signal.SIGKILL)
    code, said = ended(controller)
    assert code == 128 + signal.SIGKILL, said
    assert f"error: process {rank} of 2, counted from 0, was killed by SIGKILL" in said, said
    assert gone(ranks)
    return said


def rank_hangs(runs: Path) -> str:
    """It is asked to leave, does not, and is killed; so is the other one, which waits for it."""
    controller, ranks = stopping(2, runs, 1, 1, "launcher.grace_seconds=0.5")
    controller.send_signal(signal.SIGTERM)
    code, said = ended(controller)
    assert code == 128 + signal.SIGKILL, said
    assert (
        "1 of 2, counted from 0, did not end within 0.5 seconds (launcher.grace_seconds), and is killed"
        in said
    )
    assert gone(ranks)
    return said


def newest(runs: Path) -> int:
    """The step of the newest checkpoint; 0 if there is none."""
    steps = [
        json.loads((path / "state.json").read_text())["standing"]["step"]
        for path in checkpoints(runs / "shared")
    ]
    return max(steps, default=0)


@pytest.mark.slow
def test_whatever_happens_to_a_process_none_is_left_and_the_same_command_resumes(tmp_path, undisturbed):
    """One thing after the other happens to the same run."""
    faults = [
        asked_to_leave, controller_killed, lambda runs: rank_killed(runs, 1), lambda runs: rank_killed(runs, 0), rank_hangs,
    ]  # fmt: skip
    step = 0
    for fault in faults:
        said = fault(tmp_path)
        assert not step or f"resuming after step {step} of" in said, said
        step = newest(tmp_path)
        assert step
    code, said = ended(start(2, tmp_path))
    assert code == 0 and f"resuming after step {step} of" in said, said
    assert result(tmp_path / "shared") == undisturbed[0]
