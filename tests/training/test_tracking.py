"""Experiment trackers: what they get, and that nothing they do reaches the training."""

import json
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from autotune.config.compose import compose
from autotune.config.load import dump_config
from autotune.errors import ConfigError
from autotune.run.follow import Follower
from autotune.training import tracker, tracking
from tests.support.forks import forks
from tests.support.runs import ended

RUN = [
    "task=sentiment",
    "dataset.limit=24",
    "trainer.epochs=2",
    "trainer.batch_size=8",
    "check=none",
    "report=none",
    "name=run",
]
SECRET = "Zq79-ç-x-Canary"
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")


def folder_of(path: Path, name: str, steps: int) -> Path:
    """A run folder in the middle of a run."""
    (config,) = compose([f"tracking={name}", f"runs={path}", "name=run"])
    run = path / "run"
    run.mkdir(exist_ok=True)
    (run / "config.yaml").write_text(dump_config(config))
    write_history(run, steps)
    return run


def write_history(run: Path, steps: int, first: int = 1) -> None:
    with (run / "history.jsonl").open("a") as file:
        for step in range(first, steps + 1):
            values = {
                "step": step,
                "epoch": step / 2,
                "loss": 1 / step,
                "learning_rate": 1e-3,
                "grad_norm": None,
            }
            file.write(json.dumps(values) + "\n")
            if step % 2 == 0:
                file.write(json.dumps({"step": step, "validation": {"macro_f1": step / 10}}) + "\n")


TRACKER = """
import runpy, sys
sys.argv[0] = ""
runpy.run_module("autotune.training.tracker", run_name="__main__")
"""


def send(run: Path) -> list[dict[str, object]]:
    """Sends a run whose end is known at once; returns the reports. Whole runs start the tracker as a new program."""
    own = {"HOME": str(run.parent / "home"), "WANDB_API_KEY": SECRET}
    process = forks().start(run, code=TRACKER, cwd=run.parent, **own).ended()
    reports = [json.loads(line) for line in process.stdout.splitlines()]
    assert process.returncode == 0, (reports, process.stderr)
    return reports


