"""status.json: the state of a run, the reason, and the command that resumes it."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autotune.config.load import load_config
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact
from autotune.errors import BUG, AutotuneError, ConfigError, DiskError, Interrupted, ModelError, shell_words
from autotune.run.manifest import Digest
from autotune.runtime.files import now, read_errors
from autotune.runtime.os_errors import is_refusal
from autotune.runtime.records import Record, read_record

CONFIG, LOCK, STATUS = "config.yaml", ".lock", "status.json"
FRESH_FILES = {LOCK, CONFIG, f".{CONFIG}.part", f".{STATUS}.part"}
"""Files in the folder of a run that was killed before it wrote status.json."""

PAUSE = re.compile(r"\(trainer\.pause_at=([0-9.e-]+)\)")
"""Pattern in the reason of a run that is paused."""

command_words: ContextVar[Sequence[str] | None] = ContextVar("command_words", default=None)
"""Command-line words after `autotune` that start one run of a sweep; None: those of this process."""


class State(StrEnum):
    """The state of a run. If it is `running` and no process holds the folder's lock, the run was killed."""

    running = "running"
    finished = "finished"
    failed = "failed"
    interrupted = "interrupted"


class Status(Record):
    """Schema of status.json."""

    state: Annotated[State, Field(strict=False)]
    reason: str | None = None
    exit_code: int | None = None
    """Exit code of a run that ended without finishing."""
    time: str = ""
    command: str = ""
    folder: str = ""
    """Working folder of the command; relative paths start there."""
    push: dict[str, Any] = {}
    saved: dict[str, Digest] = {}


def record(
    state: State, reason: str | None, before: Mapping[str, Any], *, exit_code: int | None = None
) -> dict[str, Any]:
    """Returns the new content of status.json.

    Args:
        state: state of the run.
        reason: why the run is in this state.
        before: previous content. Its command is kept if the present command only refers to the run, with resume=RUN.
        exit_code: of a run that ended without finishing.
    """
    words = command_words.get() or sys.argv[1:]
    resumes_by_path = any(re.match(r"\+*resume=(?!auto$|never$)", word) for word in words)
    command = {"command": redact(shlex.join(["autotune", *words])), "folder": _working_folder()}
    if resumes_by_path and before.get("command"):
        command = {name: before.get(name, "") for name in command}
    code = {} if exit_code is None else {"exit_code": exit_code}
    return {"state": state, "reason": reason, **code, "time": now(), **command}


def _working_folder() -> str:
    """Returns the working folder; "" if it was deleted, with "?" for bytes in its name that are not text."""
    try:
        return str(Path.cwd()).encode("utf-8", "replace").decode()
    except FileNotFoundError:
        return ""


def read_status(path: Path) -> dict[str, Any]:
    """Returns the content of a run folder's status.json; an empty dict if there is no such file.

    Raises:
        ConfigError: the file is damaged; the error says how to repair it.
    """
    return read_record(path / STATUS, Status, fix=_repair(path), error_type=ConfigError) or {}


def state_of(path: Path) -> State | None:
    """Returns the state of a folder's run; None if the folder has no status.json."""
    state = read_status(path).get("state")
    return None if state is None else State(state)


def paused_at(path: Path) -> float | None:
    """Returns the value of `trainer.pause_at` at which a run waits; None for a run in any other state."""
    status = read_status(path)
    match = PAUSE.search(str(status.get("reason")))
    return float(match[1]) if match and status.get("state") == State.interrupted else None


def _repair(path: Path) -> str:
    """Returns a shell command that rewrites status.json with the state that the other files suggest."""
    # A run removes its checkpoints when it has finished, and writes its metrics shortly before.
    complete = (path / "model").is_dir() and (path / "metrics.json").is_file()
    state = State.finished if complete and not (path / "checkpoints").exists() else State.interrupted
    file = shell_words(path / STATUS)
    comment = {
        State.finished: "the run seems to have finished",
        State.interrupted: "the command that started the run then resumes it",
    }
    return f"""rm -rf {file}; echo '{{"state": "{state}"}}' > {file}  # {comment[state]}"""


def is_run(path: Path) -> bool:
    """Whether a folder is a run folder, or can become one because it is empty or does not exist."""
    with read_errors(path, elsewhere="name=ANOTHER, or runs=FOLDER of your own"):
        if not path.is_dir():
            return not path.exists()
        return (path / STATUS).exists() or {entry.name for entry in path.iterdir()} <= FRESH_FILES


def unfinished(what: str, path: Path) -> ModelError:
    """Returns the error for a run that must be finished and is not."""
    command = read_status(path).get("command", "autotune …")
    found, fix = f"its state is {state_of(path)}", f"train it to the end: {command}"
    return ModelError(what, where=str(path), found=found, fix=fix)


def open_finished(path: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Returns the configuration and the status of a finished run.

    Raises:
        ConfigError: there is no run in the folder, or config.yaml or status.json is damaged.
        ModelError: the run is not finished.
    """
    status = {"time": "", "command": "", **read_status(path)}
    if "state" not in status:
        raise ConfigError("there is no run in this folder", where=str(path))
    if status["state"] != State.finished:
        raise unfinished("the run is not finished", path)
    return load_config(path / CONFIG), status


def exit_code(error: BaseException | None) -> int:
    """Returns the exit code of a command that an exception ends, if any; see `autotune --help`."""
    if isinstance(error, AutotuneError):
        return error.exit_code
    if error is None or isinstance(error, KeyboardInterrupt):
        return Interrupted.exit_code
    return DiskError.exit_code if isinstance(error, OSError) and is_refusal(error) else BUG


def final_state(error: BaseException | None) -> tuple[State, str]:
    """Returns the state and the reason of a run that ended without finishing.

    Args:
        error: exception that ended the run, if any.
    """
    if error is None:
        return State.interrupted, "left before the end"
    if isinstance(error, KeyboardInterrupt):
        return State.interrupted, "stopped by hand (Ctrl-C)"
    if isinstance(error, AutotuneError) and error.exit_code == Interrupted.exit_code:
        return State.interrupted, str(error)
    text = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
    return State.failed, redact(text)
