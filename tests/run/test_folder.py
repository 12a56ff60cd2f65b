"""The run folder: whole files, one process at a time, a state that tells what happened."""

import json
import logging
import signal
from pathlib import Path

import pytest
import torch

from autotune.config.enums import Resume
from autotune.config.load import load_config
from autotune.config.schema import DatasetConfig, ModelConfig, RunConfig
from autotune.config.trainer import TrainerConfig
from autotune.errors import AutotuneError, ConfigError, DataError, DiskError, ModelError
from autotune.registry import task
from autotune.run.checkpoints import read_tensors
from autotune.run.folder import RunFolder
from tests.support.forks import Fork, forks

TOKEN = "hf_" + "aB3" * 11
HOLDER = """
import signal, sys
from autotune.config.load import load_config
from autotune.run.folder import RunFolder
from pathlib import Path
with RunFolder.open(load_config(Path(sys.argv[1]))):
    print("open", flush=True)
    signal.pause()
"""
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from autotune.errors import DiskError
from autotune.config.load import load_config
from autotune.run.folder import RunFolder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with RunFolder.open(load_config(Path(sys.argv[1]))) as folder:
    folder.write_json("metrics.json", {"old": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        folder.write_predictions("test", ({"id": str(n), "prediction": "x" * 50} for n in range(1000)))
    except DiskError as error:
        print(error)
    print(sorted(path.name for path in folder.path.iterdir()))
"""


def config(tmp_path: Path, **changes) -> RunConfig:
    values = {"task": task("ner").Config(), "dataset": DatasetConfig(path="dados.conll"), "name": "run"}
    return RunConfig(**values | {"model": ModelConfig(tiny="auto"), "runs": str(tmp_path / "runs")} | changes)


def status(path: Path) -> dict:
    return json.loads((path / "status.json").read_text(encoding="utf-8"))


def started(tmp_path: Path, code: str) -> Fork:
    """Another process that runs the code with a saved configuration."""
    with RunFolder.open(config(tmp_path)) as folder:
        saved = tmp_path / "config.yaml"
        saved.write_bytes((folder.path / "config.yaml").read_bytes())
    return forks().start(saved, code=code, cwd=tmp_path)


def test_a_folder_is_made_with_its_configuration_and_state(tmp_path):
    given = config(tmp_path)
    with RunFolder.open(given) as folder:
        assert folder.path == tmp_path / "runs" / "run"
        assert load_config(folder.path / "config.yaml") == given
        assert status(folder.path)["state"] == "running"
        assert not folder.finished
        folder.finish()
    assert status(folder.path) | {"time": "", "command": ""} == {
        "state": "finished", "reason": None, "time": "", "command": "", "folder": str(Path.cwd()),
    }  # fmt: skip


def test_a_finished_run_is_left_as_it_is(tmp_path):
    with RunFolder.open(config(tmp_path)) as folder:
        folder.write_json("metrics.json", {"test": {"accuracy": 1.0}})
        folder.finish()
    before = {path: path.stat().st_mtime_ns for path in folder.path.iterdir() if path.name != ".lock"}
    with RunFolder.open(config(tmp_path)) as again:
        assert again.finished
    assert {path: path.stat().st_mtime_ns for path in folder.path.iterdir() if path.name != ".lock"} == before


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (DataError("the file is empty", where="a.csv"), "failed", "a.csv"),
        (ZeroDivisionError("division"), "failed", "ZeroDivisionError: division"),
        (RuntimeError(f"401 for {TOKEN}"), "failed", "hf_…"),
        (KeyboardInterrupt(), "interrupted", "Ctrl-C"),
    ],
)
def test_how_a_run_ended_stands_in_its_status(tmp_path, error, state, reason):
    with pytest.raises(type(error)), RunFolder.open(config(tmp_path)) as folder:
        raise error
    assert status(folder.path)["state"] == state
    assert reason in status(folder.path)["reason"]
    assert TOKEN not in folder.log.read_text(encoding="utf-8") + (folder.path / "status.json").read_text(
        encoding="utf-8"
    )


def test_an_attempt_that_did_not_finish_leaves_history_and_log_alone_to_the_next(tmp_path):
    with RunFolder.open(config(tmp_path)) as folder:
        folder.append_history({"step": 1})
        folder.write_json("metrics.json", {})
        folder.write_predictions("test", [{"id": "0"}])
    assert status(folder.path)["state"] == "interrupted"
    with RunFolder.open(config(tmp_path)) as again:
        assert not again.finished
        names = {path.name for path in again.path.iterdir()}
    assert names == {".lock", "config.yaml", "status.json", "log.txt", "history.jsonl"}


def test_resume_never_sets_the_old_folder_aside(tmp_path):
    for number in (1, 2):
        with RunFolder.open(config(tmp_path, resume=Resume.never)) as folder:
            folder.write_json("metrics.json", {"attempt": number})
            folder.finish()
    with RunFolder.open(config(tmp_path, resume=Resume.never)) as folder:
        assert not folder.finished
        assert not (folder.path / "metrics.json").exists()
    old = [folder.path.with_name(f"run.old-{number}") / "metrics.json" for number in (1, 2)]
    assert [json.loads(path.read_text())["attempt"] for path in old] == [1, 2]


def test_a_second_process_is_refused_and_told_who_works_there(tmp_path):
    other = started(tmp_path, HOLDER)
    other.until(lambda: (other.folder / "out").read_text() == "open\n")
    with pytest.raises(ConfigError, match=f"process {other.pid} on "):
        RunFolder.open(config(tmp_path))
    with pytest.raises(ConfigError), RunFolder.open(config(tmp_path, resume=Resume.never)):
        pass
    other.send_signal(signal.SIGKILL)
    other.ended()
    assert status(tmp_path / "runs" / "run")["state"] == "running"
    with RunFolder.open(config(tmp_path)) as folder:
        assert not folder.finished


def test_other_settings_under_the_same_name_are_refused_and_listed(tmp_path):
    with RunFolder.open(config(tmp_path)) as folder:
        folder.finish()
    with pytest.raises(ConfigError) as caught:
        RunFolder.open(config(tmp_path, seed=7, trainer=TrainerConfig(batch_size=8)))
    assert caught.value.found == "seed: 42 -> 7\ntrainer.batch_size: None -> 8"
    assert status(folder.path)["state"] == "finished"


def test_a_key_that_an_older_version_did_not_have_is_no_other_setting(tmp_path):
    with RunFolder.open(config(tmp_path)) as folder:
        folder.finish()
    saved = folder.path / "config.yaml"
    saved.write_text(saved.read_text().replace("  min_delta: 0.0\n", ""))
    with RunFolder.open(config(tmp_path)) as again:
        assert again.finished


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path):
    own = tmp_path / "runs" / "run"
    own.mkdir(parents=True)
    (own / "metrics.json").write_text("mine")
    with pytest.raises(ConfigError, match="not a run folder"):
        RunFolder.open(config(tmp_path))
    assert [path.name for path in own.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(
    "name", ["../outside", "/tmp/outside", "..", ".hidden", "", "a/b", "a\\b", "a\n", "x" * 300]
)
def test_a_name_cannot_leave_the_folder_of_runs(tmp_path, name):
    with pytest.raises(ConfigError):
        RunFolder.open(config(tmp_path, name=name))
    assert not (tmp_path / "runs").exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(DiskError, match="runs=FOLDER") as caught:
        RunFolder.open(config(tmp_path))
    assert caught.value.exit_code == 74


def test_a_full_disk_leaves_whole_files_and_no_others(tmp_path):
    done = started(tmp_path, FULL_DISK).ended()
    assert done.returncode == 0, done.stderr
    assert "cannot write" in done.stdout
    assert "['.lock', 'config.yaml', 'log.txt', 'metrics.json', 'status.json']" in done.stdout


def test_what_cannot_be_json_does_not_harm_the_file_that_is_there(tmp_path):
    with RunFolder.open(config(tmp_path)) as folder:
        folder.write_json("metrics.json", {"ção": 1})
        with pytest.raises(TypeError):
            folder.write_json("metrics.json", {"bad": object()})
        assert json.loads((folder.path / "metrics.json").read_text(encoding="utf-8")) == {"ção": 1}


def test_history_and_predictions_are_one_object_a_line(tmp_path):
    with RunFolder.open(config(tmp_path)) as folder:
        folder.append_history({"step": 1, "loss": 0.5})
        folder.append_history({"step": 2, "validation": {"f1": 1.0}})
        folder.write_predictions("test", ({"id": str(n), "prediction": "não"} for n in range(2)))
    assert [json.loads(line)["step"] for line in folder.history.read_text().splitlines()] == [1, 2]
    assert (
        folder.predictions("test").read_text(encoding="utf-8").splitlines()[1]
        == '{"id": "1", "prediction": "não"}'
    )


def test_the_best_weights_come_back_and_go_when_the_run_is_finished(tmp_path):
    weights = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)}
    with RunFolder.open(config(tmp_path)) as folder:
        folder.save_best({"a.weight": torch.zeros(2)}, {"step": 1, "macro_f1": 0.1})
        folder.save_best(weights, {"step": 2, "macro_f1": 0.5})
        again = read_tensors(folder.best)
        folder.finish()
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    assert not folder.best.exists()


def test_the_log_holds_what_was_said_but_no_token(tmp_path):
    log = logging.getLogger("autotune.somewhere")
    with RunFolder.open(config(tmp_path)) as folder:
        log.warning("atenção: %s", TOKEN)
    log.warning("after the run")
    text = folder.log.read_text(encoding="utf-8")
    assert "WARNING atenção: hf_…" in text
    assert "after" not in text


def test_a_saved_model_is_found_by_its_run_or_its_own_folder(tmp_path):
    with RunFolder.open(config(tmp_path)) as folder:
        folder.model.mkdir()
    assert RunFolder.saved_model_path(folder.path) == folder.model
    assert RunFolder.saved_model_path(folder.model) == folder.model
    for place in (folder.path, folder.model):
        assert RunFolder.config(place) == folder.path / "config.yaml"
    assert RunFolder.config(tmp_path) is None


def test_a_run_without_a_model_and_a_misspelt_run_are_refused(tmp_path):
    with pytest.raises(AutotuneError), RunFolder.open(config(tmp_path)) as folder:
        raise DataError("no rows")
    with pytest.raises(ModelError, match="its state is failed"):
        RunFolder.saved_model_path(folder.path)
    folder.model.mkdir()
    with pytest.raises(ModelError) as caught:
        RunFolder.saved_model_path(folder.path.with_name("runn"))
    assert caught.value.fix == str(folder.path)
