"""Fine-tunings of a search: ordinary runs in child processes, which pause where they are compared."""

import logging
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from autotune.auto.cheap import cross_fitted
from autotune.auto.judging import Judging
from autotune.auto.record import LOGS, TRIALS, slug
from autotune.auto.trial import FULL, Trial, laid_over
from autotune.config.compose import compose
from autotune.config.enums import BaselineMethod
from autotune.config.overrides import key_of
from autotune.config.trials import override
from autotune.errors import AutotuneError, DiskError, Interrupted
from autotune.run.folder import CHECKPOINTS
from autotune.run.status import LOCK, State, paused_at, read_status, state_of
from autotune.runtime import child_process, signals
from autotune.runtime.files import json_lines
from autotune.runtime.locks import wait_for_lock
from autotune.tasks.base import Prediction

logger = logging.getLogger(__name__)

NO_TEST = "dataset.leave_out_test=true"
QUIET = ("checkpoint.keep=1", "hub=none", "tracking=none")
"""Overrides of all runs of a search, which shape no result."""
UNCHECKED = ("report=none", "check=none")
"""The same of trials: the winner's run checks the data, and nobody reads a trial's report."""
FAST = ((f"model={BaselineMethod.tagger}", "model.max_epochs=2"),)
"""What lets the first usable model learn faster, by model; it need not be the best."""


class Failed(AutotuneError):
    """A trial ended without a result; the search goes on without it."""


class OutOfTime(AutotuneError):
    """A trial was stopped because the time of the search is up."""


class Trials:
    """Runs trials in an auto folder.

    Args:
        folder: the auto folder.
        judging: how trials are compared.
        plugins: files that register tasks.
        expired: whether a trial must stop.
    """

    def __init__(
        self, folder: Path, judging: Judging, plugins: Sequence[str], expired: Callable[[], bool]
    ) -> None:
        self._folder, self._judging, self._plugins, self._expired = folder, judging, plugins, expired
        self._runs_of: dict[str, set[Path]] = {}

    def words(self, trial: Trial, *others: str) -> list[str]:
        """Returns the overrides of a run of a trial."""
        return self._judging.words_of(trial, *others, *QUIET, *UNCHECKED, self._runs)

    def whole_words(self, trial: Trial) -> list[str]:
        """Returns the overrides of a run that learns from all rows that have judged, too; none if it must not. A fine-tuning
        stops by the validation split that has judged, and the user's own is never learned from."""
        if self._judging.count is None and (trial.kind == FULL or "validation" in self._judging.given):
            return []
        return ["dataset.validation_fraction=0", *(["trainer.keep=last"] if trial.kind == FULL else [])]

    def first_words(self, trial: Trial) -> list[str]:
        """Returns the overrides of the first usable model: what judges is scored where it is a validation split, and is
        learned from where it is folds."""
        whole = [] if self._judging.count is None else self.whole_words(trial)
        named = {key_of(word) for word in self._judging.words}
        fast = [word for model, word in FAST if model in trial.words and key_of(word) not in named]
        return self.words(trial, *whole, *fast, NO_TEST)

    @property
    def _runs(self) -> str:
        return override("runs", str(self._folder / TRIALS))

    def run_of(self, trial: Trial, folds: Sequence[int] | None) -> str | None:
        """Returns the folder of the run of the first fold, from the auto folder; None for what is trained in this process."""
        if trial.kind != FULL:
            return None
        words = self.words(trial, *self._judging.fold_words(folds[0] if folds else None))
        return str(self.run_folder(words).relative_to(self._folder))

    def published_words(self, words: Sequence[str]) -> list[str]:
        """Returns the overrides of the winner's run: the data are checked, and a report is written."""
        return laid_over(words, *QUIET, self._runs)

    def predictions(
        self, trial: Trial, share: float, folds: Sequence[int] | None
    ) -> Iterator[tuple[int, Prediction]]:
        """Trains up to a share of the schedule, and yields the predictions of the judged rows with their positions.

        Args:
            trial: what is trained; a fine-tuning continues from where it paused before.
            share: of its schedule.
            folds: folds to train; None: validation judges.

        Raises:
            Failed: a run has failed.
            DiskError: the system refused to read or write something.
            OutOfTime: the time is up.
            Interrupted: a signal has arrived; the next start resumes the run.
        """
        if trial.kind != FULL:
            yield from cross_fitted(self._judging, trial)
            return
        for fold in folds or (None,):
            words = self.words(trial, *self._judging.fold_words(fold), f"trainer.pause_at={share:g}")
            folder = self._run(words, slug(f"{trial.name}-{fold}"), share, self._expired)
            self._runs_of.setdefault(trial.name, set()).add(folder)
            yield from self._judging.aligned(list(json_lines(folder / "predictions_paused.jsonl")), fold)

    def finish(self, words: Sequence[str], expired: Callable[[], bool] = lambda: False) -> Path:
        """Trains a run to its end, or leaves a finished one alone; returns its folder.

        Args:
            words: overrides of the run.
            expired: whether it must stop.

        Raises:
            Failed: it has failed.
            OutOfTime: it was stopped.
            Interrupted: a signal has arrived; the next start resumes the run.
        """
        return self._run(words, "final", None, expired)

    def run_folder(self, words: Sequence[str]) -> Path:
        """Returns the folder of a run."""
        return _run_folder(tuple(words))

    def forget(self, trial: str | None = None) -> None:
        """Removes checkpoints that nothing continues from: each holds three times the weights of its run.

        Args:
            trial: name of a trial that was dropped; None: those of all trials, as the search is over.
        """
        runs = (self._folder / TRIALS).iterdir() if trial is None else self._runs_of.get(trial, ())
        for run in runs:
            shutil.rmtree(run / CHECKPOINTS, ignore_errors=True)
            (run / "best.safetensors").unlink(missing_ok=True)

    def _run(
        self, words: Sequence[str], name: str, share: float | None, must_stop: Callable[[], bool]
    ) -> Path:
        """Trains until the run has paused at a share of its schedule, or None: is finished; returns its folder."""
        folder = self.run_folder(words)
        if folder.is_dir():
            wait_for_lock(folder / LOCK, sleep=signals.sleep, pause=signals.PAUSE).close()
        if _reached(folder, share):
            return folder
        output = self._folder / LOGS / f"{name}.txt"
        command = ["train", *(f"--plugin={plugin}" for plugin in self._plugins), *words]
        code, expired = _wait(child_process.start(command, output), must_stop)
        signals.raise_if_stopped()
        if _reached(folder, share):
            return folder
        if expired:
            raise OutOfTime("the time is up")
        if code == Interrupted.exit_code:
            raise Interrupted(str(read_status(folder).get("reason")))
        # A full disk is no fault of the trial, and would fail all others, too.
        error_type = DiskError if code == DiskError.exit_code else Failed
        raise error_type(_reason(folder, output, code), where=str(output))


