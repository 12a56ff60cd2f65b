"""The last weights beside the best: while training goes on, which neither waits for them nor changes, and at its end."""

import json
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.publishing.conftest import FAULTS, HubForks, state
from tests.support.forks import Fork
from tests.support.hub.metadata import errors
from tests.support.hub.server import WRITER

UPDATES, EVERY = 8, 2
WORDS = (
    "task=sentiment", "debug=smoke", "dataset.limit=16", "trainer.batch_size=4", "name=run", "check=none", "report=none",
    f"trainer.max_steps={UPDATES}",
    # No evaluation is that much better than the first, whose weights are the result therefore.
    f"trainer.evaluate_every={EVERY}st", "trainer.min_delta=0.9",
)  # fmt: skip
PUSHED = ("hub=private", "hub.patience=60", "hub.language=en")
COMMIT = "POST .*/commit/last"


def history(run: Path) -> list[dict]:
    """Without times."""
    file = run / "history.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def result(run: Path) -> dict:
    """What a run has come to."""
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["training"]["seconds"]
    files = [run / "model" / "model.safetensors", *sorted(run.glob("predictions_*.jsonl"))]
    return {"metrics": metrics, "history": history(run)} | {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def alone(known, tmp_path_factory) -> dict:
    """What the same run comes to that tells nobody."""
    folder = tmp_path_factory.mktemp("alone")
    done = known(*WORDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert not (folder / "runs" / "run" / "last").exists()
    return result(folder / "runs" / "run")


def started(forks: HubForks, folder: Path, go: Path | None = None, every: int = 2) -> Fork:
    """Starts a run. With `go`, training waits for this file after `every` evaluations, when the first upload has begun."""
    armed = {"runs": str(folder / "runs"), "at": ("optimizer step", every * EVERY + 1), "until": str(go)}
    words = (*WORDS, *PUSHED, f"hub.every={every}")
    return forks.start(*words, cwd=folder, HF_TOKEN=WRITER, armed=armed if go else None)


def steps(run: Path) -> int:
    """How many are done."""
    return sum("loss" in row for row in history(run))


def complaints(run: Path) -> int:
    return (run / "log.txt").read_text("utf-8").count("did not reach the branch last")


def senders(run: Path) -> list[str]:
    """Processes that send something of the run."""
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    return [
        line.decode()
        for line in lines
        if b"autotune.publishing.snapshot" in line and str(run).encode() in line
    ]


def arrived(forks: HubForks) -> bool:
    """Whether anything is on the branch."""
    return "refs/heads/last" in forks.hub.repo("ana/run").refs and forks.hub.commits("ana/run", "last") > 0


def on_branch(forks: HubForks, commit: str | None = None) -> str:
    return forks.hub.store.read("ana/run", "README.md", commit or "last").decode()


def test_training_does_not_wait_and_a_newer_state_takes_the_place_of_one_that_waits(forks, tmp_path, alone):
    hub, run, go, gate = forks.hub, tmp_path / "runs" / "run", tmp_path / "go", threading.Event()
    with hub.faults(COMMIT, gate=gate, times=1) as hit:
        going = started(forks, tmp_path, go, every=1)
        going.until(lambda: hit.hits)
        go.touch()
        # The weights of the first evaluation do not arrive before the third; those of the second wait for them.
        going.until(lambda: steps(run) > 3 * EVERY)
        gate.set()
        done = going.ended()
    assert done.returncode == 0, done.stderr
    cards = [on_branch(forks, commit.oid) for commit in hub.repo("ana/run").history("last")[:-1]]
    said = [line for card in cards for line in card.splitlines() if "weights of" in line]
    assert not [line for line in said if f"weights of step {2 * EVERY} of" in line], said
    assert "last weights of the run" in said[0] and all(
        "Training is in progress" in line for line in said[1:]
    )
    assert all(errors(card) == [] for card in cards)
    assert result(run) == alone
    assert not senders(run)


def test_what_it_leaves_is_read_by_others(forks, elsewhere, tmp_path, alone):
    run = tmp_path / "runs" / "run"
    done = started(forks, tmp_path).ended()
    assert done.returncode == 0 and result(run) == alone, done.stderr
    there = forks.hub.files("ana/run", "last")
    assert not {"metrics.json", "snapshot.json"} & set(there) and "autotune.json" in there
    code = """
import torch
from transformers import AutoModelForSequenceClassification as Kind
from safetensors.torch import load_file
model = Kind.from_pretrained("ana/run", revision="last")
here = load_file(FILE)
assert all(torch.equal(tensor, here[name]) for name, tensor in model.state_dict().items())
print(sorted(model.config.label2id))
"""
    file = run / "last" / "model" / "model.safetensors"
    assert file.read_bytes() != (run / "model" / "model.safetensors").read_bytes()
    read = elsewhere.python(f"FILE = {str(file)!r}\n{code}")
    assert read.returncode == 0 and "['negativo', 'neutro', 'positivo']" in read.stdout, read.stderr
    card = on_branch(forks).split("```python\n")[1].split("```")[0]
    used = elsewhere.python(card)
    assert used.returncode == 0 and "label" in used.stdout, used.stderr
    again = forks("push", run, cwd=tmp_path)
    assert again.returncode == 0 and again.stdout.count("holds this run already") == 2, again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("faults", [("forbidden",), ("dropped", "broken", "cut", "answer lost")])
def test_faults_are_said_once_and_change_nothing(forks, tmp_path, alone, faults):
    """Of each kind one, one after another; every one at every request: `test_push`."""
    run, go, passing = tmp_path / "runs" / "run", tmp_path / "go", FAULTS[faults[0]][1]
    with ExitStack() as stack:
        hits = [
            stack.enter_context(
                forks.hub.faults("PUT /storage/" if "cut_after" in how else COMMIT, times=1, **how)
            )
            for how, _ in (FAULTS[fault] for fault in faults)
        ]
        going = started(forks, tmp_path, go)
        going.until(lambda: all(hit.hits for hit in hits))
        going.until(lambda: arrived(forks) if passing else complaints(run))
        go.touch()
        done = going.ended()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("did not reach the branch last") == (0 if passing else 1), done.stdout
    assert result(run) == alone
    assert "last weights of the run" in on_branch(forks)


def test_a_hub_that_goes_on_refusing_is_complained_of_once(forks, tmp_path, alone):
    run, go = tmp_path / "runs" / "run", tmp_path / "go"
    with forks.hub.faults("GET /api/whoami", status=403, skip=1):
        going = started(forks, tmp_path, go, every=1)
        going.until(lambda: (run / "log.txt").exists() and complaints(run))
        go.touch()
        done = going.ended()
    assert done.returncode == 69, "the push of the result is refused, too"
    assert done.stdout.count("did not reach the branch last") == 1, done.stdout
    assert state(run)["state"] == "finished" and result(run) == alone
    assert forks("push", run, cwd=tmp_path).returncode == 0
    assert forks.hub.commits("ana/run") == 1 and "last weights of the run" in on_branch(forks)


def test_a_run_that_leaves_takes_what_is_on_its_way_with_it(forks, tmp_path, alone):
    run = tmp_path / "runs" / "run"
    for number, expected in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)):
        go = tmp_path / f"go-{number}"
        with forks.hub.faults(COMMIT, gate=threading.Event()) as hit:
            going = started(forks, tmp_path, go, every=1)
            going.until(lambda hit=hit: hit.hits)
            assert senders(run)
            going.send_signal(number)
            go.touch()
            assert going.ended().returncode == expected
            while senders(run):
                time.sleep(0.02)
        assert forks.hub.commits("ana/run", "last") == 0
    done = started(forks, tmp_path).ended()
    assert done.returncode == 0 and result(run) == alone, done.stderr
    assert forks.hub.commits("ana/run") == 1


