"""Proposes what to write instead of an unknown key: first the keys of other tools, then the nearest key of ours.

A proposed value has the type of the proposed key.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import yaml
from pydantic import TypeAdapter, ValidationError

from autotune.config.enums import Format
from autotune.config.keys import bare_type, defaults, keys, suggest
from autotune.config.synonyms import Synonym, synonym
from autotune.errors import ConfigError, format_override, listing, nearest

ACCUMULATION_KEYS = ("gradient_accumulation_steps", "accumulate_grad_batches")
OWN_SECTIONS = ("dataset.columns", "dataset.splits", "dataset.label_map")
"""Sections without a counterpart in other tools; an unknown key there can only be misspelled."""


def proposal(
    key: str, value: str | None, groups: Iterable[str] = (), values: Mapping[str, str] | None = None
) -> tuple[str | None, str | None]:
    """Returns what was probably meant by an unknown key.

    Args:
        key: as the user wrote it.
        value: as the user wrote it; None in a file, where only the name is proposed.
        groups: names of config groups, which are candidates, too.
        values: all keys of the command line with their values.

    Returns:
        Overrides to paste, and a note about them; each may be None.
    """
    alias = None if key.rpartition(".")[0] in OWN_SECTIONS else synonym(key)
    if alias is not None and value is None:
        return alias.key or alias.values.get(""), alias.note or None
    if alias is not None and value is not None:
        return _translate(alias, value, values or {}), alias.note or None
    near = suggest(key, groups)
    if near is None or value is None:
        return near, None
    if near in groups:
        return format_override(near, value), None
    fix = _valid_override(near, value) or format_override(near, _example(near, value))
    return fix, _list_values(near)


def key_of_other_tasks(key: str, where: str, tasks: Sequence[str]) -> ConfigError:
    """Returns the error for a key that the task does not have, and others do.

    Args:
        key: as written.
        where: the override, or the key.
        tasks: names of the tasks that have it.
    """
    return ConfigError(
        f"this task has no key {key}",
        where=where,
        found=f"tasks that have it: {listing(tasks)}",
        fix=f"leave it out, or task={tasks[0]}",
    )


def valid_override(key: str, value: str) -> str | None:
    """Returns the override of a key with the name nearest to an invalid value, else with the default; None if it has none."""
    if key not in keys():
        return None
    valid = nearest(value, names_of(key)) or defaults()[key]
    return format_override(key, valid) if valid is not None or is_valid(key, "null") else None


def is_valid(key: str, value: str) -> bool:
    """Whether a value, as typed on a command line, has the type of a key and is in its range."""
    value_type = keys()[key]
    if value_type is Any and not value.startswith("{"):
        return False
    is_optional = NoneType in get_args(bare_type(value_type))
    if value.lower() == "null" or (is_optional and value.lower() in ("none", "~")):
        return is_optional
    try:
        if _is_nested(value_type):
            _adapter(key).validate_python(yaml.safe_load(value))
        else:
            _adapter(key).validate_strings(value)
    except (ValidationError, yaml.YAMLError):
        return False
    return bare_type(value_type) is not bool or value.lower() in ("true", "false")


def _translate(alias: Synonym, value: str, values: Mapping[str, str]) -> str | None:
    """Translates key and value of another tool into our overrides."""
    if alias.key == "trainer.batch_size":
        value = _rows_per_step(value, values)
    if alias.key == "dataset.path" and (form := Path(value).suffix.lstrip(".")) in set(Format):
        return f"dataset={form} {format_override(alias.key, value)}"
    table = alias.values
    override = _valid_override(alias.key, value, alias.form) if alias.key else None
    # A value that is valid for our key comes first: "1" may be a number or mean true.
    replacement = override or table.get(value.lower()) or table.get("")
    if replacement is None and alias.key:
        replacement = format_override(alias.key, _example(alias.key, value))
    if replacement and alias.also and alias.also not in replacement:
        return f"{alias.also} {replacement}"
    return replacement


def _valid_override(key: str, value: str, form: str = "{}") -> str | None:
    """Returns the override if the value is valid for the key, else None."""
    if form != "{}":
        if not re.fullmatch(r"\d+(\.\d+)?", value) or not float(value):
            return None
        form = "{}ep" if "." in value else form
    override_value = form.format(value)
    return format_override(key, override_value) if value and is_valid(key, override_value) else None


def _rows_per_step(value: str, values: Mapping[str, str]) -> str:
    """Returns the rows per optimizer step; other tools count the rows of a micro-batch."""
    accumulation = next((values[name] for name in ACCUMULATION_KEYS if name in values), "1")
    return str(int(value) * int(accumulation)) if value.isdecimal() and accumulation.isdecimal() else value


def _example(key: str, value: str) -> Any:
    """Returns a value of the key's type: the nearest of its names, or else its default."""
    names = names_of(key)
    if names:
        return nearest(value, names) or names[0]
    return defaults()[key]


def _list_values(key: str) -> str | None:
    names = names_of(key)
    return f"{key}: {', '.join(names)}" if names else None


def names_of(key: str) -> list[str]:
    """Returns the values of a key that takes one of a fixed set; empty for other keys."""
    for value_type in (bare_type(keys()[key]), *get_args(bare_type(keys()[key]))):
        if isinstance(value_type, type) and issubclass(value_type, Enum):
            return [str(member.value) for member in value_type]
    return ["true", "false"] if bare_type(keys()[key]) is bool else []


def _is_nested(value_type: Any) -> bool:
    """Whether values may be lists or maps."""
    types = (bare_type(value_type), *get_args(bare_type(value_type)))
    return bool({get_origin(member) or member for member in types} & {list, dict, Any})


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    return TypeAdapter(keys()[key])
