"""What a classifier got wrong and how far its probabilities can be believed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autotune.evaluation.bootstrap import Blocks
from autotune.metrics.calibration import expected_calibration_error, reliability, risk_at_coverage
from autotune.reporting.counts import largest, quoted_text

ERRORS, UNCERTAIN = 12, 6
"""Rows that are quoted: wrong ones, and right ones with the smallest margin."""


class Classes:
    """Collects the predictions of one class per row.

    Args:
        target: key of the gold class.
        classes: names of the classes.
    """

    template = "classes"

    def __init__(self, target: str, classes: list[str]) -> None:
        from autotune.metrics.classification import ClassificationState

        self._target = target
        self._ids = {name: number for number, name in enumerate(classes)}
        self._blocks = Blocks(lambda: ClassificationState(classes))
        self._errors: list[Any] = []
        self._uncertain: list[Any] = []
        self._confidence: list[float] = []
        self._right: list[bool] = []

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        """Adds a row with its prediction."""
        gold, predicted = str(row[self._target]), str(row["prediction"])
        right = gold == predicted
        if gold in self._ids and predicted in self._ids:
            self._blocks.add(self._ids[gold], self._ids[predicted])
        probabilities = row.get("probabilities")
        if not isinstance(probabilities, Mapping) or predicted not in probabilities:
            if not right:
                self._errors = largest(self._errors, (0.0, number, (row, None)), ERRORS)
            return
        confidence = float(probabilities[predicted])
        self._confidence.append(confidence)
        self._right.append(right)
        if not right:
            gold_probability = float(probabilities.get(gold, 0.0))
            self._errors = largest(self._errors, (-gold_probability, number, (row, gold_probability)), ERRORS)
        else:
            self._uncertain = largest(self._uncertain, (-confidence, number, (row, confidence)), UNCERTAIN)

    def results(self, seed: int) -> dict[str, Any]:
        """Returns what the page shows."""
        confidence, right = np.array(self._confidence), np.array(self._right, dtype=np.bool_)
        bins = reliability(confidence, right)
        risk = risk_at_coverage(confidence, right).tolist()
        return {
            "f1_intervals": self._blocks.class_intervals(seed),
            "errors": [self._quoted(row, gold) for _, _, (row, gold) in self._errors],
            "uncertain": [self._quoted(row, gold) for _, _, (row, gold) in self._uncertain],
            "bins": bins,
            "ece": expected_calibration_error(bins) if bins else None,
            "risk": [(100 * rows / len(risk), 100 * share) for rows, share in enumerate(risk, 1)],
        }

    def _quoted(self, row: Mapping[str, Any], gold_probability: float | None) -> dict[str, Any]:
        return {
            "id": row.get("id"),
            "text": quoted_text(row),
            "gold": row[self._target],
            "prediction": row["prediction"],
            "gold_probability": gold_probability,
            "probability": (row.get("probabilities") or {}).get(row["prediction"]),
        }
