"""How far the probabilities of classes can be believed, and what mends them: temperature and threshold. Pure numpy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

BINS = 15
"""Bins of equal width, as many as in Guo et al. 2017."""
COVERAGES = (0.9, 0.8, 0.5)
"""Shares of the rows, the most confident ones, whose accuracy is reported."""
TEMPERATURES = (0.05, 20.0)
"""Smallest and greatest temperature that is fitted."""
HALVINGS = 50
"""Steps of the bisection that finds the temperature."""
SMALLEST = 1e-300
"""Least probability whose logarithm is taken."""

RECIPES = {
    "ece": "expected calibration error (Guo et al. 2017): mean over 15 bins of equal width, weighted by their rows, of "
    "|mean probability of the predicted class - accuracy|",
    "brier": "mean over rows of the squared differences between probabilities and gold, summed over classes (Brier 1950); 0 to 2",
    "nll": "mean over rows of minus the natural logarithm of the gold class's probability",
    "aurc": "area under the risk-coverage curve (Geifman and El-Yaniv 2017): mean over n of the share of errors among the n rows "
    "with the most probable predictions",
    "accuracy_at_coverage": "accuracy on that share of the rows with the most probable predictions, rounded up to whole rows",
    "before": "the same with the temperature taken back; predicted classes do not depend on it",
}
"""How each figure is computed."""


class Bin(NamedTuple):
    """Rows whose predicted classes have similar probabilities."""

    confidence: float
    """Mean probability of the predicted class."""
    accuracy: float
    rows: int


@dataclass(frozen=True)
class Quality:
    """How far the probabilities of a split can be believed."""

    ece: float
    brier: float
    nll: float
    aurc: float
    accuracy_at_coverage: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Returns the figures as JSON."""
        return asdict(self)


def quality(probabilities: Floats, predicted: Ids, gold: Ids) -> Quality:
    """Returns the figures of a split.

    Args:
        probabilities: of each class: (rows, classes).
        predicted: number of the predicted class: (rows,).
        gold: number of the gold class: (rows,).
    """
    rows = np.arange(len(gold))
    confidence, right = probabilities[rows, predicted], predicted == gold
    risk = risk_at_coverage(confidence, right)
    bins = reliability(confidence, right)
    wanted = np.zeros_like(probabilities)
    wanted[rows, gold] = 1.0
    return Quality(
        ece=expected_calibration_error(bins),
        brier=float(((probabilities - wanted) ** 2).sum(axis=1).mean()),
        nll=float(-np.log(np.maximum(probabilities[rows, gold], SMALLEST)).mean()),
        aurc=float(risk.mean()),
        accuracy_at_coverage={
            str(share): float(1 - risk[int(np.ceil(share * len(rows))) - 1]) for share in COVERAGES
        },
    )


def reliability(confidence: Floats, right: NDArray[np.bool_]) -> list[Bin]:
    """Returns the bins that have rows, from the least confident on.

    Args:
        confidence: probability of the predicted class: (rows,).
        right: whether it is the gold class: (rows,).
    """
    # Closed on the right, as in the paper: 1.0 is in the last bin.
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return [
        Bin(
            float(confidence[bins == number].mean()),
            float(right[bins == number].mean()),
            int((bins == number).sum()),
        )
        for number in np.unique(bins)
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Returns the mean over rows of the distance between confidence and accuracy of their bin; see `RECIPES`."""
    rows = sum(item.rows for item in bins)
    return sum(item.rows * abs(item.confidence - item.accuracy) for item in bins) / rows


def risk_at_coverage(confidence: Floats, right: NDArray[np.bool_]) -> Floats:
    """Returns the share of errors among the n most confident rows, for n = 1 … rows: float64 (rows,)."""
    wrong = ~right[np.argsort(-confidence, kind="stable")]
    risk: Floats = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return risk


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Returns the probabilities of logits that are divided by a temperature: (rows, classes).

    The logarithms of probabilities are logits up to a constant in each row, which softmax does not notice.
    """
    logits = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return scaled


def fit_temperature(probabilities: Floats, gold: Ids) -> float | None:
    """Returns the temperature with the least negative log-likelihood (Guo et al. 2017, section 4.2).

    The likelihood is convex in 1 / temperature, so its slope has one root.

    Args:
        probabilities: of rows that the model has not learned from: (rows, classes).
        gold: number of the gold class: (rows,).

    Returns:
        The temperature, within `TEMPERATURES`; None if all rows are predicted right, as no temperature is then the best.
    """
    rows = np.arange(len(gold))
    if (probabilities.argmax(axis=1) == gold).all():
        return None
    logits = np.log(np.maximum(probabilities, SMALLEST))

    def slope(inverse: float) -> float:
        expected = (tempered(probabilities, 1 / inverse) * logits).sum(axis=1)
        return float((expected - logits[rows, gold]).mean())

    # Bisection: the slope grows with the inverse, and ends at the limits where it has no root between them.
    lowest, highest = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(HALVINGS):
        middle = (lowest + highest) / 2
        lowest, highest = (middle, highest) if slope(middle) < 0 else (lowest, middle)
    return 2 / (lowest + highest)


def fit_threshold(probabilities: Floats, gold: Ids, *, both: bool = True) -> float:
    """Returns the probability of the second of two classes from which predicting it gives the best macro-F1.

    Thresholds between neighbouring probabilities are tried, in their middle; of equally good ones, and of those no better
    than 0.5, the one nearest to 0.5 is chosen.

    Args:
        probabilities: of the second class: (rows,).
        gold: 0 or 1: (rows,).
        both: whether the F1 of both classes counts; else that of the second alone, as for one of several labels.
    """
    order = np.argsort(-probabilities, kind="stable")
    values, positive = probabilities[order], gold[order] == 1
    borders = np.flatnonzero(values[:-1] > values[1:])
    middles = np.append((values[borders] + values[borders + 1]) / 2, 0.5)
    predicted = np.append(borders + 1, int((probabilities >= 0.5).sum()))
    hits = np.append(0, np.cumsum(positive))[predicted]
    rejected = len(gold) - predicted
    # Rows of the first class that are predicted as such: all rejected ones less the missed ones of the second.
    rightly_rejected = rejected - (positive.sum() - hits)
    f1_second = 2 * hits / np.maximum(predicted + positive.sum(), 1)
    f1_first = 2 * rightly_rejected / np.maximum(rejected + (~positive).sum(), 1)
    scores = f1_second + f1_first if both else f1_second
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(min(middles[best], key=lambda value: abs(value - 0.5)))
