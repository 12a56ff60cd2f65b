"""What the files of a run say about it while it is going on; nothing is written."""

import re
from collections import deque
from pathlib import Path
from typing import Any

from autotune.config.load import load_values
from autotune.errors import AutotuneError
from autotune.run.data_record import read_training
from autotune.run.follow import Follower
from autotune.run.history import planned_steps
from autotune.run.status import CONFIG, LOCK, read_status
from autotune.run.sweep_members import MemberState
from autotune.runtime.locks import is_locked
from autotune.runtime.parsing import Unreadable, parse_json, text_of

WARNING = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)\S* (?:WARNING|ERROR) (.*)")
"""A line of log.txt: time and message."""
WARNINGS_KEPT = 3
RECENT = 50
"""Steps whose mean time is the present speed."""


class LiveRun:
    """A run folder, read again with each `update`.

    Args:
        path: run folder, of which files may be missing yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state, self.reason, self.exit_code = MemberState.pending, "", 0
        self.warnings: deque[tuple[str, str]] = deque(maxlen=WARNINGS_KEPT)
        """Time and message of the last warnings."""
        self._config: dict[str, Any] = {}
        self._training: dict[str, Any] = {}
        """What data.json says."""
        self._history, self._log = Follower(path / "history.jsonl"), Follower(path / "log.txt")
        self._restart()

    def _restart(self) -> None:
        self.newest: dict[str, float | None] = {}
        """Values of the last step: step, epoch, loss, learning_rate, grad_norm."""
        self.losses: list[tuple[int, float]] = []
        self.scores: list[tuple[int, float]] = []
        """Step and main score of each evaluation."""
        self.metric = ""
        """Name of the main score; empty before the first evaluation."""
        self.greater_is_better = True
        """Whether its greater values are the better ones."""
        self._seconds, self._recent = 0.0, deque[float](maxlen=RECENT)

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return int(self.newest.get("step") or 0)

    @property
    def epochs(self) -> float | None:
        """Passes over the rows of the whole run; None for a stream, or if they are not known."""
        epochs: float | None = self._trainer.get("epochs")
        return None if self._config.get("dataset", {}).get("streaming") else epochs

    @property
    def steps(self) -> int | None:
        """Optimizer steps of the whole run; None if they are not known yet."""
        return self._training.get("steps") or planned_steps(
            self.step, self.newest.get("epoch") or 0.0, self.epochs, self._trainer.get("max_steps")
        )

    @property
    def seconds_left(self) -> float | None:
        """Seconds of training and validation that are left, if they go on as they did."""
        if not self.step or self.steps is None:
            return None
        return self._seconds / self.step * max(0, self.steps - self.step)

    @property
    def examples_per_second(self) -> float | None:
        """Training rows per second of the last steps."""
        seconds = sum(self._recent)
        rows = self._trainer.get("batch_size")
        return rows * len(self._recent) / seconds if rows and seconds else None

    @property
    def _trainer(self) -> dict[str, Any]:
        trainer: dict[str, Any] = self._config.get("trainer", {})
        return {**trainer, **self._training}

    def update(self) -> None:
        """Reads what the run has written since the last call; skips what is half written or damaged."""
        try:
            status = read_status(self.path)
            self._config = self._config or load_values(self.path / CONFIG)
            self._training = self._training or read_training(self.path)
        except AutotuneError:
            return  # it has just been made, or is being copied
        self.reason, self.exit_code = status.get("reason") or "", status.get("exit_code") or 0
        self.state = MemberState(status.get("state", MemberState.pending))
        if self.state is MemberState.running and not is_locked(self.path / LOCK):
            self.state = MemberState.killed
        lines = self._history.read()
        if self._history.restarted:
            self._restart()
        for line in lines:
            try:
                self._add(parse_json(text_of(line), nan=True))
            except (Unreadable, AttributeError, KeyError, TypeError, ValueError):
                continue
        for line in self._log.read():
            if match := WARNING.match(line.decode("utf-8", "replace")):
                self.warnings.append((match[1], match[2].strip()))

    def _add(self, record: dict[str, Any]) -> None:
        """Takes a line of the history."""
        if "validation" in record:
            name, score = next(iter(record["validation"].items()))
            self.metric, self.greater_is_better = name, record.get("greater_is_better", True)
            self.scores.append((record["step"], float(score)))
            self._seconds += record.get("seconds", 0.0)
        elif "loss" in record:
            self.newest = {
                name: record.get(name) for name in ("step", "epoch", "loss", "learning_rate", "grad_norm")
            }
            if record["loss"] is not None:
                self.losses.append((record["step"], record["loss"]))
            self._seconds += record.get("seconds", 0.0)
            self._recent.append(record.get("seconds", 0.0))
