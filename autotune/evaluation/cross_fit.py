"""Probabilities of classes for rows that a cheap model has not learned from: TF-IDF and logistic regression, cross-fitted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotune.baselines.tfidf import CHARACTERS, ROWS, TfidfClassifier
from autotune.baselines.vectors import LONGEST

FOLDS = 5
SEED = 42
"""Seed of the folds: the same rows give the same probabilities."""


def cross_fitted(
    texts: Sequence[str],
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
    learned: NDArray[np.bool_],
    num_classes: int,
) -> NDArray[np.float64]:
    """Returns the probability of each class for each row, from a model that has not learned from rows of its fold.

    Args:
        texts: text of each row.
        labels: number of the class of each row: int64 (rows,).
        folds: fold of each row: int64 (rows,).
        learned: whether models may learn from the row; the others are only predicted: bool (rows,).
        num_classes: number of classes; a class that a model has not seen has the probability 0.

    Returns:
        float64 (rows, classes).
    """
    probabilities = np.zeros((len(texts), num_classes))
    for fold in np.unique(folds):
        inside = folds == fold
        rows = _sample(np.flatnonzero(learned & ~inside), texts)
        known = np.unique(labels[rows])
        if len(known) < 2:
            probabilities[np.ix_(inside, known)] = 1.0
            continue
        model = TfidfClassifier(balanced=False)
        model.fit([texts[row] for row in rows.tolist()], [str(label) for label in labels[rows]])
        predicted = model.predict_proba([texts[row] for row in np.flatnonzero(inside).tolist()])
        probabilities[np.ix_(inside, [int(name) for name in model.classes])] = predicted
    return probabilities


def _sample(rows: NDArray[np.int64], texts: Sequence[str]) -> NDArray[np.int64]:
    """Returns the rows, or a random part of them from which the model learns in seconds."""
    order = np.random.default_rng(SEED).permutation(rows)
    lengths = np.cumsum([min(LONGEST, len(texts[row])) for row in order.tolist()])
    return np.sort(order[: min(ROWS, max(1, int(np.searchsorted(lengths, CHARACTERS, side="right"))))])
