"""What a classifier got wrong and how far its probabilities can be believed."""

from collections.abc import Mapping
from typing import Any

from autotune.evaluation.bootstrap import Blocks
from autotune.reporting.counts import largest, shortened

ERRORS, UNCERTAIN = 12, 6
"""Rows that are quoted: wrong ones, and right ones with the smallest margin."""
BINS = 15
"""Bins of confidence, as many as in Guo et al. 2017."""


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
        self._bins = [[0, 0.0, 0] for _ in range(BINS)]

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
        of_bin = self._bins[min(BINS - 1, int(confidence * BINS))]
        of_bin[0] += 1
        of_bin[1] += confidence
        of_bin[2] += right
        if not right:
            gold_probability = float(probabilities.get(gold, 0.0))
            self._errors = largest(self._errors, (-gold_probability, number, (row, gold_probability)), ERRORS)
        else:
            self._uncertain = largest(self._uncertain, (-confidence, number, (row, confidence)), UNCERTAIN)

    def results(self, seed: int) -> dict[str, Any]:
        """Returns what the page shows."""
        bins = [(total / rows, right / rows, rows) for rows, total, right in self._bins if rows]
        count = sum(rows for _, _, rows in bins)
        return {
            "f1_intervals": self._blocks.class_intervals(seed),
            "errors": [self._quoted(row, gold) for _, _, (row, gold) in self._errors],
            "uncertain": [self._quoted(row, gold) for _, _, (row, gold) in self._uncertain],
            "bins": bins,
            "ece": sum(rows * abs(confidence - accuracy) for confidence, accuracy, rows in bins) / count if count else None,
        }  # fmt: skip

    def _quoted(self, row: Mapping[str, Any], gold_probability: float | None) -> dict[str, Any]:
        return {
            "id": row.get("id"),
            "text": shortened(str(row.get("text", ""))),
            "gold": row[self._target],
            "prediction": row["prediction"],
            "gold_probability": gold_probability,
            "probability": (row.get("probabilities") or {}).get(row["prediction"]),
        }
