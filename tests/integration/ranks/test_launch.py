"""`launcher.num_processes`, torchrun on two machines, srun: one result, one folder, no survivors.

What happens to a process happens at a point of its own work, so no test waits for a moment.
"""

import json
import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from autotune.config.compose import compose
from autotune.errors import DiskError
from autotune.run.rank_folder import RankFolder
from autotune.runtime import launcher
from autotune.runtime.workers import free_port
from tests.integration.ranks.test_faults import IMPATIENT, WORDS
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
    controller, ranks = stopping(2, runs, rank, 1, *IMPATIENT)
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
        step = newest(tmp_path)  # 0: it was stopped before its first step
    code, said = ended(start(2, tmp_path))
    assert code == 0 and f"resuming after step {step} of" in said, said
    assert result(tmp_path / "shared") == undisturbed[0]


OF_TORCH = re.compile(
    r"\[[WE]|[EWI]\d{4} .*/torch/distributed/|Exception raised from |frame #|<omitting python frames>|\s*$"
)
"""Lines that an agent of torchrun logs, with the stack of torch's C++ part."""


def test_two_machines_share_the_folder_of_rank_0(tmp_path, undisturbed):
    """Two agents of torchrun, which need not have the same working folder."""
    agents = []
    port = free_port()
    for node in (0, 1):
        (tmp_path / f"node{node}").mkdir()
        agent = ["--nnodes=2", f"--node-rank={node}", "--master-addr=127.0.0.1", f"--master-port={port}"]
        agents.append(
            forks().start(*WORDS, "runs=here", cwd=tmp_path / f"node{node}", ranks=1, agent=agent),
        )
    (code, said), (other_code, other_said) = map(ended, agents)
    assert code == other_code == 0, said + other_said
    # An agent of torchrun may complain that the other one, which hosts their store, is gone already.
    ours = [line for line in other_said.splitlines() if not OF_TORCH.match(line)]
    assert "result on test" in said and not ours, ours
    assert result(tmp_path / "node0" / "here" / "shared") == undisturbed[0]
    assert not list((tmp_path / "node1").iterdir())


def srun(
    runs: Path, struck: int | None = None, number: int = 0, steps: int = 0, words: Sequence[str] = ()
) -> list[tuple[int, str]]:
    """The run as two tasks of srun, one of which may send itself a signal when so many steps are done; how each ended."""
    step = {
        "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_NODEID": "0", "SLURM_STEP_NODELIST": "n1", "MASTER_PORT": str(free_port()),
    }  # fmt: skip
    armed = {"runs": str(runs), "at": ("optimizer step", steps), "number": number}
    tasks = [
        forks().start(
            *WORDS, f"runs={runs}", *words, cwd=ROOT, armed=armed if rank == struck else None,
            SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), **step,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    return [ended(task) for task in tasks]


def test_tasks_of_srun_end_with_one_code_and_resume_as_another_launcher_would(tmp_path, undisturbed):
    (code, said), (other_code, other_said) = srun(tmp_path, 1, signal.SIGUSR1, 4)
    assert (code, other_code) == (75, 75) and "(SIGUSR1); the same command resumes" in said, said + other_said
    assert not other_said
    for (code, said), lines in zip(srun(tmp_path), (1, 0), strict=True):
        assert code == 0 and said.count("result on test") == lines, said
    assert result(tmp_path / "shared") == undisturbed[0]


@pytest.mark.parametrize(("rank", "codes"), [(0, [-9, 75]), (1, [75, -9])])
def test_a_task_of_srun_notices_that_another_one_is_dead(tmp_path, rank, codes):
    """Rank 0 hosts the store through which the others would learn why."""
    tasks = srun(tmp_path, rank, signal.SIGKILL, 1, IMPATIENT)
    assert [code for code, _ in tasks] == codes, tasks
    assert f"process {rank} of 2, counted from 0, did not answer" in tasks[1 - rank][1], tasks


def test_a_folder_that_other_machines_do_not_see_is_refused(tmp_path):
    (config,) = compose(["task=ner", f"runs={tmp_path}", "name=here"])
    with pytest.raises(DiskError, match="process 1 does not see the run folder of process 0"):
        RankFolder.join(config, 1)


PORT_TAKEN = """
import socket, os, sys
from autotune.runtime.ranks import init_process_group
taken = socket.socket()
taken.bind(("127.0.0.1", 0))
taken.listen()
os.environ["MASTER_PORT"] = str(taken.getsockname()[1])
with init_process_group(timeout=1):
    pass
"""


def test_rank_0_says_that_the_port_is_taken(tmp_path):
    """To autotune, which tries another one, by its exit code; to others in words."""
    ranks = {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
    }
    worker = forks().start(code=PORT_TAKEN, cwd=tmp_path, AUTOTUNE_LAUNCHER_PID="1", **ranks).ended()
    assert worker.returncode == launcher.PORT_TAKEN, worker.stderr
    other = forks().start(code=PORT_TAKEN, cwd=tmp_path, **ranks).ended()
    assert other.returncode == 1 and "another process listens on the port" in other.stderr


SLOW = """
import os
from autotune.runtime import ranks
if os.environ.get("RANK") == "1":
    ranks.WAIT_SECONDS = 1.0
"""


def test_a_run_that_is_refused_is_refused_once(tmp_path):
    """Rank 0, which hosts the store, waits until a process that is slow to look there has read why."""
    (tmp_path / "rows.jsonl").write_text('{"text": "bom"}\n')
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["task=sentiment", "dataset=jsonl", f"dataset.path={tmp_path}/rows.jsonl", f"runs={tmp_path}"]
    plugin = ["--plugin", f"{tmp_path}/slow.py"]
    code, said = ended(forks().start(*plugin, *words, "launcher.num_processes=2", cwd=ROOT))
    assert code == 2 and said.count("error: ") == 1 and "TCPStore" not in said, said


def test_each_run_of_a_sweep_has_processes_of_its_own(tmp_path):
    words = ["debug=smoke", "dataset.limit=20", "check=none", f"runs={tmp_path}", "launcher.num_processes=2"]
    words += ["trainer.max_steps=2"]
    code, said = ended(forks().start("-m", *words, "seed=1,2", cwd=ROOT))
    assert code == 0 and said.count("result on test") == 2, said
    runs = [path for path in tmp_path.iterdir() if not path.name.startswith((".", "sweep-"))]
    assert len(runs) == 2 and all((run / "rank-1.log").exists() for run in runs)
    assert {status(run)["command"].split("seed=")[1][0] for run in runs} == {"1", "2"}
    assert all(" -m " not in status(run)["command"] for run in runs)
