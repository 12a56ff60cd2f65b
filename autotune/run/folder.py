"""The run folder: the only code that knows what its files are called.

config.yaml   resolved configuration             model/        what `autotune predict` and transformers load
status.json   state, reason, command             adapter/      with LoRA: the adapter alone
history.jsonl one line a step or evaluation   predictions_<split>.jsonl; last/ the last weights, for the Hub
metrics.json  figures and their recipes          data.json     fingerprint, source, labels
environment.json  packages, device, commit
log.txt       what was said                      checkpoints/, best.safetensors, .lock   while it is going on
"""

import json
import logging
import os
import shutil
import traceback
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from autotune.config.enums import Resume
from autotune.config.load import diff, dump_config, load_values
from autotune.config.rules import name
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact, redactor
from autotune.errors import AutotuneError, ConfigError, DiskError, raise_all
from autotune.run import history, saved, status
from autotune.run.checkpoints import Checkpoints, write_tensors
from autotune.run.log import RunLog
from autotune.run.saved import ADAPTER, LAST, MODEL, SAVED
from autotune.run.status import CONFIG, LOCK, STATUS, State, is_run, state_of
from autotune.runtime import places
from autotune.runtime.files import (
    acquire_lock,
    atomic_write,
    disk_errors,
    free_name,
    fsync_path,
    interleave_lines,
    link_or_copy,
    refuse_ways_out,
)

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
STALE_FILES = ("metrics.json", "data.json", "environment.json", "predictions_*.jsonl", ".*.part")
"""What an attempt that did not finish leaves, and the next one begins without."""


