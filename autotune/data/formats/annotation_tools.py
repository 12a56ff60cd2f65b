"""Conversion of rows that another tool wrote to canonical column names, before columns are resolved."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from autotune.config.columns import Column, Kind
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.formats.answers import is_answered, with_answers
from autotune.data.formats.spans import with_spans
from autotune.errors import DataError

RawRow = Mapping[str, Any]

AUTOTRAIN_COLUMNS = {False: "autotrain_text", True: "autotrain_label"}
"""AutoTrain's column names, in every task, for the input (False) and the target (True)."""


def to_canonical_columns(
    raw: Iterable[RawRow],
    columns: Sequence[Column],
    config: DatasetConfig,
    where: str,
    notes: list[str],
    *,
    predicting: bool,
) -> Iterator[RawRow]:
    """Yields rows of AutoTrain and of annotation tools under canonical column names; other rows unchanged.

    Raises:
        DataError: see `with_spans`; a brat document was not annotated.
    """
    rows = iter(raw)
    first = next(rows, None)
    if first is None:
        return
    rows = chain([first], rows)
    if AUTOTRAIN_COLUMNS[False] in first:
        yield from _from_autotrain(rows, columns, config)
    elif any(column.kind is Kind.words for column in columns):
        sure = config.format is Format.spans
        for row in with_spans(rows, config, where, notes, predicting=predicting, sure=sure):
            if row.get("annotated_in") is not None and row.get("spans") is None and not predicting:
                raise DataError(
                    "the document was not annotated: its .ann file is missing",
                    where=str(row["annotated_in"]),
                    fix="an empty .ann file where a text has no entity; or move the .txt file elsewhere",
                )
            yield row
    elif is_answered(first):
        yield from with_answers(rows, columns, config, where, notes, predicting=predicting)
    else:
        yield from rows


def _from_autotrain(
    rows: Iterable[RawRow], columns: Sequence[Column], config: DatasetConfig
) -> Iterator[RawRow]:
    """Yields rows whose input and target columns are renamed to their roles, unless the config maps these roles."""
    names: dict[str, str] = {}
    for target, autotrain_name in AUTOTRAIN_COLUMNS.items():
        column = next((column for column in columns if column.target is target), None)
        if column is not None and getattr(config.columns, column.role, None) is None:
            names[autotrain_name] = column.role
    for row in rows:
        yield {names.get(name, name): value for name, value in row.items()}
