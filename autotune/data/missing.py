"""Finds rows without a gold value."""

from collections.abc import Mapping, Sequence
from typing import Any

from autotune.config.columns import SEVERAL_VALUES, Column, Kind
from autotune.config.label_maps import normalize_label

FILLED = (Kind.label, Kind.number, *SEVERAL_VALUES)
"""Kinds of targets that every row must have."""


def missing_target(
    row: Mapping[str, Any],
    names: Mapping[str, str],
    columns: Sequence[Column],
    *,
    training: bool,
    maps_missing: bool,
    separated: bool,
) -> str | None:
    """Returns the role of a label, or outside train of a reference, that is missing in the row.

    Args:
        row: as it is in the data.
        names: column of each role.
        columns: columns of the task.
        training: whether the row is one of train, where references may be missing.
        maps_missing: whether `dataset.label_map` has a name for a missing label.
        separated: whether one text holds all classes, so that an empty text means none, and not a missing value.
    """
    for column in columns:
        value = row.get(names.get(column.role, ""))
        must_be_filled = column.kind in FILLED or (
            column.kind is Kind.text and column.target and not training
        )
        if isinstance(value, list | tuple) and len(value) < 2 and column.kind is not Kind.labels:
            value = value[0] if value else None
        is_list = isinstance(value, list | tuple | Mapping) or (
            separated and column.kind is Kind.labels and isinstance(value, str)
        )
        is_mapped = column.kind is Kind.label and maps_missing
        if must_be_filled and not is_mapped and not is_list and normalize_label(value) is None:
            return column.role
    return None
