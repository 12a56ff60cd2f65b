"""The rows of train from which a baseline learns: all, or as many as take seconds on any machine."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset


def sample(
    train: "Dataset", column: str, *, rows: int, units: int, size: Callable[[Any], int] = len
) -> "Dataset":
    """Returns train, or a random part of it that is small enough; the same part every time.

    Args:
        train: the rows.
        column: column whose values are measured.
        rows: most rows.
        units: most of what `size` counts, over all rows.
        size: measures a value.
    """
    from autotune.data.cache import iter_column

    order = np.random.default_rng(0).permutation(len(train))
    sizes = np.fromiter(map(size, iter_column(train, column)), dtype=np.int64, count=len(train))
    fitting = int(np.searchsorted(np.cumsum(sizes[order]), units, side="right"))
    count = min(rows, max(fitting, 1), len(train))
    # In memory: datasets would write the order to a cache file and read it unchecked the next time.
    return train if count == len(train) else train.select(np.sort(order[:count]), keep_in_memory=True)


def note(part: "Dataset", train: "Dataset") -> str | None:
    """Returns how many rows a baseline was trained on; None if these are all rows."""
    return None if len(part) == len(train) else f"trained on {len(part)} of {len(train)} rows"
