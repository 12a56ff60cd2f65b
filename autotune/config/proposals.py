"""What to write instead of a key that there is not: the words of other tools first, then the nearest name of ours.

A proposed value has the type of the proposed key.
"""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import yaml
from pydantic import TypeAdapter, ValidationError

from autotune.config.enums import Format
from autotune.config.keys import defaults, keys, suggest
from autotune.config.synonyms import Synonym, synonym
from autotune.errors import format_override, nearest

ACCUMULATED = ("gradient_accumulation_steps", "accumulate_grad_batches")
NAMED_BY_USERS = ("dataset.columns", "dataset.splits", "dataset.label_map")
"""Sections whose keys other tools do not have; there, only a spelling can be wrong."""


def proposal(
    key: str, value: str | None, groups: Iterable[str] = (), given: Mapping[str, str] | None = None
) -> tuple[str | None, str | None]:
    """What probably was meant by a key that there is not.

    Args:
        key: as the user wrote it.
        value: as the user wrote it; None in a file, where only the name is proposed.
        groups: names that may stand where keys do.
        given: all keys of the command line with their values.

    Returns:
        Overrides to paste, and what should be known of them; each may be None.
    """
    found = None if key.rpartition(".")[0] in NAMED_BY_USERS else synonym(key)
    if found is not None and value is None:
        return found.key or found.values.get(""), found.note or None
    if found is not None and value is not None:
        return _translated(found, value, given or {}), found.note or None
    near = suggest(key, groups)
    if near is None or value is None:
        return near, None
    if near in groups:
        return format_override(near, value), None
    return _written(near, value) or format_override(near, _example(near, value)), _values_of(near)


def fits(key: str, value: str) -> bool:
    """Whether a value, as it is typed on a command line, has the type of a key and is in its range."""
    kind = keys()[key]
    if kind is Any and not value.startswith("{"):
        return False
    if value.lower() in ("null", "none", "~") and NoneType in get_args(_bare(kind)):
        return True
    try:
        if _is_nested(kind):
            _adapter(key).validate_python(yaml.safe_load(value))
        else:
            _adapter(key).validate_strings(value)
    except (ValidationError, yaml.YAMLError):
        return False
    return _bare(kind) is not bool or value.lower() in ("true", "false")


def _translated(found: Synonym, value: str, given: Mapping[str, str]) -> str | None:
    """The overrides that say in our words what was meant."""
    if found.key == "trainer.batch_size":
        value = _rows(value, given)
    if found.key == "dataset.path" and (form := Path(value).suffix.lstrip(".")) in set(Format):
        return f"dataset={form} {format_override(found.key, value)}"
    table = found.values
    own = _written(found.key, value, found.form) if found.key else None
    # With true and 1, "1" may be a number; what is a value of the key stays one.
    words = own or table.get(value.lower()) or table.get("")
    if words is None and found.key:
        words = format_override(found.key, _example(found.key, value))
    return f"{found.also} {words}" if words and found.also and found.also not in words else words


def _written(key: str, value: str, form: str = "{}") -> str | None:
    """The override, where the value is one for this key."""
    if form != "{}":
        if not re.fullmatch(r"\d+(\.\d+)?", value) or not float(value):
            return None
        form = "{}ep" if "." in value else form
    written = form.format(value)
    return format_override(key, written) if value and fits(key, written) else None


def _rows(value: str, given: Mapping[str, str]) -> str:
    """Rows of an optimizer step, where others count those of a micro-batch."""
    times = next((given[name] for name in ACCUMULATED if name in given), "1")
    return str(int(value) * int(times)) if value.isdecimal() and times.isdecimal() else value


def _example(key: str, value: str) -> Any:
    """A value of the key's type: the nearest of its names, else its default."""
    names = names_of(key)
    if names:
        return nearest(value, names) or names[0]
    return defaults()[key]


def _values_of(key: str) -> str | None:
    names = names_of(key)
    return f"{key}: {', '.join(names)}" if names else None


def names_of(key: str) -> list[str]:
    """The values of a key that takes one of several."""
    for kind in (_bare(keys()[key]), *get_args(_bare(keys()[key]))):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return [str(one.value) for one in kind]
    return ["true", "false"] if _bare(keys()[key]) is bool else []


def _bare(kind: Any) -> Any:
    """A type without what `Annotated` adds."""
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def _is_nested(kind: Any) -> bool:
    """Whether values are lists or maps."""
    return bool({get_origin(one) or one for one in (_bare(kind), *get_args(_bare(kind)))} & {list, dict, Any})


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    return TypeAdapter(keys()[key])
