"""Which predictions are left undecided, so that those that are made have at most a share of errors."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.metrics.calibration import Floats, Ids

POINTS = 50
"""Points of a curve. Each is a test of its own; with so few, the smallest threshold that passes keeps the promise in 96 to 97 %
of simulated samples of 100 to 1,000 rows."""
CONFIDENCE = 0.95
"""How sure it is that the error of a threshold is no greater than its bound."""


@dataclass(frozen=True)
class Point:
    """What is decided, and wrongly, from a probability on."""

    threshold: float
    """Probability of the predicted class from which a row is decided."""
    decided: int
    """Rows with at least this probability."""
    wrong: int
    """Rows among them whose prediction is wrong."""


@dataclass(frozen=True)
class Abstention:
    """The smallest threshold at which the error is within a limit."""

    threshold: float
    """Probability of the predicted class from which a row is decided."""
    coverage: float
    """Share of the rows that are decided."""
    error: float
    """Share of wrong predictions among them."""
    bound: float
    """Upper confidence bound of that share."""


def risk_coverage(confidence: Floats, right: NDArray[np.bool_]) -> list[Point]:
    """Returns the risk-coverage curve (Geifman & El-Yaniv 2017) at `POINTS` equal steps of coverage, the surest rows first.

    Args:
        confidence: probability of the predicted class: (rows,).
        right: whether it is the gold class: (rows,).
    """
    order = np.argsort(-confidence, kind="stable")
    sure, wrong = confidence[order], np.cumsum(~right[order])
    steps = np.unique(np.ceil(np.arange(1, POINTS + 1) / POINTS * len(sure)).astype(np.int64))
    # Rows of equal probability are decided together.
    counts = np.unique(np.searchsorted(-sure, -sure[steps - 1], side="right"))
    return [Point(float(sure[count - 1]), int(count), int(wrong[count - 1])) for count in counts]


def find_threshold(
    curve: Sequence[Point], rows: int, error: float, confidence: float = CONFIDENCE
) -> Abstention | None:
    """Returns the smallest threshold whose error is at most `error`, by its upper confidence bound; None if there is none.

    The bound is that of Clopper & Pearson 1934.

    Args:
        curve: points of `risk_coverage`.
        rows: rows of the curve.
        error: greatest share of wrong predictions among those that are decided.
        confidence: of the bound.
    """
    within = [
        Abstention(point.threshold, point.decided / rows, point.wrong / point.decided, bound)
        for point in curve
        if (bound := upper_bound(point.wrong, point.decided, confidence)) <= error
    ]
    return max(within, key=lambda abstention: abstention.coverage, default=None)


def threshold_for_error(
    probabilities: Floats, gold: Ids, error: float, confidence: float = CONFIDENCE
) -> Abstention | None:
    """Returns the same from the probabilities of a model that predicts the most probable class.

    Args:
        probabilities: of rows that the model has not learned from: (rows, classes).
        gold: number of the gold class: (rows,).
        error: greatest share of wrong predictions among those that are decided.
        confidence: of the bound.
    """
    curve = risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) == gold)
    return find_threshold(curve, len(gold), error, confidence)


def upper_bound(wrong: int, decided: int, confidence: float = CONFIDENCE) -> float:
    """Returns the one-sided upper bound of a share (Clopper & Pearson 1934): 0..1."""
    from scipy.special import betaincinv

    return 1.0 if wrong == decided else float(betaincinv(wrong + 1, decided - wrong, confidence))


def to_dict(curve: Sequence[Point], rows: int) -> dict[str, Any]:
    """Returns a curve as JSON: the fact `risk_coverage` of a saved model."""
    return {"rows": rows, "points": [asdict(point) for point in curve]}


def from_dict(fact: Mapping[str, Any]) -> tuple[list[Point], int]:
    """Returns the points of a curve, and its rows."""
    return [Point(**point) for point in fact["points"]], fact["rows"]
