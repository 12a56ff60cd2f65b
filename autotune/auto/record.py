"""The files of an auto folder. Each is written whole, so a race that was killed resumes from those that are there."""

import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import yaml

from autotune.auto.decisions import Decision
from autotune.auto.folder import BEST
from autotune.auto.schemas import DECISIONS, LEADERBOARD, SETTINGS
from autotune.config.secrets import redact
from autotune.run import status
from autotune.run.log import RunLog
from autotune.run.saved import MODEL
from autotune.run.status import LOCK, STATUS, State
from autotune.runtime.files import atomic_write, make_folder, replace_folder
from autotune.runtime.locks import acquire_lock
from autotune.runtime.records import read_lines, read_mapping

logger = logging.getLogger(__name__)

FOLDS, TRIALS, LOGS, OUT_OF_FOLD, CONFIG = "folds.json", "trials", "logs", "oof", "config"
FIX = "move the folder away and start again: the same trials are made again"


@dataclass
class Entry:
    """A line of leaderboard.jsonl: what a trial scored after a share of its schedule."""

    trial: str
    kind: str
    """trivial, cheap or full."""
    share: float = 1.0
    folds: list[int] | None = None
    """Folds on which it was scored, from 1; None: on validation."""
    rows: int = 0
    score: float | None = None
    interval: list[float] | None = None
    """95 % interval of the score."""
    seconds: float | None = None
    """Since the start of the search; None where no clock decides."""
    run: str | None = None
    """Folder of the run, of the first fold; None for what is trained in this process."""
    fate: str = "continues"
    """leads, continues, finished, dropped or failed."""
    because: str | None = None
    """Why it was dropped or failed."""


class SearchFolder:
    """The folder of a search, locked for this process, which writes its files; `autotune.auto.folder` reads them.

    As a context manager, it releases the lock and records in status.json how the search ended.

    Args:
        path: folder; it is made if it is missing.

    Raises:
        LockedError: another process works in it.
        DiskError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] = acquire_lock(path / LOCK, make=True)
        self._before = status.read_status(path)
        self._log = RunLog(path / "log.txt")
        for name in (TRIALS, LOGS, OUT_OF_FOLD):
            make_folder(path / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if error is not None:
                self.write_status(*status.final_state(error))
        finally:
            self._log.close()
            self._lock.close()

    @property
    def finished(self) -> bool:
        """Whether the search has ended with a result."""
        return status.state_of(self.path) is State.finished

    @property
    def best(self) -> Path:
        """Folder of the best model so far."""
        return self.path / BEST

    def publish(self, run: Path) -> None:
        """Puts a copy of a run's model into best/, whole or not at all."""
        partial = self.path / f".{BEST}.part"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(run / MODEL, partial)
        replace_folder(partial, self.best)

    def write_status(self, state: State, reason: str | None = None) -> None:
        """Writes status.json."""
        self._write(STATUS, _json(status.record(state, reason, self._before)))

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Writes auto.yaml."""
        self._write(SETTINGS, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=110))

    def write_decisions(self, decisions: Sequence[Decision]) -> None:
        """Writes decisions.jsonl."""
        self._write(DECISIONS, _lines(decision.as_dict() for decision in decisions))

    def write_leaderboard(self, entries: Iterable[Entry]) -> None:
        """Writes leaderboard.jsonl."""
        self._write(LEADERBOARD, _lines(map(asdict, entries)))

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file."""
        self._write(name, _json(value))

    def write_yaml(self, name: str, text: str) -> None:
        """Writes a YAML file in a subfolder, which is made if it is missing."""
        make_folder((self.path / name).parent)
        self._write(name, text)

    def write_predictions(self, trial: str, share: float, lines: Iterable[Mapping[str, Any]]) -> None:
        """Writes what a trial predicted for rows it had not learned from, after a share of its schedule."""
        self._write(self._predictions(trial, share), _lines(lines))

    def predictions(self, trial: str, share: float) -> list[dict[str, Any]]:
        """Returns the lines of `write_predictions`; none if there is no such file.

        Raises:
            ModelError: the file is damaged.
        """
        return list(read_lines(self.path / self._predictions(trial, share), fix=FIX))

    def _predictions(self, trial: str, share: float) -> str:
        return f"{OUT_OF_FOLD}/{slug(trial)}{'' if share == 1 else f'@{share:g}'}.jsonl"

    def _write(self, name: str, text: str) -> None:
        with atomic_write(self.path / name) as file:
            file.write(redact(text).encode("utf-8"))


def read_entries(folder: Path) -> list[Entry]:
    """Returns the lines of leaderboard.jsonl; none if there is no such file.

    Raises:
        ModelError: the file is damaged.
    """
    return [Entry(**line) for line in read_lines(folder / LEADERBOARD, fix=FIX)]


def read_decisions(folder: Path) -> list[Decision]:
    """Returns the lines of decisions.jsonl; none if there is no such file.

    Raises:
        ModelError: the file is damaged.
        ConfigError: a line is not a decision.
    """
    return [Decision.from_dict(line) for line in read_lines(folder / DECISIONS, fix=FIX)]


def read_settings(folder: Path) -> dict[str, Any]:
    """Returns the content of auto.yaml.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: the file is damaged.
    """
    return read_mapping(folder / SETTINGS, fix=FIX)


def slug(trial: str) -> str:
    """Returns the name of a trial as part of a file name."""
    return "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in trial)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _lines(values: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)
