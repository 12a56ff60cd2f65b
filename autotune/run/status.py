"""status.json: where a run stands, why, and the command that goes on with it."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autotune.config.secrets import redact
from autotune.errors import AutotuneError, ConfigError, Interrupted, ModelError, shell_words
from autotune.run.manifest import Digest
from autotune.runtime.files import now, read_errors
from autotune.runtime.records import Record, read_record

CONFIG, LOCK, STATUS = "config.yaml", ".lock", "status.json"
FRESH_FILES = {LOCK, CONFIG, f".{CONFIG}.part", f".{STATUS}.part"}
"""What stands in a folder whose run was killed before it said anything."""

command_words: ContextVar[Sequence[str] | None] = ContextVar("command_words", default=None)
"""Words after `autotune` that do the run of a sweep alone; None: those of the process."""


class State(StrEnum):
    """Where a run stands. A folder that says running while nobody holds its lock was killed."""

    running = "running"
    finished = "finished"
    failed = "failed"
    interrupted = "interrupted"


class Status(Record):
    """status.json."""

    state: Annotated[State, Field(strict=False)]
    reason: str | None = None
    time: str = ""
    command: str = ""
    folder: str = ""
    """Where the command was given, at which relative paths start."""
    push: dict[str, Any] = {}
    saved: dict[str, Digest] = {}


def record(state: State, reason: str | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """What status.json holds from now on.

    Args:
        state: of the run.
        reason: why.
        before: what it held; the command that began the run stays where this one only names it, with resume=RUN.
    """
    words = command_words.get() or sys.argv[1:]
    here = any(re.match(r"\+*resume=(?!auto$|never$)", word) for word in words)
    begun = {"command": redact(shlex.join(["autotune", *words])), "folder": _working_folder()}
    if here and before.get("command"):
        begun = {name: before.get(name, "") for name in begun}
    return {"state": state, "reason": reason, "time": now(), **begun}


def _working_folder() -> str:
    """None of these is as good as a folder: one that is gone, one whose name is no text."""
    try:
        return str(Path.cwd()).encode("utf-8", "replace").decode()
    except FileNotFoundError:
        return ""


def read_status(path: Path) -> dict[str, Any]:
    """What status.json of a run folder holds; empty where there is none.

    Raises:
        ConfigError: it is damaged; the error says how to repair it.
    """
    return read_record(path / STATUS, Status, fix=_repair(path), kind=ConfigError) or {}


def state_of(path: Path) -> State | None:
    """Where the run of a folder stands; None where it does not say."""
    state = read_status(path).get("state")
    return None if state is None else State(state)


def _repair(path: Path) -> str:
    """The command that writes status.json again, as far as the other files tell what it said."""
    # A run removes its checkpoints when it has finished, and writes its figures shortly before.
    complete = (path / "model").is_dir() and (path / "metrics.json").is_file()
    state = State.finished if complete and not (path / "checkpoints").exists() else State.interrupted
    file = shell_words(path / STATUS)
    then = {
        State.finished: "the run seems to have finished",
        State.interrupted: "the command that began the run then goes on with it",
    }
    return f"""rm -rf {file}; echo '{{"state": "{state}"}}' > {file}  # {then[state]}"""


def is_run(path: Path) -> bool:
    """Whether a folder is a run's, or empty and so free to become one."""
    with read_errors(path, elsewhere="name=ANOTHER, or runs=FOLDER of your own"):
        if not path.is_dir():
            return not path.exists()
        return (path / STATUS).exists() or {entry.name for entry in path.iterdir()} <= FRESH_FILES


def unfinished(what: str, path: Path) -> ModelError:
    """What is said where a run would have to be finished."""
    command = read_status(path).get("command", "autotune …")
    found, fix = f"its state is {state_of(path)}", f"train it to the end: {command}"
    return ModelError(what, where=str(path), found=found, fix=fix)


def final_state(error: BaseException | None) -> tuple[State, str]:
    """How a run ended that did not finish, and why."""
    if error is None:
        return State.interrupted, "left before the end"
    if isinstance(error, KeyboardInterrupt):
        return State.interrupted, "stopped by hand (Ctrl-C)"
    if isinstance(error, AutotuneError) and error.exit_code == Interrupted.exit_code:
        return State.interrupted, str(error)
    text = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
    return State.failed, redact(text)