def _wait(child: child_process.Child, must_stop: Callable[[], bool]) -> tuple[int, bool]:
    """Waits for the end of a run, which is asked to stop when a signal arrives or the time is up.

    Returns:
        Its exit code, and whether it was stopped because the time is up.
    """
    expired = stopping = False
    while (code := child.poll()) is None:
        expired = expired or (not stopping and must_stop())
        if not stopping and (expired or signals.stop_requested()):
            stopping = True
            # After Ctrl-C the child has SIGINT already, and exits at once at a SIGTERM.
            child.send_signal(signal.SIGTERM if expired else signal.SIGUSR1)
    return code, expired


@cache
def _run_folder(words: tuple[str, ...]) -> Path:
    """Returns the folder of a run; composing its configuration takes a quarter of a second, and each rung asks.

    Raises:
        Failed: the trial does not compose.
    """
    try:
        (config,) = compose(words)
    except AutotuneError as error:
        first = error.errors[0]
        raise Failed(first.what, where=first.where, found=first.found, fix=first.fix) from error
    return Path(config.runs).expanduser() / str(config.name)


def _reached(folder: Path, share: float | None) -> bool:
    """Returns whether a run is finished, or has paused at this share of its schedule."""
    if not folder.is_dir():
        return False
    return state_of(folder) is State.finished or (share is not None and paused_at(folder) == share)


def _reason(folder: Path, output: Path, code: int) -> str:
    """Returns why a run failed, in a line."""
    state = read_status(folder) if folder.is_dir() else {}
    if state.get("state") == State.failed:
        return str(state.get("reason")).splitlines()[0]
    if code == -signal.SIGKILL:
        return "it was killed, as the system does when memory runs out"
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines() if output.exists() else []
    last = next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "")
    return f"exit code {code}: {last.removeprefix('error: ')}"
