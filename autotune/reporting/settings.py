"""The configuration of a run with the origin of each value."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
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
    return [
        Setting(
            key,
            _shown(value),
            *_source(value, _plain(default_values[key]), found.get(key)),
            texts.get(key, ""),
        )
        for key, value in known.items()
    ]


def _source(value: Any, default: Any, origin: Origin | None) -> tuple[str, str]:
    """Returns the origin of a value in one word, and the override or option that sets it."""
    if origin is not None and origin.override is not None:
        return "command", origin.override
    written = None if origin is None else origin.value
    # An interpolation is written as ${…}; any other value that is not the run's own comes from other options than its own.
    if origin is not None and origin.file is not None and (written == value or "${" in str(written)):
        return ("default", "") if value == default else ("option", origin.option or "run.yaml")
    # The schema of the task itself has a default for a key that other tasks have, too.
    if value == default or (written is not None and written == value):
        return "default", ""
    # A value that no file writes was filled in from other keys.
    return ("derived" if origin is not None and written in (None, "auto") else "unknown"), ""


def _origins(names: list[str], command: str) -> dict[str, Origin]:
    try:
        return origins(names, list(_overrides(shlex.split(command)[1:])))
    except (AutotuneError, ValueError):
        return {}  # the user's own options are no longer there


def _overrides(words: list[str]) -> Iterator[str]:
    """Yields the words of a command line that choose values."""
    for before, word in pairwise(["", *words]):
        is_folder = word.startswith("--config-dir") or before == "--config-dir"
        if is_folder or (
            "=" in word and not word.startswith("-") and not word.lstrip("+").startswith("resume=")
        ):
            yield word


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
