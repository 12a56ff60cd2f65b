"""Scores a split without the rows whose text is also in train, so memorizing does not count."""

import json
from pathlib import Path

import numpy as np
from datasets import Dataset

from autotune.data.cache import iter_rows
from autotune.data.duplicates import is_duplicate_of, text_column
from autotune.tasks.base import Scores, Task, score


def unseen_scores(task: Task, train: Dataset, rows: Dataset, predictions: Path) -> tuple[int, Scores] | None:
    """Returns the scores over the rows whose text, apart from case, accents and punctuation, is not in train.

    Args:
        task: scores the predictions.
        train: rows that the model was trained on.
        rows: rows of the split, with gold values.
        predictions: file with one JSON object per line, in the order of the rows.

    Returns:
        The number of these rows, and their scores; None if the text of all rows, or of no row, is unseen.
    """
    kept = ~is_duplicate_of(rows, [train], text_column(task.columns))
    if kept.all() or not kept.any():
        return None
    with predictions.open(encoding="utf-8") as lines:
        kept_predictions = (json.loads(line) for line, keep in zip(lines, kept, strict=True) if keep)
        return int(kept.sum()), score(task, iter_rows(rows.select(np.flatnonzero(kept))), kept_predictions)
