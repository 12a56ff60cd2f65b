"""Lengths of features in tokens, and what the rows that are longer than one window would lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LengthReport:
    """Rows of a split that are longer than the model reads or writes at once."""

    overlong: "NDArray[np.int64]"
    """Numbers of the rows that do not fit into one window: (rows,), sorted."""
    long_references: "Sequence[int] | NDArray[np.int64]" = ()
    """Numbers of the rows whose reference is longer than the model may generate: (rows,), sorted."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """Tokens and other units after the first window, which are lost without further windows; and `reference tokens`."""
    units: Mapping[str, int] = field(default_factory=dict)
    """Units other than tokens (words, entities) in the whole split."""
    fix: str | None = None
    """Override with which cut rows are read whole; None: only a model that takes longer inputs can read them."""


def padded_lengths(features: "Dataset") -> "NDArray[np.int64]":
    """Returns the tokens of each feature, one column per padded tensor: int64 (features, tensors)."""
    import pyarrow.compute as pc

    columns = [name for name in ("input_ids", "target_ids") if name in features.column_names]
    table = features.data.table
    return np.stack(
        [pc.list_value_length(table[name]).to_numpy().astype(np.int64) for name in columns], axis=1
    )


def rows_beyond_window(features: "Dataset") -> "NDArray[np.int64]":
    """Returns the numbers of the rows that do not fit into one window: int64 (rows,), sorted."""
    table = features.data.table
    rows = table["row"].to_numpy()
    is_later_window = np.append(False, rows[1:] == rows[:-1])
    return np.unique(rows[is_later_window | (table["lost"].to_numpy() > 0)])
