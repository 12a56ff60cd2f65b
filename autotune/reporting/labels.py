"""What a classifier with several labels per row got wrong, and how far its probabilities can be believed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autotune.evaluation.bootstrap import Blocks
from autotune.metrics.calibration import expected_calibration_error, reliability, risk_at_coverage
from autotune.reporting.counts import largest, quoted_text

ERRORS = 12
"""Rows that are quoted: those with the most wrong labels first."""


class Labels:
    """Collects the predicted labels of rows; each label of each row is a decision between yes and no.

    Args:
        target: key of the gold labels.
        labels: names of the labels.
    """

    template = "classes"

    def __init__(self, target: str, labels: list[str]) -> None:
        from autotune.metrics.multi_label import MultiLabelState

        self._target, self._names = target, labels
        self._ids = {name: number for number, name in enumerate(labels)}
        self._blocks = Blocks(lambda: MultiLabelState(labels))
        self._errors: list[Any] = []
        self._confidence: list[float] = []
        self._right: list[bool] = []

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        """Adds a row with its prediction."""
        gold, predicted = row[self._target], row["prediction"]
        self._blocks.add(
            *([self._ids[name] for name in names if name in self._ids] for names in (gold, predicted))
        )
        for name in self._names:
            probability = float(row["probabilities"].get(name, 0.0))
            self._confidence.append(probability if name in predicted else 1 - probability)
            self._right.append((name in gold) == (name in predicted))
        wrong = len(set(gold) ^ set(predicted))
        if wrong:
            self._errors = largest(self._errors, (float(wrong), number, row), ERRORS)

    def results(self, seed: int) -> dict[str, Any]:
        """Returns what the page shows."""
        confidence, right = np.array(self._confidence), np.array(self._right, dtype=np.bool_)
        bins = reliability(confidence, right)
        risk = risk_at_coverage(confidence, right).tolist()
        return {
            "f1_intervals": self._blocks.class_intervals(seed),
            "errors": [self._quoted(row) for _, _, row in self._errors],
            "bins": bins,
            "ece": expected_calibration_error(bins) if bins else None,
            "risk": [(100 * rows / len(risk), 100 * share) for rows, share in enumerate(risk, 1)],
        }

    def _quoted(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": row.get("id"),
            "text": quoted_text(row),
            "gold": ", ".join(row[self._target]) or "—",
            "prediction": ", ".join(row["prediction"]) or "—",
            "gold_probability": None,
            "probability": None,
        }