def test_offline_nothing_is_tried_and_the_push_that_comes_later_sends_both(forks, tmp_path, alone):
    words = (*WORDS, *PUSHED, "hub.every=1", "hub.when_offline=queue")
    going = forks.start(*words, cwd=tmp_path, HF_TOKEN=WRITER, HF_HUB_OFFLINE="1")
    done = going.ended()
    run = tmp_path / "runs" / "run"
    assert done.returncode == 0 and "did not reach" not in done.stdout, done.stderr
    assert not forks.hub.seen and result(run) == alone
    assert forks("push", run, cwd=tmp_path, HF_HUB_OFFLINE="0").returncode == 0
    assert forks.hub.commits("ana/run") == 1 and "last weights of the run" in on_branch(forks)


@pytest.mark.parametrize("differs", [True, False])
def test_at_the_end_alone_only_where_the_best_are_others(forks, tmp_path, differs):
    """With such a min_delta no evaluation is better than the first, and with a single one there is no other."""
    words = ("task=ner", "peft=lora", "debug=smoke", "dataset.limit=16", "trainer.batch_size=4", "check=none",
             "report=none", "name=run", "hub=private", "hub.patience=60")  # fmt: skip
    done = forks(*words, "trainer.min_delta=0.9" if differs else "trainer.evaluate_every=4st", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("refs/heads/last" in forks.hub.repo("ana/run").refs) is differs
    assert (tmp_path / "runs" / "run" / "last" / "adapter").exists() is differs
