"""The score of a split without the rows whose text stands in train: memory earns nothing there."""

import json
from pathlib import Path

import numpy as np
from datasets import Dataset

from autotune.data.cache import records
from autotune.data.duplicates import stands_in, text_column
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
    kept = ~stands_in(rows, [train], text_column(task.columns))
    if kept.all() or not kept.any():
        return None
    with predictions.open(encoding="utf-8") as lines:
        said = (json.loads(line) for line, keep in zip(lines, kept, strict=True) if keep)
        return int(kept.sum()), task.score(records(rows.select(np.flatnonzero(kept))), said)