class RunFolder:
    """One run's folder, locked for this process.

    Made by `open`. A context manager, which lets go of the lock and notes in status.json how the run ended.
    """

    def __init__(self, path: Path, lock: IO[str] | None) -> None:
        self.path = path
        self._lock = lock
        self.finished = state_of(path) is State.finished
        """Whether the run was complete when the folder was opened, or `finish` has been called."""
        self._done, self._begun = self.finished, status.read_status(self.path)
        self._log: RunLog | None = None

    @classmethod
    def open(cls, config: RunConfig) -> Self:
        """Creates `<runs>/<name>` with its config.yaml, or opens it again.

        A finished run is left as it is; one that is not goes on, and what an attempt wrote after training is removed. One
        whose saved model is damaged goes on from its last checkpoint. With `resume=never` the old folder is renamed to
        `<name>.old-1` (2, 3 …).

        Raises:
            ConfigError: another process works in the folder, or it holds another run, or none.
            ModelError: the run is finished, its model is damaged, and there is no checkpoint.
            DiskError: it cannot be written.
        """
        assert config.name is not None, "names are resolved when the configuration is composed"
        raise_all(list(name(config)))
        path = Path(config.runs).expanduser() / config.name
        if path.exists() and not is_run(path):
            raise ConfigError("the folder exists and is no run folder", where=str(path),
                              fix="name=ANOTHER or runs=ANOTHER_FOLDER")  # fmt: skip
        with disk_errors(path):
            if path.is_dir():
                refuse_ways_out(path)
            lock = acquire_lock(path / LOCK, make=True)
            while config.resume is Resume.never and (path / STATUS).exists():
                path.rename(free_name(path))
                lock.close()
                lock = acquire_lock(path / LOCK, make=True)
        folder = cls(path, lock)
        try:
            folder._begin(config)
        except BaseException:
            lock.close()
            raise
        return folder

    @classmethod
    def open_finished(cls, run: str | Path) -> Self:
        """The folder of a finished run, to be pushed or looked at.

        Raises:
            ModelError: there is no such folder, its run is not finished, or its model is damaged.
            ConfigError: another process works in it.
            DiskError: it cannot be written.
        """
        path = Path(run).expanduser()
        saved.saved_model_path(path)
        if state_of(path) is not State.finished:
            raise status.unfinished("the run is not finished", path)
        saved.refuse_damaged(path)
        with disk_errors(path):
            refuse_ways_out(path)
            lock = acquire_lock(path / LOCK)
        folder = cls(path, lock)
        folder._log = RunLog(folder.log)
        return folder

    @classmethod
    def open_as_worker(cls, config: RunConfig) -> Self:
        """The folder that another process of the same run has opened: nothing is written into it but this
        process's share of predictions."""
        folder = cls(Path(config.runs).expanduser() / str(config.name), None)
        folder._done = True
        return folder

    def _begin(self, config: RunConfig) -> None:
        self._refuse_other_settings(config)
        if self.finished:
            self._reopen_if_damaged()
        if self.finished:
            if SAVED in status.read_status(self.path):
                self._tidy()
            return
        with disk_errors(self.path):
            for stale in chain.from_iterable(map(self.path.glob, STALE_FILES)):
                stale.unlink()
            shutil.rmtree(self.last, ignore_errors=True)
        self.write_text(CONFIG, dump_config(config))
        self._write_state(State.running, None)
        self._log = RunLog(self.log)

    def _reopen_if_damaged(self) -> None:
        """A finished run with a damaged model is no longer finished."""
        fault = saved.find_damage(self.path)
        if fault is None:
            return
        if self.checkpoints(1).latest() is None:
            raise saved.damaged(self.path, fault)
        logger.warning(
            "the saved model of %s is damaged: %s; it is made again from the last checkpoint",
            self.path,
            fault,
        )
        self.finished = self._done = False

    def _refuse_other_settings(self, config: RunConfig) -> None:
        """A name that was given by hand may hit the folder of a run with other settings."""
        before = self.path / CONFIG
        changed = diff(load_values(before), config) if before.exists() else []
        if changed:
            raise ConfigError(
                "the folder holds a run with other settings",
                where=str(before),
                found="\n".join(changed),
                fix="name=ANOTHER, or resume=never, which sets the old folder aside",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        moved = places.moved(self.path, self._lock) if isinstance(error, OSError | DiskError) else None
        if moved is not None:
            raise moved from error
        try:
            if isinstance(error, DiskError):
                logger.warning("%s", self.checkpoints(1).describe_latest())
            if self._log is not None:
                if error is not None:
                    known = isinstance(error, AutotuneError)
                    text = str(error) if known else "".join(traceback.format_exception(kind, error, trace))
                    self._log.handle(logging.makeLogRecord({"levelname": "ERROR", "msg": text}))
                self._log.close()
            if not self._done:
                self._write_state(*status.final_state(error))
        except (OSError, DiskError) as lost:
            # The error that ended the run matters more than that it could not be noted.
            logger.warning("how the run ended could not be noted in %s: %s", self.path / STATUS, lost)
        finally:
            if self._lock is not None:
                self._lock.close()

    @property
    def model(self) -> Path:
        """Folder of the fine-tuned model."""
        return self.path / MODEL

    @property
    def adapter(self) -> Path:
        """Folder of the adapter alone."""
        return self.path / ADAPTER

    @property
    def last(self) -> Path:
        """Folder of the last weights, where they are to be pushed: `model/`, `adapter/` and what they are."""
        return self.path / LAST

    @property
    def history(self) -> Path:
        """One JSON object a line: steps and evaluations."""
        return self.path / "history.jsonl"

    @property
    def log(self) -> Path:
        """What was said, with times."""
        return self.path / "log.txt"

    @property
    def best(self) -> Path:
        """Trainable weights of the best evaluation so far."""
        return self.path / "best.safetensors"

    @property
    def command(self) -> str:
        """That trained the run."""
        return str(status.read_status(self.path).get("command", ""))

    @property
    def cache(self) -> Path:
        """Tables that runs share; may be deleted at any time."""
        return places.cache_of(self.path.parent)

    def predictions(self, split: str) -> Path:
        """Predictions for a split, one JSON object a row."""
        return self.path / f"predictions_{split}.jsonl"

    def note_commits(self, config: RunConfig, commits: Mapping[str, str | None]) -> None:
        """Adds to config.yaml, as comments, which commits on the Hub its names stood for.

        Raises:
            DiskError: it cannot be written.
        """
        known = [f"#   {what}: {commit}\n" for what, commit in commits.items() if commit is not None]
        if known:
            heading = "# Commits on the Hub that the names above stood for:\n"
            self.write_text(CONFIG, dump_config(config) + heading + "".join(known))

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file whole or not at all.

        Raises:
            DiskError: it cannot be written.
        """
        self.write_text(name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file whole or not at all.

        Raises:
            DiskError: it cannot be written.
        """
        if self._lock is None:
            return
        with atomic_write(self.path / name) as file:
            file.write(redact(text).encode("utf-8"))

    def write_predictions(
        self, split: str, predictions: Iterable[Mapping[str, Any]], *, rank: int = 0, ranks: int = 1
    ) -> None:
        """Writes the predictions of a split, as they come, whole or not at all.

        Of several processes each writes those for its own rows; `join_predictions` then makes one file of them.

        Raises:
            DiskError: they cannot be written.
        """
        with atomic_write(self._share(split, rank) if ranks > 1 else self.predictions(split)) as file:
            hide = redactor()
            for prediction in predictions:
                file.write(hide(history.line(prediction)).encode("utf-8"))

    def join_predictions(self, split: str, ranks: int) -> None:
        """Puts the lines that processes have written in turns, rank r of n the rows r, r + n …, in order.

        Raises:
            DiskError: the file cannot be written.
        """
        interleave_lines([self._share(split, rank) for rank in range(ranks)], self.predictions(split))

    def _share(self, split: str, rank: int) -> Path:
        return self.path / f".predictions_{split}.{rank}.part"

    def append_history(self, record: Mapping[str, Any]) -> None:
        """Adds a line to history.jsonl.

        Raises:
            DiskError: it cannot be written.
        """
        if self._lock is None:
            return
        history.append(self.history, record)

    def save_best(self, weights: "dict[str, Tensor]", facts: Mapping[str, Any]) -> None:
        """Keeps the weights of the best evaluation so far, instead of the ones before.

        Args:
            weights: on the CPU, contiguous.
            facts: step and score; they stand in the file's metadata.

        Raises:
            DiskError: they cannot be written.
        """
        beside = self.best.with_name(f".{self.best.name}.part")
        with disk_errors(self.best):
            write_tensors(beside, weights, facts)
            os.replace(beside, self.best)
            fsync_path(self.path)

    def checkpoints(self, keep: int) -> Checkpoints:
        """Of this run."""
        return Checkpoints(self.path / CHECKPOINTS, keep)

    def history_bytes(self) -> int:
        """Size of history.jsonl."""
        return history.size(self.history)

    def rollback(self, history_bytes: int, best: Path | None) -> None:
        """Takes back what was written after a checkpoint.

        Args:
            history_bytes: size of history.jsonl when it was written.
            best: the best weights then.

        Raises:
            DiskError: it cannot be written.
        """
        if self._lock is None:
            return
        with disk_errors(self.path):
            history.cut_back(self.history, history_bytes)
            beside = self.best.with_name(f".{self.best.name}.part")
            beside.unlink(missing_ok=True)
            if best is None:
                self.best.unlink(missing_ok=True)
            elif not (self.best.exists() and self.best.samefile(best)):  # which renaming would leave beside
                link_or_copy(best, beside)
                os.replace(beside, self.best)

    def seal(self) -> None:
        """Writes down, in status.json, sizes and SHA-256 of the saved model's files.

        Raises:
            DiskError: it cannot be written.
        """
        with disk_errors(self.path):
            self.note(**{SAVED: saved.describe_saved(self.path)})

    def finish(self) -> None:
        """Says that everything is written and proven; checkpoints and the best weights have done their duty.

        Raises:
            TrainingError: a file of the saved model is not as it was written; the checkpoints remain.
            DiskError: it cannot be written.
        """
        saved.refuse_changed(self.path)
        if self.history.exists():
            with disk_errors(self.history):
                fsync_path(self.history)
        before = status.read_status(self.path)
        sealed = {key: value for key, value in before.items() if key == SAVED}
        self.write_json(STATUS, status.record(State.finished, None, before) | sealed)
        self.finished = self._done = True
        self._tidy()

    def _tidy(self) -> None:
        with disk_errors(self.path):
            self.best.unlink(missing_ok=True)
            shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)

    def note(self, **facts: Any) -> None:
        """Adds to status.json what came after the end of the run.

        Raises:
            DiskError: it cannot be written.
        """
        self.write_json(STATUS, {**status.read_status(self.path), **facts})

    saved_model_path = staticmethod(saved.saved_model_path)
    config = staticmethod(saved.config)

    def _write_state(self, state: State, reason: str | None) -> None:
        self.write_json(STATUS, status.record(state, reason, self._begun))
