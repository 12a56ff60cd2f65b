"""Scores a split without the rows whose text is also in train, so memorizing does not count."""

import json
from pathlib import Path

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune.data.cache import iter_rows
from autotune.tasks.base import Scores, Task, score


def unseen_scores(
    task: Task, rows: Dataset, leaked: NDArray[np.bool_], predictions: Path
) -> tuple[int, Scores] | None:
    """Returns the scores over the rows whose text, apart from case, accents and punctuation, is not in train.

    Args:
        task: scores the predictions.
        rows: rows of the split, with gold values.
        leaked: whether the text of each row is in train: (rows,).
        predictions: file with one JSON object per line, in the order of the rows.

    Returns:
        The number of these rows, and their scores; None if the text of all rows, or of no row, is unseen.
    """
    if leaked.all() or not leaked.any():
        return None
    with predictions.open(encoding="utf-8") as lines:
        kept = (json.loads(line) for line, leak in zip(lines, leaked, strict=True) if not leak)
        return int((~leaked).sum()), score(task, iter_rows(rows.select(np.flatnonzero(~leaked))), kept)
