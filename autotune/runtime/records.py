"""The only place that reads files of a run or of a saved model: within limits, and checked against a schema.

A schema is a `Record`; keys that it does not name are kept, because an older or newer version may write others. The
functions return the plain value, which has the types of the schema, so callers need no checks of their own.
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
    """Schema of a JSON object; strict: "1" is not a number, and 1 is not a truth value."""

    model_config = ConfigDict(strict=True)


def read_record(
    path: Path,
    schema: type[Record],
    *,
    fix: str,
    error_type: type[AutotuneError] = ModelError,
    nan: bool = False,
    twice: bool = False,
    needed: bool = False,
) -> dict[str, Any] | None:
    """Reads a JSON file that holds an object; returns None if there is no such file.

    Args:
        path: path of the file.
        schema: schema of the object.
        fix: what the user can do if the file is damaged.
        error_type: type of the error.
        nan: whether NaN and Infinity are numbers.
        twice: whether a key may occur twice.
        needed: whether a missing file is an error.

    Raises:
        AutotuneError: `error_type`; the file is damaged, or holds something else.
    """
    try:
        value = parse_json(text_of(read_bytes(path)), nan=nan, twice=twice)
    except FileNotFoundError as error:
        if not needed:
            return None
        raise error_type(f"there is no {path.name}", where=str(path), fix=fix) from error
    except Unreadable as error:
        raise damaged(path, str(error), fix, error_type) from error
    return checked(value, schema, path, fix=fix, error_type=error_type)


def read_mapping(
    path: Path, *, fix: str, error_type: type[AutotuneError] = ConfigError, empty: bool = False
) -> dict[str, Any]:
    """Reads a YAML file that holds a mapping.

    Args:
        path: path of the file.
        fix: what the user can do if the file is damaged.
        error_type: type of the error.
        empty: whether the file may be empty.

    Raises:
        FileNotFoundError: there is no such file.
        AutotuneError: `error_type`; the file is damaged, or holds something else.
    """
    try:
        value = parse_yaml(text_of(read_bytes(path)))
    except Unreadable as error:
        raise damaged(path, str(error), fix, error_type) from error
    if value is None and empty:
        return {}
    if not isinstance(value, dict):
        raise damaged(path, f"it holds {_type_name(value)}, not a mapping of keys to values", fix, error_type)
    return value


def read_lines(
    path: Path, *, fix: str, error_type: type[AutotuneError] = ModelError
) -> Iterator[dict[str, Any]]:
    """Yields the JSON objects of a file with one per line; nothing if there is no such file.

    Raises:
        AutotuneError: `error_type`; a line is damaged.
    """
    number = 0
    try:
        for line in parsing.read_lines(path):
            number += 1
            value = parse_json(text_of(line), nan=True)
            if not isinstance(value, dict):
                raise Unreadable(f"it holds {_type_name(value)}, not an object")
            yield value
    except FileNotFoundError:
        return
    except Unreadable as error:
        raise damaged(path, f"line {number}: {error}", fix, error_type) from error


def checked(
    value: Any, schema: type[Record], path: Path, *, fix: str, error_type: type[AutotuneError] = ModelError
) -> dict[str, Any]:
    """Returns a value of a file after checking it against a schema.

    Raises:
        AutotuneError: `error_type`; the value does not match the schema.
    """
    fault = fault_of(value, schema)
    if fault is not None:
        raise damaged(path, fault, fix, error_type)
    return cast(dict[str, Any], value)


def fault_of(value: Any, schema: type[Record]) -> str | None:
    """Describes the first mismatch between a value and a schema; None if there is none."""
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


def damaged(path: Path, found: str, fix: str, error_type: type[AutotuneError] = ModelError) -> AutotuneError:
    """Returns the error for a file whose content is not as it was written."""
    return error_type(f"{path.name} is damaged", where=str(path), found=found, fix=fix)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")
