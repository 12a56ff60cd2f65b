"""Reads the command line of `autotune auto`: the data, the settings of the search, and the overrides that all its runs have."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from autotune.config.auto import SECONDS, TIME, AutoConfig, SpaceConfig
from autotune.config.load import flatten
from autotune.config.overrides import FLAGS_WITH_VALUE, key_of
from autotune.errors import (
    AutotuneError,
    ConfigError,
    format_override,
    listing,
    nearest,
    raise_all,
    shell_words,
)
from autotune.runtime.parsing import Unreadable, parse_yaml

BARE = ("time", "trials", "goal", "name", "runs")
"""Keys of the section that are set without its name."""
SECTION = "auto."
SPACES = Path(__file__).resolve().parents[1] / "assets" / "auto"
INSTEAD = {
    "folds": "auto.folds={}", "seeds": "auto.space.seeds={}", "dataset.fold": "auto.folds=5",
    "trainer.pause_at": "auto.space.rungs=[0.5,1]", "search": "leave it out: autotune auto is a search itself",
    "hub": "leave it out, then: autotune push AUTO/best", "dataset.test_fraction": "auto.test_fraction={}",
}  # fmt: skip
"""Keys that the search sets in its runs, and what to write instead."""


def read_auto(words: Sequence[str]) -> tuple[AutoConfig, list[str]]:
    """Reads the words behind `autotune auto`.

    Args:
        words: the data, `key=value` in any order, and flags.

    Returns:
        The settings, and the flags and overrides that all runs of the search have.

    Raises:
        ConfigError: no data or several, an unknown key of the section or an invalid value, or a key that the search sets
            itself; several errors are raised together.
    """
    data, own, rest = _sorted(words)
    errors: list[AutotuneError] = [_set_by_search(word) for word in rest if _instead(word)]
    if len(data) != 1:
        found = f"{len(data)}: {listing(data)}" if data else None
        errors.append(ConfigError("one file, folder or name on the Hub is needed", where="autotune auto DATA", found=found,
                                  fix="autotune auto reviews.csv"))  # fmt: skip
    values, faults = _parsed(own)
    raise_all([*errors, *faults])
    if values.get("trials") is not None:
        if values.get("time") is not None:
            raise ConfigError("a search ends after a time or after a number of trials",
                              where="trials", found=f"time={values['time']}", fix="time=null")  # fmt: skip
        values["time"] = None
    return _checked(values | {"data": data[0]}), rest


def space_values(goal: str) -> dict[str, Any]:
    """Returns the section `space` of a goal: that of all goals with its own values."""
    values: dict[str, Any] = {}
    for name in ("default", goal):
        file = SPACES / f"{name}.yaml"
        if file.exists():
            values |= yaml.safe_load(file.read_text("utf-8"))
    return values


def _sorted(words: Sequence[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """Returns the names of data, the values of the section by key as they were written, and all other words."""
    data, own, rest, flag = list[str](), dict[str, str](), list[str](), ""
    for word in words:
        is_value, flag = flag in FLAGS_WITH_VALUE, word
        key, equals, value = word.partition("=")
        if is_value or word.startswith("-"):
            rest.append(word)
        elif not equals or os.path.lexists(word):
            data.append(word)
        elif key in BARE or key.startswith(SECTION):
            own[key.removeprefix(SECTION)] = value
        else:
            rest.append(word)
    return data, own, rest


def _instead(word: str) -> str | None:
    return None if word.endswith("=null") or word == "hub=none" else INSTEAD.get(key_of(word))


def _set_by_search(word: str) -> ConfigError:
    fix = str(_instead(word)).format(word.partition("=")[2])
    return ConfigError("the search sets this key in its own runs", where=word, fix=fix)


def _parsed(own: Mapping[str, str]) -> tuple[dict[str, Any], list[AutotuneError]]:
    """Returns values of the section as nested dicts, over those of the goal, and what is wrong with them."""
    goal = own.get("goal", "best")
    values: dict[str, Any] = {"space": space_values(goal)}
    errors: list[AutotuneError] = []
    known = [*(name for name in _hints(AutoConfig) if name not in ("data", "space")), *_space_keys()]
    for key, text in own.items():
        if key not in known:
            name, near = f"{SECTION}{key}", nearest(key, known)
            section, fix = SECTION[:-1], shell_words(f"{SECTION}{near}={text}") if near else None
            errors.append(ConfigError(f"there is no key {name}", where=name,
                                      found=f"keys of {section}: {listing(known, 40)}", fix=fix))  # fmt: skip
            continue
        try:
            value = text if key in ("time", "name", "runs") and text != "null" else parse_yaml(text)
        except Unreadable as error:
            errors.append(ConfigError(str(error), where=f"{SECTION}{key}", found=text,
                                      fix=f"{SECTION}{key}=null"))  # fmt: skip
            continue
        inner = values
        *path, last = key.split(".")
        for step in path:
            inner = inner[step]
        inner[last] = [value] if _takes_list(key) and isinstance(value, str) else value
    return values, errors


def _checked(values: Mapping[str, Any]) -> AutoConfig:
    try:
        return _adapter().validate_python(dict(values))
    except ValidationError as error:
        raise_all([_error(dict(detail), values) for detail in error.errors(include_url=False)])
    raise AssertionError("raised above")


def _error(detail: Mapping[str, Any], values: Mapping[str, Any]) -> ConfigError:
    """Returns the error for an invalid value, with one that is valid."""
    key = ".".join(str(part) for part in detail["loc"] if not isinstance(part, int))
    name = key if key in BARE else f"{SECTION}{key}"
    found = "null" if detail["input"] is None else str(detail["input"])
    if key == "time":
        return ConfigError("a time is a number of seconds, minutes or hours: 90s, 10m, 1h",
                           where=name, found=found, fix=format_override("time", _meant_time(found)))  # fmt: skip
    message = str(detail["msg"]).replace("Input should", f"{name} should", 1)
    shipped = flatten({"space": space_values("best")}).get(key, _default(key))
    options = re.findall(r"'([^']*)'", str(detail["msg"])) if detail["type"] == "enum" else []
    valid = nearest(found, options) or (options[0] if options else shipped)
    return ConfigError(message, where=name, found=found, fix=format_override(name, valid))


def _meant_time(text: str) -> str:
    """Returns the time that an invalid one was probably meant to be."""
    number = re.match(r"\d+(\.\d+)?", text)
    unit = re.sub(r"[\d.\s]", "", text)[:1].lower()
    meant = f"{number[0]}{unit if unit in SECONDS else 'm'}" if number else ""
    return meant if re.fullmatch(TIME, meant) else "1h"


@cache
def _adapter() -> TypeAdapter[AutoConfig]:
    return TypeAdapter(AutoConfig)


@cache
def _hints(schema: type) -> dict[str, Any]:
    return get_type_hints(schema, include_extras=True)


def _space_keys() -> list[str]:
    """Returns the keys of the section `space`, and those of its maps and sections."""
    shipped = flatten({"space": space_values("best")})
    return [*(f"space.{field.name}" for field in fields(SpaceConfig)), *shipped]


def _takes_list(key: str) -> bool:
    """Returns whether a single text stands for a list of one."""
    return key in ("models", "candidates") or isinstance(
        flatten({"space": space_values("best")}).get(key), list
    )


def _default(key: str) -> Any:
    return next((field.default for field in fields(AutoConfig) if field.name == key), None)
