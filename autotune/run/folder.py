"""The run folder: the only code that knows what its files are called.

config.yaml   resolved configuration             model/        what `autotune predict` and transformers load
status.json   state, reason, command             adapter/      with LoRA: the adapter alone
history.jsonl one line per step or evaluation    predictions_<split>.jsonl (paused: of the rows that judge it); last/ for the Hub
metrics.json  scores and how they are computed   data.json     fingerprint, source, labels
environment.json  packages, device, commit       slurm/        batch script, output and id of a Slurm job
log.txt       log messages (rank-1.log … of other ranks)  checkpoints/, best.safetensors, .lock   while it is in progress
report.html   for people; report_documents.jsonl: the documents that it quotes
tracking.json what an experiment tracker has; tensorboard/, wandb/, mlruns/, trackio/: its files
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
from autotune.config.load import dump_config
from autotune.config.rules import run_name
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact, redactor
from autotune.errors import AutotuneError, ConfigError, DiskError, raise_all
from autotune.run import history, saved, status
from autotune.run.checkpoints import Checkpoints, write_tensors
from autotune.run.log import RunLog
from autotune.run.saved import ADAPTER, LAST, MODEL, SAVED
from autotune.run.settings import refuse_other_settings
from autotune.run.status import CONFIG, LOCK, STATUS, State, is_run, state_of
from autotune.runtime import places
from autotune.runtime.files import (
    atomic_write,
    disk_errors,
    free_name,
    fsync_path,
    interleave_lines,
    link_or_copy,
    refuse_ways_out,
)
from autotune.runtime.locks import acquire_lock

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
STALE_FILES = (
    "metrics.json", "data.json", "environment.json", "robustness.json", "selection.json", "predictions_*.jsonl", "report.html",
    "report_documents.jsonl", ".*.part",
)  # fmt: skip
"""Patterns of files that an unfinished attempt leaves behind; the next attempt deletes them."""


class RunFolder:
    """The folder of one run, locked for this process.

    Created by `open`. As a context manager, it releases the lock and records in status.json how the run ended.
    """

    def __init__(self, path: Path, lock: IO[str] | None) -> None:
        self.path = path
        self._lock = lock
        self.finished = state_of(path) is State.finished
        """Whether the run was already finished when the folder was opened, or `finish` has been called."""
        self._state_is_final, self._previous_status = self.finished, status.read_status(self.path)
        self._log: RunLog | None = None

    @classmethod
    def open(cls, config: RunConfig) -> Self:
        """Creates `<runs>/<name>` with its config.yaml, or opens an existing folder.

        A finished run stays unchanged. An unfinished run resumes, and files that an earlier attempt wrote after training
        are removed. A finished run whose saved model is damaged resumes from its last checkpoint. With `resume=never`
        the old folder is renamed to `<name>.old-1` (2, 3 …).

        Raises:
            ConfigError: another process works in the folder, or it holds a different run, or it is not a run folder.
            ModelError: the run is finished, its model is damaged, and there is no checkpoint.
            DiskError: the folder cannot be written.
        """
        assert config.name is not None, "names are resolved when the configuration is composed"
        raise_all(list(run_name(config)))
        path = Path(config.runs).expanduser() / config.name
        if path.exists() and not is_run(path):
            raise ConfigError("the folder exists and is not a run folder", where=str(path),
                              fix="name=ANOTHER or runs=ANOTHER_FOLDER")  # fmt: skip
        with disk_errors(path):
            if path.is_dir():
                refuse_ways_out(path)
            lock = acquire_lock(path / LOCK, make=True)
            # The lock file moves with the folder; a loop, as another process may start a run here in between.
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
        """Opens the folder of a finished run, to push or inspect it.

        Raises:
            ModelError: there is no such folder, its run is not finished, or its model is damaged.
            ConfigError: another process works in it.
            DiskError: the folder cannot be written.
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

    def _begin(self, config: RunConfig) -> None:
        refuse_other_settings(self.path, config)
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
        """Marks a finished run with a damaged model as unfinished, so that it resumes."""
        damage = saved.find_damage(self.path)
        if damage is None:
            return
        if self.checkpoints(1).latest() is None:
            raise saved.damaged(self.path, damage)
        logger.warning(
            "the saved model of %s is damaged: %s; it is made again from the last checkpoint",
            self.path, damage,
        )  # fmt: skip
        self.finished = self._state_is_final = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Checked first: if somebody moved the folder, status.json and log.txt must not be written at the old path.
        moved = places.moved(self.path, self._lock) if isinstance(error, OSError | DiskError) else None
        if moved is not None:
            raise moved from error
        try:
            if isinstance(error, DiskError):
                logger.warning("%s", self.checkpoints(1).describe_latest())
            if self._log is not None:
                if error is not None:
                    ours = isinstance(error, AutotuneError)
                    text = str(error) if ours else "".join(traceback.format_exception(kind, error, trace))
                    self._log.handle(logging.makeLogRecord({"levelname": "ERROR", "msg": text}))
                self._log.close()
            if not self._state_is_final:
                self._write_state(*status.final_state(error), exit_code=status.exit_code(error))
        except (OSError, DiskError) as write_error:  # raising would hide the original error
            logger.warning(
                "the final state of the run could not be written to %s: %s", self.path / STATUS, write_error
            )
        finally:
            if self._lock is not None:
                self._lock.close()

    @property
    def model(self) -> Path:
        """Folder of the fine-tuned model."""
        return self.path / MODEL

    @property
    def adapter(self) -> Path:
        """Folder of the adapter without its base model."""
        return self.path / ADAPTER

    @property
    def last(self) -> Path:
        """Folder of the last weights, if they are to be pushed: `model/`, `adapter/` and snapshot.json."""
        return self.path / LAST

    @property
    def history(self) -> Path:
        """File of steps and evaluations, one JSON object per line."""
        return self.path / "history.jsonl"

    @property
    def log(self) -> Path:
        """File of log messages with timestamps."""
        return self.path / "log.txt"

    @property
    def best(self) -> Path:
        """File of the trainable weights that scored best so far."""
        return self.path / "best.safetensors"

    @property
    def command(self) -> str:
        """Command that trained the run."""
        return str(status.read_status(self.path).get("command", ""))

    @property
    def cache(self) -> Path:
        """Folder of cached tables, shared between runs; may be deleted at any time."""
        return places.cache_of(self.path.parent)

    def predictions(self, split: str) -> Path:
        """Returns the path of the predictions for a split, a file with one JSON object per row."""
        return self.path / f"predictions_{split}.jsonl"

    def note_commits(self, config: RunConfig, commits: Mapping[str, str | None]) -> None:
        """Adds comments to config.yaml that state to which Hub commits its names were resolved.

        Raises:
            DiskError: the file cannot be written.
        """
        lines = [f"#   {what}: {commit}\n" for what, commit in commits.items() if commit is not None]
        if lines:
            heading = "# Commits on the Hub that the names above stood for:\n"
            self.write_text(CONFIG, dump_config(config) + heading + "".join(lines))

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file atomically.

        Raises:
            DiskError: the file cannot be written.
        """
        self.write_text(name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file atomically, with secrets redacted. Does nothing in a folder opened without a lock.

        Raises:
            DiskError: the file cannot be written.
        """
        if self._lock is None:
            return
        with atomic_write(self.path / name) as file:
            file.write(redact(text).encode("utf-8"))

    def write_predictions(
        self, split: str, predictions: Iterable[Mapping[str, Any]], *, rank: int = 0, ranks: int = 1
    ) -> None:
        """Writes the predictions of a split as they arrive; the file appears only once it is complete.

        With several ranks, each writes the predictions for its own rows; `join_predictions` merges these files.

        Raises:
            DiskError: the file cannot be written.
        """
        with atomic_write(self._part(split, rank) if ranks > 1 else self.predictions(split)) as file:
            hide = redactor()
            for prediction in predictions:
                file.write(hide(history.line(prediction)).encode("utf-8"))

    def join_predictions(self, split: str, ranks: int) -> None:
        """Merges the files of all ranks into one in row order; rank r of n has written rows r, r + n, …

        Raises:
            DiskError: the file cannot be written.
        """
        interleave_lines([self._part(split, rank) for rank in range(ranks)], self.predictions(split))

    def _part(self, split: str, rank: int) -> Path:
        return self.path / f".predictions_{split}.{rank}.part"

    def append_history(self, record: Mapping[str, Any]) -> None:
        """Appends a line to history.jsonl.

        Raises:
            DiskError: the file cannot be written.
        """
        if self._lock is None:
            return
        history.append(self.history, record)

    def save_best(self, weights: "dict[str, Tensor]", facts: Mapping[str, Any]) -> None:
        """Saves the weights of the best evaluation so far, replacing the previous best.

        Args:
            weights: trainable tensors, on the CPU, contiguous.
            facts: step and score, written to the file's metadata.

        Raises:
            DiskError: the file cannot be written.
        """
        temporary = self.best.with_name(f".{self.best.name}.part")
        with disk_errors(self.best):
            write_tensors(temporary, weights, facts)
            os.replace(temporary, self.best)  # keeps the old file, which checkpoints hard-link
            fsync_path(self.path)

    def checkpoints(self, keep: int) -> Checkpoints:
        """Returns the checkpoints of this run, of which the newest `keep` are kept."""
        return Checkpoints(self.path / CHECKPOINTS, keep)

    def history_bytes(self) -> int:
        """Returns the size of history.jsonl in bytes."""
        return history.size(self.history)

    def rollback(self, history_bytes: int, best: Path | None) -> None:
        """Undoes what was written after a checkpoint.

        Args:
            history_bytes: size of history.jsonl at the checkpoint.
            best: file of the best weights at the checkpoint; None if there were none yet.

        Raises:
            DiskError: the folder cannot be written.
        """
        if self._lock is None:
            return
        with disk_errors(self.path):
            history.cut_back(self.history, history_bytes)
            temporary = self.best.with_name(f".{self.best.name}.part")
            temporary.unlink(missing_ok=True)
            if best is None:
                self.best.unlink(missing_ok=True)
            elif not (self.best.exists() and self.best.samefile(best)):  # otherwise rename is a no-op
                link_or_copy(best, temporary)
                os.replace(temporary, self.best)

    def seal(self, *changed: str) -> None:
        """Records the sizes and SHA-256 of the saved model's files in status.json.

        Args:
            changed: files of the run that were written again; without one, all are recorded.

        Raises:
            DiskError: the file cannot be written.
        """
        with disk_errors(self.path):
            self.update_status(**{SAVED: saved.describe_saved(self.path, changed)})

    def finish(self) -> None:
        """Marks the run as finished and removes the checkpoints and best.safetensors.

        Raises:
            TrainingError: a file of the saved model has changed since it was written; the checkpoints are kept.
            DiskError: the folder cannot be written.
        """
        # Order matters: verify the model, sync the history, mark as finished, and only then remove the checkpoints.
        saved.refuse_changed(self.path)
        if self.history.exists():
            with disk_errors(self.history):
                fsync_path(self.history)
        previous = status.read_status(self.path)
        digests = {key: value for key, value in previous.items() if key == SAVED}
        self.write_json(STATUS, status.record(State.finished, None, previous) | digests)
        self.finished = self._state_is_final = True
        self._tidy()

    def _tidy(self) -> None:
        with disk_errors(self.path):
            self.best.unlink(missing_ok=True)
            shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)

    def update_status(self, **facts: Any) -> None:
        """Sets keys of status.json and keeps the others.

        Raises:
            DiskError: the file cannot be written.
        """
        self.write_json(STATUS, {**status.read_status(self.path), **facts})

    saved_model_path = staticmethod(saved.saved_model_path)
    config = staticmethod(saved.config)

    def _write_state(self, state: State, reason: str | None, exit_code: int | None = None) -> None:
        self.write_json(STATUS, status.record(state, reason, self._previous_status, exit_code=exit_code))
