"""status.json: where a run stands, why, and the command that goes on with it."""

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError, ConfigError, Interrupted, ModelError
from autotune.files import now
from autotune.redaction import redact

STATUS = "status.json"


class State(StrEnum):
    """Where a run stands. A folder that says running while nobody holds its lock was killed."""

    running = "running"
    finished = "finished"
    failed = "failed"
    interrupted = "interrupted"


def record(state: State, reason: str | None) -> dict[str, Any]:
    """What status.json holds from now on."""
    command = redact(shlex.join(["autotune", *sys.argv[1:]]))
    return {"state": state, "reason": reason, "time": now(), "command": command}


def read_status(path: Path) -> dict[str, Any]:
    """What status.json of a run folder holds; empty where there is none.

    Raises:
        ConfigError: it is no JSON.
    """
    try:
        status = json.loads((path / STATUS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(
            "the state of the run cannot be read",
            where=str(path / STATUS),
            found=str(error),
            fix="remove this file; the run then begins anew",
        ) from error
    return dict(status)


def state_of(path: Path) -> State | None:
    """Where the run of a folder stands; None where it does not say."""
    state = read_status(path).get("state")
    return None if state is None else State(state)


def unfinished(what: str, path: Path) -> ModelError:
    """What is said where a run would have to be finished."""
    command = read_status(path).get("command", "autotune …")
    found, fix = f"its state is {state_of(path)}", f"train it to the end: {command}"
    return ModelError(what, where=str(path), found=found, fix=fix)


def ending(error: BaseException | None) -> tuple[State, str]:
    """How a run ended that did not finish, and why."""
    if error is None:
        return State.interrupted, "left before the end"
    if isinstance(error, KeyboardInterrupt):
        return State.interrupted, "stopped by hand (Ctrl-C)"
    if isinstance(error, AutotuneError) and error.exit_code == Interrupted.exit_code:
        return State.interrupted, str(error)
    text = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
    return State.failed, redact(text)
