"""One trial of a search: a run in a child process, whose validation scores are followed in its history."""

import json
import logging
import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.config.enums import Keep
from autotune.config.schema import RunConfig
from autotune.errors import Interrupted
from autotune.metrics.objective import Objective
from autotune.run.data_record import read_training
from autotune.run.follow import Follower
from autotune.run.status import LOCK, State, paused_at, read_status, state_of
from autotune.runtime import child_process, signals
from autotune.runtime.locks import wait_for_lock

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    code: int
    """Exit code of its process; 0 where it was trained to its end or stopped early."""
    complete: bool
    """Whether it was trained to its end."""
    score: float | None
    """Score on validation: the best one, or with `trainer.keep=last` that of the last evaluation."""
    steps: int
    """Optimizer steps done."""
    reason: str
    """Why it failed."""


class History:
    """The scores in a run's history.jsonl, read as it grows.

    Args:
        file: history.jsonl, which need not exist yet.
        objective: the score.
        config: of the run.
    """

    def __init__(self, file: Path, objective: Objective, config: RunConfig) -> None:
        self._follower, self._objective, self._config = Follower(file), objective, config
        self._folder, self._training = file.parent, dict[str, Any]()
        self.steps = 0
        self.best: float | None = None

    def read(self) -> list[tuple[int, float]]:
        """Reads the lines that are new.

        Returns:
            For each evaluation in them the share of the schedule in percent, and the score of what would be kept.
        """
        self._training = self._training or read_training(self._folder)
        last = self._training.get("keep") == Keep.last
        records = [json.loads(line) for line in self._follower.read()]
        if self._follower.restarted:
            self.steps, self.best = 0, None
        evaluations = []
        for record in records:
            self.steps = max(self.steps, record["step"])
            score = record.get("validation", {}).get(self._objective.metric)
            if score is not None:
                if self.best is None or last or self._objective.better(score, self.best):
                    self.best = score
                evaluations.append((self._percent(record), self.best))
        return evaluations

    def _percent(self, record: dict[str, float]) -> int:
        trainer = self._config.trainer
        done = max(
            record["epoch"] / (self._training.get("epochs") or trainer.epochs or math.inf),
            record["step"] / (trainer.max_steps or math.inf),
        )
        return min(100, math.floor(100 * done + 1e-6))


def run(
    config: RunConfig,
    words: Sequence[str],
    output: Path,
    objective: Objective,
    *,
    report: Callable[[int, float], bool],
    pruned: bool,
) -> Outcome:
    """Trains a trial to its end, or until `report` asks to stop it; resumes it if it was begun.

    Args:
        config: its configuration.
        words: after `autotune`, the command line that composes `config`.
        output: file for what it prints.
        objective: the score.
        report: takes the share of the schedule in percent and the best score so far; returns whether the trial stops.
        pruned: whether it was already decided that it stops.

    Raises:
        Interrupted: a signal has arrived, or the trial was interrupted for another reason; the next start resumes it.
    """
    folder = Path(config.runs, str(config.name)).expanduser()
    history = History(folder / "history.jsonl", objective, config)
    _wait_until_free(folder)
    code = 0
    if not (pruned or _is_complete(folder)):
        code, pruned = _follow(child_process.start(words, output), history, report)
        signals.raise_if_stopped()
    history.read()
    complete = _is_complete(folder)
    if code == Interrupted.exit_code and not (complete or pruned):
        raise Interrupted(f"trial {config.name}: {read_status(folder).get('reason')}")
    code = 0 if complete or pruned else code
    return Outcome(code, complete, history.best, history.steps, _reason(folder, output, code) if code else "")


def _follow(
    child: child_process.Child, history: History, report: Callable[[int, float], bool]
) -> tuple[int, bool]:
    """Follows a run until its process ends.

    Returns:
        Its exit code, and whether it was asked to stop because of its scores.
    """
    reported: set[int] = set()
    pruned = stopping = False
    while (code := child.poll()) is None:
        for percent, best in history.read():
            if percent not in reported and not pruned:
                reported.add(percent)
                pruned = report(percent, best)
        if (pruned or signals.stop_requested()) and not stopping:
            stopping = True
            # After Ctrl-C the child has SIGINT already, and exits at once at a SIGTERM.
            child.send_signal(signal.SIGTERM if pruned else signal.SIGUSR1)
    return code, pruned


def _wait_until_free(folder: Path) -> None:
    """Waits for a process that still trains a run, after the one that started it was killed."""
    if folder.is_dir():
        wait_for_lock(
            folder / LOCK,
            sleep=signals.sleep,
            pause=signals.PAUSE,
            on_wait=lambda holder: logger.info("waiting for %s, which trains %s", holder, folder),
        ).close()


def _is_complete(folder: Path) -> bool:
    """Whether a run was trained to its end."""
    return state_of(folder) is State.finished or paused_at(folder) == 1


def _reason(folder: Path, output: Path, code: int) -> str:
    """Returns why a run failed, in a line."""
    state = read_status(folder)
    if state.get("state") == State.failed:
        return str(state.get("reason")).splitlines()[0]
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines() if output.exists() else []
    last = next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "")
    return f"exit code {code}: {last.removeprefix('error: ')}"
