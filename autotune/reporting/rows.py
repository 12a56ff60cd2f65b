"""Gold values and predictions of a task whose form is not known, as of a plug-in."""

from collections.abc import Mapping
from typing import Any

from autotune.reporting.counts import largest, quoted_text, quoted_value, shortened

ERRORS = 12
"""Rows that are quoted."""


class Rows:
    """Collects the rows whose prediction is not the gold value: numbers that are farthest from it first.

    Args:
        target: key of the gold value.
    """

    template = "rows"

    def __init__(self, target: str) -> None:
        self._target = target
        self._errors: list[Any] = []

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        """Adds a row with its prediction."""
        gold, predicted = row.get(self._target), row["prediction"]
        if gold != predicted:
            distance = _distance(gold, predicted)
            self._errors = largest(self._errors, (distance, number, row), ERRORS)

    def results(self, _: int) -> dict[str, Any]:
        """Returns what the page shows."""
        return {"errors": [self._quoted(row) for _, _, row in self._errors]}

    def _quoted(self, row: Mapping[str, Any]) -> dict[str, Any]:
        text = quoted_text(row) or shortened(" ".join(map(str, row.get("tokens", []))))
        return {
            "id": row.get("id"),
            "text": text,
            "gold": quoted_value(row.get(self._target)),
            "prediction": quoted_value(row["prediction"]),
            "gold_probability": None,
            "probability": None,
        }


def _distance(gold: Any, predicted: Any) -> float:
    """Returns how far two numbers are apart, of several targets together; 0 for other values."""
    if isinstance(gold, dict) and isinstance(predicted, dict):
        return sum(_distance(gold[name], predicted.get(name)) for name in gold)
    numbers = all(isinstance(value, int | float) for value in (gold, predicted))
    return float(abs(gold - predicted)) if numbers else 0.0
