"""The configuration of a run with the origin of each value."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from autotune.config.keys import defaults, keys
from autotune.config.load import to_dict
from autotune.config.origin import Origin, origins
from autotune.config.reference import descriptions
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError

MISSING = object()


@dataclass(frozen=True)
class Setting:
    """A key with its value."""

    key: str
    value: str
    origin: str
    """One of: command, option, default, derived, unknown."""
    source: str
    """The word of the command line, or group=option."""
    text: str
    """What the key does."""


def settings(config: RunConfig, command: str) -> list[Setting]:
    """Returns every key of a run.

    Args:
        config: configuration of the run.
        command: command line that started it; composed again to find the origins, and left out if that fails.
    """
    values, texts, default_values = to_dict(config), descriptions(), defaults()
    known = {key: value for key in keys() if (value := _at(values, key)) is not MISSING}
    found = _origins(list(known), command)
    lines = []
    for key, value in known.items():
        origin = found.get(key)
        if origin is None:
            kind, source = ("default" if value == _plain(default_values[key]) else "unknown"), ""
        elif origin.override is not None:
            kind, source = "command", origin.override
        elif origin.file is not None and origin.value is not None:
            kind, source = "option", origin.option or "run.yaml"
        else:
            # A value that no file writes and that differs from the default was filled in from other keys.
            kind, source = ("default" if value == _plain(default_values[key]) else "derived"), ""
        lines.append(Setting(key, _shown(value), kind, source, texts.get(key, "")))
    return lines


def _origins(names: list[str], command: str) -> dict[str, Origin]:
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        return {}
    words = [word for word in words[words[:1] == ["train"] :] if not word.lstrip("+").startswith("resume=")]
    try:
        return origins(names, words)
    except AutotuneError:
        return {}  # started from Python, or the options of the user are no longer there


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return MISSING
        values = values[part]
    return values


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
