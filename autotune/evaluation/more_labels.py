"""Would more labels help? The learning curve of a cheap model on the rows that there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.baselines.vectors import Text, Vectors
from autotune.metrics import class_metric

SHARES = (0.25, 0.5, 1.0)
"""Shares of the rows to learn from."""
DRAWS = 5
HELD_OUT = 0.2
"""Share of the rows that is scored in each draw."""
ROWS = 5000
"""Rows that are used at most: seconds."""
FEWEST = 50
"""With fewer rows, ten or less are scored."""
QUANTILE = 2.776
"""97.5 % quantile of Student's t with DRAWS - 1 degrees of freedom."""


@dataclass(frozen=True)
class Gain:
    """How much macro-F1 twice as many rows would bring."""

    gain: float
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of it."""
    curve: tuple[tuple[int, float], ...]
    """Rows learned from, and mean macro-F1 with them."""


def gain_of_more_labels(
    texts: Sequence[Text], labels: Sequence[str], seed: int, expired: Callable[[], bool] = lambda: False
) -> Gain | None:
    """Returns what twice as many rows would bring to TF-IDF with logistic regression; None where there are too few rows, or
    where the time is up before the end.

    Five times, a fifth of the rows is held out, and the model learns from 25, 50 and 100 % of the others. What one doubling
    brings falls with the square root of the rows, as the error of an estimate does: the gain is that of the last doubling,
    scaled to all rows. Its interval is Student's over the draws, with the variance of Nadeau & Bengio 2003 (Machine Learning
    52: 239-281), because the draws share rows.

    Args:
        texts: text of each row, or its pair of texts.
        labels: class of each row.
        seed: seed of the draws.
        expired: whether the time is up.
    """
    generator = np.random.default_rng(seed)
    names, classes = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    used = _stratified(classes, generator)[:ROWS]
    classes = classes[used]
    if len(used) < FEWEST or len(names) < 2:
        return None
    chosen = [texts[row] for row in used.tolist()]
    vectors = Vectors.fit(chosen).matrix(chosen)
    draws = []
    for _ in range(DRAWS):
        order = _stratified(classes, generator)
        held_out, others = np.split(order, [int(HELD_OUT * len(order))])
        parts = [others[: round(share * len(others))] for share in SHARES]
        if len(np.unique(classes[parts[0]])) < 2:
            return None
        scored = []
        for part in parts:
            if expired():
                return None
            scored.append(_macro_f1(vectors, classes, part, held_out, names.tolist()))
        draws.append(scored)
    scores = np.array(draws)
    scale = sqrt(SHARES[-2] * (1 - HELD_OUT) * len(used) / len(labels))
    gains = scale * (scores[:, -1] - scores[:, -2])
    half = QUANTILE * gains.std(ddof=1) * sqrt(1 / DRAWS + HELD_OUT / (1 - HELD_OUT))
    gain = float(gains.mean())
    sizes = [round(share * (len(used) - int(HELD_OUT * len(used)))) for share in SHARES]
    curve = tuple(zip(sizes, scores.mean(axis=0).tolist(), strict=True))
    return Gain(gain, gain - float(half), gain + float(half), curve)


def _stratified(classes: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Returns the rows in a random order of which each beginning has every class in its share: (rows,)."""
    keys = np.empty(len(classes))
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        keys[rows] = (generator.permutation(len(rows)) + generator.random()) / len(rows)
    return np.argsort(keys, kind="stable")


def _macro_f1(
    vectors: Any,
    classes: NDArray[np.int64],
    learned: NDArray[np.int64],
    scored: NDArray[np.int64],
    names: list[str],
) -> float:
    """Returns the macro-F1 on some rows of a model that has learned from others."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
    model.fit(vectors[learned], classes[learned])
    state = class_metric(names).empty()
    for gold, predicted in zip(
        classes[scored].tolist(), model.predict(vectors[scored]).tolist(), strict=True
    ):
        state.add(gold, predicted)
    return state.values()["macro_f1"]
