"""Several processes, really started by torchrun: the same result as one, one folder, one voice, one end."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch

from autotune.runtime.ranks import Ranks
from autotune.runtime.workers import free_port
from tests.integration.ranks.worker import CASES, equal, exit_codes, trainer_in
from tests.support import ROOT
from tests.support.forks import forks
from tests.support.setting import weights

HERE = Path(__file__).parent
WORKER = "from tests.integration.ranks.worker import main; main()"


def forked(count: int, *words: object, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess[str]:
    """Runs a command line in `count` processes of torchrun, one thread each."""
    return forks().start(*words, cwd=cwd, ranks=count, **options).ended()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process learns."""
    folder = tmp_path_factory.mktemp("alone")
    equal(folder, Ranks(0, 1))
    return torch.load(folder / "equal-0-of-1.pt")


@pytest.mark.parametrize("count", [2, 3])
def test_any_number_of_processes_learns_the_same(tmp_path, alone, count):
    done = forked(count, tmp_path, "equal", "memory", "stop", code=WORKER)
    assert done.returncode == 0, done.stderr
    found = [torch.load(tmp_path / f"equal-{rank}-of-{count}.pt") for rank in range(count)]
    assert len(CASES) == len(alone)
    for case, expected in alone.items():
        for one in found:
            assert torch.equal(one[case]["weights"], found[0][case]["weights"])
            assert one[case]["losses"] == pytest.approx(expected["losses"], abs=1e-5)
        assert (found[0][case]["weights"] - expected["weights"]).abs().max() < 1e-5
    reference = trainer_in(tmp_path, Ranks(0, 1), "ner", micro_batch_tokens=4096)
    list(reference.steps())
    halved = [torch.load(tmp_path / f"memory-{rank}-of-{count}.pt") for rank in range(count)]
    assert halved[0]["budgets"][-1] < 100
    assert all(one["budgets"] == halved[0]["budgets"] for one in halved), "agreed over ranks"
    assert (halved[0]["weights"] - weights(reference)).abs().max() < 1e-5
    assert [torch.load(tmp_path / f"stop-{rank}-of-{count}.pt") for rank in range(count)] == [2] * count


def test_a_whole_run_has_one_folder_and_one_voice(tmp_path):
    """Rank 0 is a new interpreter, as torchrun starts it: it imports for itself, and hashes strings otherwise than
    rank 1."""
    words = [
        "task=sentiment", "debug=smoke", "dataset.limit=20", f"runs={tmp_path}", "trainer.batch_size=5", "check=none",
        "report.format=none", "name=shared",
    ]  # fmt: skip
    (tmp_path / "here").mkdir()
    for name in ("yaml", "evaluate", "datasets"):  # none is imported
        (tmp_path / "here" / f"{name}.py").write_text(
            f"raise SystemExit('{name}.py of the working folder ran')"
        )
    port = free_port()
    agents = []
    for node, new in enumerate((True, False)):
        agent = ["--nnodes=2", f"--node-rank={node}", "--master-addr=127.0.0.1", f"--master-port={port}"]
        how = {"ranks": 1, "agent": agent, "new": new, "PYTHONPATH": str(ROOT)}
        agents.append(forks().start(*words, cwd=tmp_path / "here", **how))
    done, other = (agent.ended() for agent in agents)
    assert done.returncode == other.returncode == 0, done.stderr + other.stderr
    assert done.stdout.count("run folder:") == done.stdout.count("result on test") == 1
    assert "run folder:" not in other.stdout and "result on test" not in other.stdout
    run = tmp_path / "shared"
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    for split in ("validation", "test"):
        lines = [json.loads(line) for line in (run / f"predictions_{split}.jsonl").read_text().splitlines()]
        assert [line["id"] for line in lines] == sorted({line["id"] for line in lines}, key=str)
        assert len(lines) == 20
    steps = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [one["step"] for one in steps if "loss" in one] == [1, 2, 3, 4]
    again = forked(2, *words)
    assert again.returncode == 0 and again.stdout.count("is finished") == 1


@pytest.mark.parametrize(("failure", "code"), [("known", 65), ("bug", 70)])
def test_an_error_in_one_process_ends_all_with_one_message_and_one_code(tmp_path, failure, code):
    options = tmp_path / "mine" / "task"
    options.mkdir(parents=True)
    (options / "failing.yaml").write_text("defaults: [/schema/task/failing@_here_, _self_]\n")
    done = forked(
        2, "--plugin", str(HERE / "failing_task.py"), "--config-dir", str(options.parent),
        "task=failing", "dataset.path=sample/sentiment", "debug=smoke", f"runs={tmp_path}", "name=broken",
        FAILURE=failure,
    )  # fmt: skip
    message = "one process cannot go on" if failure == "known" else "a bug in one process"
    assert exit_codes(done.stderr) == [code, code], done.stderr
    assert done.stderr.count(f"KeyError: '{message}'" if failure == "bug" else f"error: {message}") == 1
    status = json.loads((tmp_path / "broken" / "status.json").read_text())
    assert status["state"] == "failed" and message in status["reason"]
    assert message in (tmp_path / "broken" / "log.txt").read_text()


def test_what_the_first_process_refuses_is_said_once(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "bom"}\n')
    done = forked(
        2, "task=sentiment", "dataset=jsonl", f"dataset.path={tmp_path}/rows.jsonl", f"runs={tmp_path}"
    )
    assert exit_codes(done.stderr) == [2, 2], done.stderr
    assert len(re.findall(r"^error: ", done.stderr, re.MULTILINE)) == 1
