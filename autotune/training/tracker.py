"""`python -m autotune.training.tracker RUN`: sends a run to an experiment tracker, from the files of its folder.

A process of its own, so that a tracker that fails, hangs, uses memory or random numbers cannot touch the training. It
reports with JSON objects on standard output, and ends when its standard input does.
"""

import json
import os
import select
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from accelerate import PartialState
from accelerate.tracking import (
    GeneralTracker,
    MLflowTracker,
    TensorBoardTracker,
    TrackioTracker,
    WandBTracker,
)

from autotune.config.enums import TrackerName
from autotune.config.load import flatten, load_values
from autotune.config.secrets import redact
from autotune.errors import AutotuneError, shell_words
from autotune.run.follow import Follower
from autotune.run.status import CONFIG
from autotune.run.sweeps import SCORED
from autotune.run.tracking import TrackingState, read_state, write_state
from autotune.runtime.parsing import parse_json, read_bytes, text_of
from autotune.runtime.streams import discard_output

INTERVAL = 0.5
"""Seconds between two looks at the history."""
STEP_VALUES = ("loss", "learning_rate", "grad_norm", "epoch")
"""Values of a step that are sent."""


def main(folder: Path, orders: IO[str], reports: IO[str]) -> int:
    """Sends a run to its tracker until `orders` ends; returns the exit code.

    Args:
        folder: run folder.
        orders: ends when the run does.
        reports: takes a line when the tracker has started, and one when it has failed.
    """

    def report(**facts: object) -> None:
        reports.write(json.dumps(facts) + "\n")
        reports.flush()

    sender = None
    try:
        sender = Sender(folder, load_values(folder / CONFIG))
        report(see=sender.opened.see)
        while not select.select([orders], [], [], INTERVAL)[0]:
            sender.send_history()
        sender.send_history()
        sender.finish()
    except Exception as error:  # noqa: BLE001 - whatever a tracker raises; the run reports it
        text = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
        report(error=redact(" ".join(text.split())), step=sender.state.step if sender is not None else 0)
        return 1
    return 0


class Sender:
    """Sends the lines of history.jsonl to a tracker, each once, however often the run was interrupted.

    Args:
        folder: run folder.
        config: content of its config.yaml.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.folder = folder
        name, project = TrackerName(config["tracking"]["tracker"]), config["tracking"]["project"]
        before = read_state(folder, name)
        PartialState(cpu=True)  # accelerate's trackers ask it whether this is the main process
        self.opened = OPEN[name](folder.resolve(), project, before.run if before is not None else None)
        if before is None or name is TrackerName.wandb:  # each attempt is a file of its own there
            self.opened.tracker.store_init_configuration(_settings(config))
        self.state = before or TrackingState(tracker=name, run=self.opened.run)
        write_state(folder, self.state)
        self._history = Follower(folder / "history.jsonl")

    def send_history(self) -> None:
        """Sends what was added to the history since the last call."""
        before = self.state.model_copy()
        for line in self._history.read():
            record = parse_json(text_of(line), nan=True)
            step = record.get("step", 0)
            if "loss" in record and step > self.state.step:
                self._log({f"train/{name}": record.get(name) for name in STEP_VALUES}, step)
                self.state.step = step
            elif "validation" in record and step > self.state.evaluated:
                self._log(_prefixed("validation", record["validation"]), step)
                self.state.evaluated = step
        if self.state != before:
            write_state(self.folder, self.state)

    def finish(self) -> None:
        """Sends the final scores if there are any, and closes the tracker."""
        metrics = self.folder / "metrics.json"
        if metrics.exists():
            values = parse_json(text_of(read_bytes(metrics)), nan=True)
            splits = {split: values[split] for split in SCORED if isinstance(values.get(split), dict)}
            scores = {
                name: value
                for split, figures in splits.items()
                for name, value in _prefixed(f"final/{split}", figures).items()
            }
            self._log(scores, self.state.step)
        self.opened.tracker.finish()

    def _log(self, values: Mapping[str, Any], step: int) -> None:
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        self.opened.tracker.log(numbers, step=step)


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration in the form that all trackers take: one level, and no lists or null."""
    return {
        key: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for key, value in flatten(config).items()
    }


@dataclass(frozen=True)
class Opened:
    """A tracker that takes values."""

    tracker: GeneralTracker
    run: str
    """Id of the run there."""
    see: str
    """Command that shows it."""


def _open_tensorboard(folder: Path, _: str, run: str | None) -> Opened:
    tracker = TensorBoardTracker("tensorboard", logging_dir=folder)
    tracker.start()
    return Opened(tracker, run or folder.name, f"tensorboard --logdir {shell_words(folder)}")


def _open_wandb(folder: Path, project: str, run: str | None) -> Opened:
    files = Path(os.environ.get("WANDB_DIR", folder))
    # What wandb would write into the home folder. Its login is in ~/.netrc, and its settings in ~/.config are only read.
    for name in ("CACHE", "DATA", "ARTIFACT"):
        os.environ.setdefault(f"WANDB_{name}_DIR", str(files / "wandb" / name.lower()))
    mode = os.environ.setdefault("WANDB_MODE", "offline")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    run = run or os.environ.get("WANDB_RUN_ID") or uuid.uuid4().hex[:12]
    tracker = WandBTracker(
        os.environ.get("WANDB_PROJECT", project),
        id=run,
        name=os.environ.get("WANDB_NAME", folder.name),
        dir=str(files),
        resume="allow" if mode == "online" else None,
        # An address of git could hold a password; the console is that of this process, not of the run.
        settings=wandb.Settings(disable_git=True, save_code=False, console="off", silent=True, symlink=False),
    )
    tracker.start()
    see = tracker.tracker.url or f"wandb sync {shell_words(files / 'wandb')}/offline-run-*-{run}"
    return Opened(tracker, run, see)


def _open_mlflow(folder: Path, project: str, run: str | None) -> Opened:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    store, uri = folder / "mlruns", os.environ.get("MLFLOW_TRACKING_URI")
    if uri is None:
        store.mkdir(exist_ok=True)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{store}/mlflow.db"
    files = str(store / "artifacts") if uri is None else None
    tracker = MLflowTracker(project, logging_dir=files, run_id=run, run_name=folder.name)
    tracker.start()
    see = uri or f"mlflow ui --backend-store-uri {shell_words(os.environ['MLFLOW_TRACKING_URI'])}"
    return Opened(tracker, tracker.tracker.info.run_id, see)


def _open_trackio(folder: Path, project: str, run: str | None) -> Opened:
    files = os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))
    resume = "never" if run is None else "allow"
    tracker = TrackioTracker(project, name=run or folder.name, resume=resume, embed=False)
    tracker.start()
    see = f"TRACKIO_DIR={shell_words(files)} trackio show --project {shell_words(project)}"
    return Opened(tracker, tracker.tracker.name, see)


OPEN = {
    TrackerName.tensorboard: _open_tensorboard,
    TrackerName.wandb: _open_wandb,
    TrackerName.mlflow: _open_mlflow,
    TrackerName.trackio: _open_trackio,
}
"""Opens a tracker for a run folder, a project, and the id of the run if the tracker has it already."""

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.stdin, discard_output()))
