"""Cells of rows as one value or as a list, whatever form the data hold them in."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autotune.config.label_maps import NULL, normalize_label
from autotune.config.schema import DatasetConfig
from autotune.data.formats.arrow import Unreadable
from autotune.errors import DataError


def single(value: Any, name: str, at: str) -> Any:
    """The value of a cell that must not hold several; a list of one is that one, and an empty list is null."""
    _refuse_unreadable(value, name, at)
    if isinstance(value, list | tuple) and len(value) < 2:
        return single(value[0], name, at) if value else None
    if isinstance(value, list | tuple | Mapping):
        raise DataError(
            "the cell holds several values where one is needed",
            where=f"{at}, column {name}",
            found=str(value)[:80],
            fix="a column with one text or one label a row",
        )
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                "the cell holds bytes that are no UTF-8 text",
                where=f"{at}, column {name}",
                found=repr(value[:40]),
                fix="write the column as text",
            ) from error
    return value


def label_of(value: Any, name: str, at: str) -> str | None:
    """The name of a class; a list of one may be written as text, as pandas does: ['positivo']."""
    value = single(value, name, at)
    if isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]"):
        try:
            read = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return normalize_label(value)
        value = single(read, name, at)
    return normalize_label(value)


def _refuse_unreadable(value: Any, name: str, at: str) -> None:
    if isinstance(value, Unreadable):
        raise DataError(
            f"the column {name} holds values of the type {value.kind} that cannot be read",
            where=at,
            found=value.why[:120],
            fix="write the column as text",
        )


def raw_tags(raw: Iterable[Mapping[str, Any]], config: DatasetConfig) -> Iterator[list[str]]:
    """The tags of each row as they stand in the data; rows without tags have an empty list."""
    name = config.columns.tags or "tags"
    for number, row in enumerate(raw):
        yield read_tags(row[name], name, f"row {number}") if row.get(name) is not None else []


def read_tags(value: Any, name: str, at: str) -> list[str]:
    """Tags as text in one spelling."""
    return [normalize_label(tag) or NULL for tag in list_of(value, name, at)]


def list_of(value: Any, name: str, at: str) -> list[Any]:
    """A list; its text form, as CSV files hold it, is read too."""
    _refuse_unreadable(value, name, at)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            read = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
            raise DataError("the text is no list", where=f"{at}, column {name}", found=value[:80]) from error
        if isinstance(read, list):
            return read
    raise DataError(
        "the cell holds no list",
        where=f"{at}, column {name}",
        found=repr(value)[:80],
        fix="a list of words and a list of tags, one a word; for texts with offsets: dataset=spans",
    )