def scalars_of_tensorboard(run: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {
        tag: [(event.step, round(event.value, 6)) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def scalars_of_mlflow(run: Path) -> dict[str, list[tuple[int, float]]]:
    with sqlite3.connect(run / "mlruns" / "mlflow.db") as database:
        rows = database.execute("select key, step, value from metrics order by step").fetchall()
        assert database.execute("select name from runs").fetchall() == [("run",)]
    return {
        tag: [(step, round(value, 6)) for name, step, value in rows if name == tag]
        for tag in {row[0] for row in rows}
    }


def scalars_of_trackio(run: Path) -> dict[str, list[tuple[int, float]]]:
    with sqlite3.connect(run / "trackio" / "autotune.db") as database:
        rows = database.execute("select run_name, step, metrics from metrics order by id").fetchall()
    assert {row[0] for row in rows} == {"run"}
    found: dict[str, list[tuple[int, float]]] = {}
    for _, step, values in rows:
        for tag, value in json.loads(values).items():
            found.setdefault(tag, []).append((step, round(value, 6)))
    return found


def records_of_wandb(content: bytes) -> Iterator[bytes]:
    """The records of a .wandb file, which has the form of LevelDB's log."""
    position, record = 7, b""
    while position + 7 <= len(content):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        size, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        record += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # whole, or the last part of one
            yield record
            record = b""


def scalars_of_wandb(run: Path) -> dict[str, list[tuple[int, float]]]:
    from wandb.proto.wandb_internal_pb2 import Record

    found: dict[str, list[tuple[int, float]]] = {}
    ids = set()
    for file in sorted(run.glob("wandb/offline-run-*/*.wandb")):
        for content in records_of_wandb(file.read_bytes()):
            record = Record.FromString(content)
            if record.WhichOneof("record_type") == "run":
                ids.add((record.run.run_id, record.run.display_name, record.run.project))
            for item in record.history.item:
                tag = item.key or "/".join(item.nested_key)
                if not tag.startswith("_"):
                    value = round(json.loads(item.value_json), 6)
                    found.setdefault(tag, []).append((record.history.step.num, value))
    assert {one[1:] for one in ids} == {("run", "autotune")} and len(ids) == 1
    return found


@pytest.mark.parametrize("name", TRACKERS)
def test_an_interrupted_run_continues_as_the_same_run_of_the_tracker(name, tmp_path):
    pytest.importorskip(name)
    (tmp_path / "home").mkdir()
    run = folder_of(tmp_path, name, 3)
    assert "see" in send(run)[0]
    first = json.loads((run / "tracking.json").read_text())
    # Resumed from step 2: the third step is in the tracker already.
    write_history(run, 4, first=3)
    (run / "metrics.json").write_text(
        json.dumps({"test": {"macro_f1": 0.75, "labels": {"a": 1}}, "main": "macro_f1"})
    )
    send(run)
    assert json.loads((run / "tracking.json").read_text()) == first | {"step": 4, "evaluated": 4}
    values = globals()[f"scalars_of_{name}"](run)
    assert values["train/loss"] == [(1, 1.0), (2, 0.5), (3, 0.333333), (4, 0.25)]
    assert values["train/learning_rate"][0] == (1, 0.001)
    assert values["validation/macro_f1"] == [(2, 0.2), (4, 0.4)]
    assert values["final/test/macro_f1"] == [(4, 0.75)]
    assert not {tag for tag in values if "grad_norm" in tag or "labels" in tag}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "run"]
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not [path for path in files if path.is_relative_to(tmp_path / "home")]
    assert not [path for path, content in files.items() if SECRET.encode() in content]


def test_a_tracked_run_has_the_weights_of_one_without_whatever_the_tracker_does(tmp_path):
    words = {
        "plain": [],
        "tracked": ["tracking=tensorboard"],
        "hung": ["tracking=tensorboard", "tracking.timeout=1"],
    }
    said = {}
    for name, more in words.items():
        runs = tmp_path / name
        runs.mkdir()
        path = {"PYTHONPATH": broken(tmp_path, HANGS)} if name == "hung" else {}
        code, said[name] = ended(forks().start(*RUN, *more, cwd=runs, HOME=str(tmp_path), **path))
        assert code == 0, said[name]
        assert [path.name for path in runs.iterdir()] == ["runs"]
    assert "tensorboard takes the values of this run" in said["tracked"]
    assert "tensorboard did not take the last values within 1 seconds" in said["hung"]
    runs = [tmp_path / name / "runs" / "run" for name in words]
    assert len({(run / "model" / "model.safetensors").read_bytes() for run in runs}) == 1
    history = [json.loads(line) for line in (runs[1] / "history.jsonl").read_text().splitlines()]
    values = scalars_of_tensorboard(runs[1])
    steps = [line for line in history if "loss" in line]
    assert values["train/loss"] == [(line["step"], round(line["loss"], 6)) for line in steps]
    assert [step for step, _ in values["validation/macro_f1"]] == [
        line["step"] for line in history if "validation" in line
    ]
    metrics = json.loads((runs[1] / "metrics.json").read_text())
    assert values["final/test/macro_f1"] == [(steps[-1]["step"], round(metrics["test"]["macro_f1"], 6))]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hung", "packages", "plain", "tracked"]
    # A tracker is no part of the identity of a run: the same command with another one finds it.
    code, said["again"] = ended(forks().start(*RUN, cwd=tmp_path / "tracked"))
    assert code == 0 and "is finished" in said["again"]


BROKEN = """
import os, time
class GeneralTracker: pass
class TensorBoardTracker(GeneralTracker):
    def __init__(self, *arguments, **options): pass
    def start(self): {start}
    def store_init_configuration(self, values): pass
    def log(self, values, step): {log}
    def finish(self): {finish}
MLflowTracker = TrackioTracker = WandBTracker = TensorBoardTracker
"""
HANGS = {"finish": "time.sleep(600)"}


def broken(path: Path, fault: Mapping[str, str]) -> str:
    """An accelerate whose trackers fail, as the PYTHONPATH of the process that sends."""
    package = path / "packages" / "accelerate"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def PartialState(cpu): pass\n")
    (package / "tracking.py").write_text(
        BROKEN.format(**{"start": "pass", "log": "pass", "finish": "pass"} | fault)
    )
    return str(package.parent)


@pytest.mark.parametrize(
    ("fault", "warning"),
    [
        ({"start": "raise RuntimeError('no project')"}, "tensorboard could not be started: RuntimeError: no project"),
        ({"start": "time.sleep(600)"}, "tensorboard did not start within 1 seconds"),
        ({"log": "raise RuntimeError('quota')"}, "tensorboard failed after step 0: RuntimeError: quota; training continues"),
        ({"log": "os._exit(9)"}, "the process of tensorboard ended with code 9"),
        ({"log": "raise ValueError(os.environ['MY_SECRET'])"}, "tensorboard failed after step 0: ValueError: [MY_SECRET];"),
        (HANGS, "tensorboard did not take the last values within 1 seconds"),
    ],
)  # fmt: skip
def test_a_tracker_that_fails_or_hangs_is_reported_once(fault, warning, tmp_path, monkeypatch, caplog):
    run = folder_of(tmp_path, "tensorboard", 2)
    (config,) = compose(["tracking=tensorboard", "tracking.timeout=1"])
    monkeypatch.setenv("PYTHONPATH", broken(tmp_path, fault))
    monkeypatch.setenv("MY_SECRET", SECRET)
    if "sleep" in fault.get("start", ""):
        monkeypatch.setattr(tracking, "START_SECONDS", 1.0)
    with tracking.Tracking(config, run, 0) as tracked:
        tracked.start()
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1 and warnings[0].startswith(warning)


def test_only_the_first_of_several_processes_has_a_tracker(tmp_path):
    run = folder_of(tmp_path, "tensorboard", 1)
    (config,) = compose(["tracking=tensorboard"])
    with tracking.Tracking(config, run, 1) as tracked:
        tracked.start()
    assert sorted(path.name for path in run.iterdir()) == ["config.yaml", "history.jsonl"]


def test_a_tracker_that_is_not_installed_is_refused_before_training(tmp_path):
    code = "import sys; sys.modules['mlflow'] = None\nfrom autotune.cli.main import main; sys.exit(main(sys.argv[1:]))"
    returncode, said = ended(forks().start(*RUN, "tracking=mlflow", cwd=tmp_path, code=code))
    assert returncode == 2 and 'pip install "autotune[mlflow]", or tracking=none' in said
    assert not (tmp_path / "runs" / "run" / "history.jsonl").exists()


def test_a_folder_that_a_tracker_has_left_is_not_its_package(tmp_path, monkeypatch):
    (config,) = compose(["tracking=wandb"])
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(ConfigError):
        tracking.refuse_absent_tracker(config.tracking)


def test_a_follower_reads_each_line_once_and_sees_that_a_history_was_cut_back(tmp_path):
    file = tmp_path / "history.jsonl"
    follower = Follower(file)
    assert follower.read() == [] and not follower.restarted
    file.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert follower.read() == [b'{"step": 1}\n', b'{"step": 2}\n']
    with file.open("a") as end:
        end.write('ep": 3}\n')
    assert follower.read() == [b'{"step": 3}\n']
    # Cut back to the first step, and longer than before when the follower looks again.
    file.write_text('{"step": 1}\n' + '{"step": 2, "a": 1}\n' * 3)
    assert len(follower.read()) == 4 and follower.restarted
    assert follower.read() == [] and not follower.restarted


def test_a_tracker_gets_the_values_while_the_run_goes_on(tmp_path):
    """In this process, with a thread as the run."""
    run = folder_of(tmp_path, "tensorboard", 1)
    orders, end = os.pipe()
    reports: list[str] = []

    class Reports:
        write, flush = reports.append, staticmethod(lambda: None)

    with os.fdopen(orders) as reader, os.fdopen(end, "w") as writer:
        thread = threading.Thread(target=tracker.main, args=[run, reader, Reports])
        thread.start()
        while (
            not (run / "tracking.json").exists()
            or json.loads((run / "tracking.json").read_text())["step"] < 1
        ):
            assert thread.is_alive(), reports
        write_history(run, 2, first=2)
        while json.loads((run / "tracking.json").read_text())["step"] < 2:
            assert thread.is_alive(), reports
        writer.close()
        thread.join()
    assert scalars_of_tensorboard(run)["train/loss"] == [(1, 1.0), (2, 0.5)]
