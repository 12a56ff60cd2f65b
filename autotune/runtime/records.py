"""The one place that reads files of a run or of a saved model: within bounds, against a schema, refused by name.

A schema is a `Record`; keys that it does not name are left as they are, for an older or newer version may write
others. What comes back is the plain value, which has the types that the schema states, so that code behind it needs
no guards of its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from autotune.errors import AutotuneError, ConfigError, ModelError
from autotune.runtime import parsing
from autotune.runtime.parsing import Unreadable, parse_json, parse_yaml, read_bytes, text_of


class Record(BaseModel):
    """Schema of a JSON object: texts are not taken for numbers, nor numbers for truth values."""

    model_config = ConfigDict(strict=True)


def read_record(
    path: Path,
    schema: type[Record],
    *,
    fix: str,
    kind: type[AutotuneError] = ModelError,
    nan: bool = False,
    twice: bool = False,
    needed: bool = False,
) -> dict[str, Any] | None:
    """A JSON file that holds an object; None where there is no such file.

    Args:
        path: of the file.
        schema: of the object.
        fix: what the user can do where the file is damaged.
        kind: of the error.
        nan: whether NaN and Infinity are numbers.
        twice: whether a key may occur twice.
        needed: whether it is an error where there is no such file.

    Raises:
        AutotuneError: of that kind: the file is damaged, or holds something else.
    """
    try:
        value = parse_json(text_of(read_bytes(path)), nan=nan, twice=twice)
    except FileNotFoundError as error:
        if not needed:
            return None
        raise kind(f"there is no {path.name}", where=str(path), fix=fix) from error
    except Unreadable as error:
        raise damaged(path, str(error), fix, kind) from error
    return checked(value, schema, path, fix=fix, kind=kind)


def read_mapping(
    path: Path, *, fix: str, kind: type[AutotuneError] = ConfigError, empty: bool = False
) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Args:
        path: of the file.
        fix: what the user can do where the file is damaged.
        kind: of the error.
        empty: whether it may hold nothing.

    Raises:
        FileNotFoundError: there is no such file.
        AutotuneError: of that kind: the file is damaged, or holds something else.
    """
    try:
        value = parse_yaml(text_of(read_bytes(path)))
    except Unreadable as error:
        raise damaged(path, str(error), fix, kind) from error
    if value is None and empty:
        return {}
    if not isinstance(value, dict):
        raise damaged(path, f"it holds {_kind(value)}, not a mapping of keys to values", fix, kind)
    return value


def read_lines(path: Path, *, fix: str, kind: type[AutotuneError] = ModelError) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line; nothing where there is no such file.

    Raises:
        AutotuneError: of that kind: a line is damaged.
    """
    number = 0
    try:
        for line in parsing.read_lines(path):
            number += 1
            value = parse_json(text_of(line), nan=True)
            if not isinstance(value, dict):
                raise Unreadable(f"it holds {_kind(value)}, not an object")
            yield value
    except FileNotFoundError:
        return
    except Unreadable as error:
        raise damaged(path, f"line {number}: {error}", fix, kind) from error


def checked(
    value: Any, schema: type[Record], path: Path, *, fix: str, kind: type[AutotuneError] = ModelError
) -> dict[str, Any]:
    """A value of a file that has the types of a schema.

    Raises:
        AutotuneError: of that kind: it has not.
    """
    fault = fault_of(value, schema)
    if fault is not None:
        raise damaged(path, fault, fix, kind)
    return cast(dict[str, Any], value)


def fault_of(value: Any, schema: type[Record]) -> str | None:
    """In what a value is not what a schema states; None where it is."""
    try:
        schema.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = "".join(f"{part}." for part in first["loc"])[:-1]
        message = (
            "the key is missing"
            if first["type"] == "missing"
            else (f"{first['msg'][:1].lower()}{first['msg'][1:]}, found {_short(first['input'])}")
        )
        return f"{key}: {message}" if key else message
    return None


def damaged(path: Path, found: str, fix: str, kind: type[AutotuneError] = ModelError) -> AutotuneError:
    """What is said of a file that is not as it was written."""
    return kind(f"{path.name} is damaged", where=str(path), found=found, fix=fix)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")
