"""Targets with several values: in one column as a list or a separated text, or in several columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from autotune.config.columns import SEVERAL_VALUES, Column, Kind
from autotune.config.label_maps import normalize_label
from autotune.config.schema import DatasetConfig
from autotune.data.formats.cells import list_of, single
from autotune.data.numbers import read_number
from autotune.errors import DataError, format_text_override

YES = frozenset(["1", "true", "sim", "s", "yes", "y", "verdadeiro", "v"])
"""What says that a row has a class, in lower case."""
NO = frozenset(["0", "false", "não", "nao", "n", "no", "falso", "f"])
SEPARATORS = "|;,"
"""Proposed where a text seems to hold several classes; the first one that occurs is meant."""


def joined_column(columns: Sequence[Column], config: DatasetConfig, row: Mapping[str, Any]) -> Column | None:
    """Returns the column of the task whose values the row has in the columns `dataset.columns.labels`; None if there is none."""
    names = config.columns.labels
    if not names or not all(name in row for name in names):
        return None
    return next((column for column in columns if column.kind in SEVERAL_VALUES), None)


def joined_name(config: DatasetConfig) -> str:
    """Returns the name of the column that takes the place of `dataset.columns.labels`."""
    return ", ".join(config.columns.labels or ())


def with_joined(
    row: Mapping[str, Any], column: Column | None, config: DatasetConfig, at: str
) -> Mapping[str, Any]:
    """Returns a row with one more column, which holds the names of the columns that say yes, or their numbers.

    Args:
        row: as it is in the data.
        column: from `joined_column`; None leaves the row as it is.
        config: the section `dataset`.
        at: file and row, for messages.

    Raises:
        DataError: a cell holds neither yes nor no, or no number.
    """
    if column is None:
        return row
    cells = {name: single(row.get(name), name, at) for name in config.columns.labels or ()}
    values: list[Any] | None
    if any(normalize_label(value) is None for value in cells.values()):
        values = None
    elif column.kind is Kind.numbers:
        values = [_number(value, f"{at}, column {name}") for name, value in cells.items()]
    else:
        values = [name for name, value in cells.items() if _says_yes(value, config, f"{at}, column {name}")]
    return {**row, joined_name(config): values}


def _says_yes(value: Any, config: DatasetConfig, where: str) -> bool:
    if config.label_threshold is not None:
        return _number(value, where) >= config.label_threshold
    text = str(normalize_label(value)).casefold()
    if text in YES or text in NO:
        return text in YES
    raise DataError(
        "the cell says neither yes nor no",
        where=where,
        found=repr(value)[:80],
        fix="1 or 0, true or false, sim or não; where the columns hold counts or shares: dataset.label_threshold=1",
    )


def names_in(value: Any, config: DatasetConfig, name: str, at: str) -> list[str] | None:
    """Returns the names of a row's classes before `dataset.label_map`; None if the cell is empty.

    Raises:
        DataError: the cell is neither a list of names nor, with `dataset.label_separator`, a text.
    """
    if value is None or value != value:
        return None
    if isinstance(value, str) and not value.lstrip().startswith("["):
        if config.label_separator is not None:
            value = value.split(config.label_separator)
        else:
            separator = next((mark for mark in SEPARATORS if mark in value), SEPARATORS[0])
            raise DataError(
                "the cell holds a text where a list of classes is needed",
                where=f"{at}, column {name}",
                found=repr(value)[:80],
                fix=f"{format_text_override('dataset.label_separator', separator)} if it separates the classes; "
                "for one class per row: task=classification",
            )
    values = list_of(value, name, at)
    nested = next((label for label in values if isinstance(label, list | tuple | dict)), None)
    if nested is not None:
        raise DataError(
            "the name of a class is a text or a number",
            where=f"{at}, column {name}",
            found=repr(nested)[:80],
            fix="entities by their places in the text: task=ner dataset.format=spans; else a list of names",
        )
    labels = (normalize_label(label) for label in values)
    return [label for label in labels if label is not None]


def numbers_in(value: Any, name: str, at: str) -> list[float] | None:
    """Returns the numbers of a cell, also of one that holds a single number; None if it is empty.

    Raises:
        DataError: one of them is missing or not a number.
    """
    is_list = isinstance(value, list | tuple) or (isinstance(value, str) and value.lstrip().startswith("["))
    if is_list:
        numbers = list_of(value, name, at)
        return [_number(number, f"{at}, column {name}") for number in numbers] or None
    number = read_number(single(value, name, at), f"{at}, column {name}")
    return None if number is None else [number]


def _number(value: Any, where: str) -> float:
    number = read_number(value, where)
    if number is None:
        raise DataError(
            "the cell does not hold a number", where=where, found=repr(value)[:80], fix="a column of numbers"
        )
    return number
