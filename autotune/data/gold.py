"""Gold values of rows that are scored."""

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
        empty = [number for number, value in enumerate(iter_column(rows, column.role)) if value in blank]
        if empty:
            raise ConfigError(
                f"{len(empty)} rows have no {column.role}",
                where=f"{source}, row {listing(empty, 5)}",
                fix="fill them in, or autotune predict RUN FILE",
            )


def without_dropped(columns: Sequence[Column], rows: Dataset, config: DatasetConfig) -> Dataset:
    """The rows that are scored where `dataset.label_map` drops labels: those that have one after it."""
    roles = [column.role for column in columns if column.target and column.kind is Kind.label]
    if None not in label_map(config).values() or not set(roles) <= set(rows.column_names):
        return rows
    kept = [
        number
        for number, found in enumerate(zip(*(iter_column(rows, role) for role in roles), strict=True))
        if all(found)
    ]
    if roles and len(kept) < len(rows):
        logger.warning(
            "data: %d rows are left out, as dataset.label_map drops their label", len(rows) - len(kept)
        )
        return rows.select(kept)
    return rows


def need_known_labels(
    columns: Sequence[Column], rows: Dataset, known: Sequence[str] | None, config: DatasetConfig, source: str
) -> None:
    """Raises RelabelError, with one map for all of them, where labels of rows are no classes of the model."""
    for column in columns:
        if not column.target or known is None or column.kind is not Kind.label:
            continue
        strange = sorted(set(iter_column(rows, column.role)) - set(known))
        if strange:
            mapped = {key: name for key, name in label_map(config).items() if name is not None}
            names = {**{name: name for name in known}, **mapped}
            likely = {name: same_spelling(name, names) for name in strange}
            raise RelabelError(
                f"the model has no class {listing(map(repr, strange))}",
                where=source,
                found=f"classes of the model: {listing(known)}",
                config=config,
                relabel={name: names[meant] if meant else None for name, meant in likely.items()},
            )
