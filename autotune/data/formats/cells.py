"""Cells of rows, read as one value or as a list, however the data store them."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autotune.config.label_maps import NULL, normalize_label
from autotune.config.schema import DatasetConfig
from autotune.data.formats.arrow import UnreadableValue
from autotune.errors import DataError


def single(value: Any, name: str, at: str) -> Any:
    """Returns the one value of a cell; a list of one value counts as that value, an empty list as null.

    Raises:
        DataError: the cell holds several values, bytes that are not UTF-8, or a value that cannot be read.
    """
    _check_readable(value, name, at)
    if isinstance(value, list | tuple) and len(value) < 2:
        return single(value[0], name, at) if value else None
    if isinstance(value, list | tuple | Mapping):
        raise DataError(
            "the cell holds several values where one is needed",
            where=f"{at}, column {name}",
            found=str(value)[:80],
            fix="a column with one text or one label per row",
        )
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                "the cell holds bytes that are not valid UTF-8",
                where=f"{at}, column {name}",
                found=repr(value[:40]),
                fix="write the column as text",
            ) from error
    return value


def label_of(value: Any, name: str, at: str) -> str | None:
    """Returns the name of a class; a list of one may be written as text, as pandas does: ['positivo'].

    Raises:
        DataError: see `single`.
    """
    value = single(value, name, at)
    if isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]"):
        try:
            parsed = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return normalize_label(value)
        value = single(parsed, name, at)
    return normalize_label(value)


def _check_readable(value: Any, name: str, at: str) -> None:
    if isinstance(value, UnreadableValue):
        raise DataError(
            f"the column {name} holds values of the type {value.kind} that cannot be read",
            where=at,
            found=value.why[:120],
            fix="write the column as text",
        )


def raw_tags(raw: Iterable[Mapping[str, Any]], config: DatasetConfig) -> Iterator[list[str]]:
    """Yields the tags of each row before any mapping; an empty list for a row without tags."""
    name = config.columns.tags or "tags"
    for number, row in enumerate(raw):
        yield read_tags(row[name], name, f"row {number}") if row.get(name) is not None else []


def read_tags(value: Any, name: str, at: str) -> list[str]:
    """Returns the normalized tags of a cell.

    Raises:
        DataError: see `list_of`.
    """
    return [normalize_label(tag) or NULL for tag in list_of(value, name, at)]


def list_of(value: Any, name: str, at: str) -> list[Any]:
    """Returns the list in a cell; a list written as text, as in CSV files, is parsed.

    Raises:
        DataError: the cell holds anything else.
    """
    _check_readable(value, name, at)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            parsed = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
            raise DataError(
                "the text is not a list", where=f"{at}, column {name}", found=value[:80]
            ) from error
        if isinstance(parsed, list):
            return parsed
    raise DataError(
        "the cell does not hold a list",
        where=f"{at}, column {name}",
        found=repr(value)[:80],
        fix="a list of words and a list of tags, one per word; for texts with offsets: dataset=spans",
    )
