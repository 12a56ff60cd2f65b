"""Metrics of classes that have an order."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from autotune.metrics import agreement
from autotune.metrics.accumulator import CountTable, Numbers
from autotune.metrics.classification import Classification, ClassificationState


class OrdinalState(ClassificationState):
    """The confusion matrix, whose classes are in order."""

    def figures(self) -> dict[str, Any]:
        """Returns quadratic weighted kappa and the mean absolute error in classes, then the figures of classification."""
        own = {name: float(value[0]) for name, value in _values(np.array([self._sums()])).items()}
        return {**own, **super().figures()}

    def _sums(self) -> list[float]:
        """Returns rows, sums of gold and predicted ids, of their squares, products and absolute differences."""
        ids = np.arange(len(self.labels))
        gold, predicted = np.meshgrid(ids, ids, indexing="ij")
        parts = (1, gold, predicted, gold**2, predicted**2, gold * predicted, abs(gold - predicted))
        return [float((self.matrix * part).sum()) for part in parts]

    @classmethod
    def table(cls, states: Sequence[Self]) -> CountTable:
        """Returns the counts of classification with those of the order behind them."""
        classes = super().table(states)
        ordered = np.array([state._sums() for state in states])
        width = classes.counts.shape[1]
        class_f1 = classes.class_f1
        return CountTable(
            np.hstack([classes.counts, ordered]),
            lambda sums: {**_values(sums[:, width:]), **classes.values(sums[:, :width])},
            class_f1 and (lambda sums: class_f1(sums[:, :width])),
        )


def _values(sums: Numbers) -> dict[str, Numbers]:
    n, *values, distance = sums.T
    return {"qwk": agreement.quadratic_kappa(agreement.moments(n, *values)), "mae": distance / n}


class Ordinal(Classification):
    """Computes quadratic weighted kappa, the mean absolute error in classes, and the figures of classification."""

    source = "Cohen 1968, Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit"

    def empty(self) -> OrdinalState:
        """Returns a state without rows."""
        return OrdinalState(self.labels)
