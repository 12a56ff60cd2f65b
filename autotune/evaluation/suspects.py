"""Finds gold values that are probably wrong: confident learning for labels, confident disagreement for entities."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.data.words import entities


def label_suspects(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the rows whose label is probably wrong, the most suspicious first.

    Confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70: 1373-1411, equations 1 and 2): the threshold of a class is
    the mean probability that rows with this label get for it. A row counts for the likeliest of the classes whose threshold
    its probability reaches; it is suspicious if that is not its label. Here the likeliest class of all must be another
    than its label, too: where classes are unequal, the threshold of the rare one is so low that most of what it reaches is
    right. Ranked by the probability of the row's own label, the smallest first (self-confidence, section 3.2.2 there).

    Args:
        probabilities: of each class, from models that have not learned from the row: float64 (rows, classes).
        labels: number of the class of each row: int64 (rows,).

    Returns:
        int64 (suspects,).
    """
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    thresholds = np.array(
        [
            own[labels == label].mean() if (labels == label).any() else np.inf
            for label in range(probabilities.shape[1])
        ]
    )
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    suspicious = (reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != labels)
    # A class that the models have not seen has the probability 0 everywhere, which says nothing about its rows.
    suspicious &= (probabilities.argmax(axis=1) != labels) & (own > 0)
    order = np.argsort(own, kind="stable")
    return order[suspicious[order]]


@dataclass(frozen=True)
class EntitySuspect:
    """An entity on which a model and the gold tags disagree."""

    gold: str
    """Gold entities that it overlaps, as `TYPE: words`; empty if there are none."""
    suggested: str
    """Predicted entity; empty if the model finds none."""
    probability: float | None
    """Mean probability of the predicted words; None where nothing is predicted, or the model has no probabilities."""
    word: int
    """Number of its first word, from 0."""


def entity_suspects(prediction: Mapping[str, Any]) -> Iterator[EntitySuspect]:
    """Yields predicted entities that are not in the gold tags, and gold entities that overlap no predicted one.

    Args:
        prediction: row of predictions with `tokens`, `tags`, `prediction` and `entities`.
    """
    words = prediction["tokens"]
    gold, predicted = list(entities(prediction["tags"])), list(entities(prediction["prediction"]))

    def shown(entity: tuple[str, int, int]) -> str:
        label, first, last = entity
        return f"{label}: {' '.join(words[first:last])}"

    for entity, details in zip(predicted, prediction["entities"], strict=True):
        if entity not in gold:
            overlapping = [other for other in gold if other[1] < entity[2] and entity[1] < other[2]]
            probability = None if details.get("probability") is None else float(details["probability"])
            yield EntitySuspect("; ".join(map(shown, overlapping)), shown(entity), probability, entity[1])
    for entity in gold:
        if not any(other[1] < entity[2] and entity[1] < other[2] for other in predicted):
            yield EntitySuspect(shown(entity), "", None, entity[1])
