"""Checks the gold values of rows before they are scored."""

import logging
from collections.abc import Sequence
from typing import Any

from datasets import Dataset

from autotune.config.columns import Column, Kind
from autotune.config.labels import label_map
from autotune.config.schema import DatasetConfig
from autotune.data.cache import iter_column
from autotune.data.labels import RelabelError
from autotune.data.spelling import same_spelling
from autotune.errors import ConfigError, listing

logger = logging.getLogger(__name__)


def require_targets(columns: Sequence[Column], rows: Dataset, source: str) -> None:
    """Raises ConfigError if a row has no gold value."""
    for column in columns:
        if not column.target:
            continue
        if column.role not in rows.column_names:
            raise ConfigError(
                f"cannot score without gold values: no column {column.role}",
                where=source,
                found=f"columns {listing(rows.column_names)}",
                fix="autotune predict RUN FILE, which needs none",
            )
        # Not `not value`: 0 is a valid number, and a row may have an empty list of classes.
        blank_values: tuple[Any, ...] = (
            (None,) if column.kind in (Kind.number, Kind.labels, Kind.numbers) else (None, "", [])
        )
        blank_rows = [
            number for number, value in enumerate(iter_column(rows, column.role)) if value in blank_values
        ]
        if blank_rows:
            raise ConfigError(
                f"{len(blank_rows)} rows have no {column.role}",
                where=f"{source}, row {listing(blank_rows, 5)}",
                fix="fill them in, or autotune predict RUN FILE",
            )


def without_null_labels(columns: Sequence[Column], rows: Dataset, config: DatasetConfig) -> Dataset:
    """Returns the rows that are scored: those whose label `dataset.label_map` does not map to null."""
    roles = [column.role for column in columns if column.target and column.kind is Kind.label]
    if None not in label_map(config).values() or not set(roles) <= set(rows.column_names):
        return rows
    kept = [
        number
        for number, labels in enumerate(zip(*(iter_column(rows, role) for role in roles), strict=True))
        if all(labels)
    ]
    if roles and len(kept) < len(rows):
        logger.warning(
            "data: %d rows are left out, as dataset.label_map drops their label", len(rows) - len(kept)
        )
        return rows.select(kept)
    return rows


def require_known_labels(
    columns: Sequence[Column],
    rows: Dataset,
    classes: Sequence[str] | None,
    config: DatasetConfig,
    source: str,
) -> None:
    """Raises RelabelError, with one map for all of them, if labels of the rows are not classes of the model."""
    for column in columns:
        if not column.target or classes is None or column.kind is not Kind.label:
            continue
        unknown = sorted(set(iter_column(rows, column.role)) - set(classes))
        if unknown:
            mapped = {key: name for key, name in label_map(config).items() if name is not None}
            names = {**{name: name for name in classes}, **mapped}
            suggestions = {name: same_spelling(name, names) for name in unknown}
            raise RelabelError(
                f"the model has no class {listing(map(repr, unknown))}",
                where=source,
                found=f"classes of the model: {listing(classes)}",
                config=config,
                relabel={
                    name: names[suggestion] if suggestion else None
                    for name, suggestion in suggestions.items()
                },
            )
