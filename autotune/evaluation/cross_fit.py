"""Probabilities of classes for rows that a cheap model has not learned from: TF-IDF and logistic regression, cross-fitted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union

    vectorizer = make_union(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    vectors = vectorizer.fit_transform(texts).tocsr()
    probabilities = np.zeros((len(texts), num_classes))
    for fold in np.unique(folds):
        inside = folds == fold
        chosen = learned & ~inside
        known = np.unique(labels[chosen])
        if len(known) < 2:
            probabilities[np.ix_(inside, known)] = 1.0
            continue
        model = LogisticRegression(C=10, max_iter=1000).fit(vectors[chosen], labels[chosen])
        probabilities[np.ix_(inside, model.classes_)] = model.predict_proba(vectors[inside])
    return probabilities
