"""The score of a split without the rows whose text stands in train: memory earns nothing there."""

import json
from pathlib import Path

import numpy as np
from datasets import Dataset

from autotune.data.cache import iter_rows
from autotune.data.duplicates import is_duplicate_of, text_column
from autotune.tasks.base import Scores, Task


def unseen_scores(task: Task, train: Dataset, rows: Dataset, predictions: Path) -> tuple[int, Scores] | None:
    """Figures over the rows whose text, apart from case, accents and punctuation, is not in train.

    Args:
        task: scores.
        train: what the model has learned from.
        rows: of the split, with gold values.
        predictions: one JSON object a line, in the order of the rows.

    Returns:
        How many rows these are, and their figures; None where all rows are such, or none is.
    """
    kept = ~is_duplicate_of(rows, [train], text_column(task.columns))
    if kept.all() or not kept.any():
        return None
    with predictions.open(encoding="utf-8") as lines:
        said = (json.loads(line) for line, keep in zip(lines, kept, strict=True) if keep)
        return int(kept.sum()), task.score(iter_rows(rows.select(np.flatnonzero(kept))), said)
