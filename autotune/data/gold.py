"""Gold values of rows that are scored."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset

from autotune.data.cache import values
from autotune.data.roles import Column, Kind
from autotune.errors import ConfigError, listing


def need_targets(columns: Sequence[Column], rows: Dataset, source: str) -> None:
    """Raises ConfigError where a row has no gold value."""
    for column in columns:
        if not column.target:
            continue
        if column.role not in rows.column_names:
            raise ConfigError(
                f"without gold values there is nothing to score: no column {column.role}",
                where=source,
                found=f"columns {listing(rows.column_names)}",
                fix="autotune predict RUN FILE, which needs none",
            )
        # 0 is a number, and a row may have none of several classes.
        blank: tuple[Any, ...] = (None,) if column.kind in (Kind.number, Kind.labels) else (None, "", [])
        empty = [number for number, value in enumerate(values(rows, column.role)) if value in blank]
        if empty:
            raise ConfigError(
                f"{len(empty)} rows have no {column.role}",
                where=f"{source}, row {listing(empty, 5)}",
                fix="fill them in, or autotune predict RUN FILE",
            )
