"""Metrics of regression: errors, correlations, and agreement in grades."""

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from datasets import List, Value

from autotune.errors import DataError
from autotune.metrics import agreement
from autotune.metrics.accumulator import CountTable, MetricState, Numbers
from autotune.metrics.base import OfflineMetric

UNITS = 2**40
"""Values are counted in this part of the target's spread: sums of whole numbers do not depend on the order of rows."""
COLUMNS = 13
"""Sums of a target: see `TargetState.counts`."""


class Target(NamedTuple):
    """What is predicted, and how its values are spread in train."""

    name: str
    mean: float
    scale: float
    """Standard deviation."""
    grades: Sequence[float] | None = None
    """The distinct values of train in order, where they are few."""


class TargetState:
    """Sums over the rows of one target, and its values, for ranks: 16 bytes per row."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.sums = [0] * COLUMNS
        self.gold, self.predicted = array("d"), array("d")

    def add(self, gold: float, predicted: float) -> None:
        """Counts one row."""
        mean, scale = self.target.mean, self.target.scale
        x, y = (round((value - mean) / scale * UNITS) for value in (gold, predicted))
        i, j = self._grade(gold), self._grade(predicted)
        values = (1, x, y, x * x, y * y, x * y, (x - y) ** 2, abs(x - y), i, j, i * i, j * j, i * j)
        self.sums = [total + value for total, value in zip(self.sums, values, strict=True)]
        self.gold.append(gold)
        self.predicted.append(predicted)

    def merge(self, other: "TargetState") -> None:
        """Adds the rows of another state."""
        self.sums = [total + value for total, value in zip(self.sums, other.sums, strict=True)]
        self.gold.extend(other.gold)
        self.predicted.extend(other.predicted)

    def counts(self) -> list[float]:
        """Returns the number of rows; sums of gold and predicted values, of their squares, products, squared and absolute
        differences, in units of the spread; and sums of the numbers of their grades, of their squares and products."""
        units = [1, *[UNITS] * 2, *[UNITS**2] * 4, UNITS, *[1] * 5]
        return [total / unit for total, unit in zip(self.sums, units, strict=True)]

    def figures(self) -> dict[str, float]:
        """Returns all figures of the target."""
        values = {
            name: float(value[0]) for name, value in _values(np.array([self.counts()]), self.target).items()
        }
        qwk = values.pop("qwk", None)
        values["spearman"] = agreement.spearman(np.array(self.gold), np.array(self.predicted))
        return values if qwk is None else {**values, "qwk": qwk}

    def _grade(self, value: float) -> int:
        """Returns the number of the nearest grade, of two equally near ones the smaller; 0 if there are no grades."""
        grades = self.target.grades
        return 0 if grades is None else int(np.abs(np.asarray(grades) - value).argmin())


def _values(counts: Numbers, target: Target) -> dict[str, Numbers]:
    """Returns the figures of one target for each line of sums, without Spearman's correlation."""
    n, x, y, xx, yy, xy, squared, absolute, *grades = counts.T
    spread = agreement.moments(n, x, y, xx, yy, xy)
    mse = squared / n * target.scale**2
    values = {
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": absolute / n * target.scale,
        "r2": agreement.determination(squared, spread),
        "pearson": agreement.pearson(spread),
    }
    if target.grades is not None:
        values["qwk"] = agreement.quadratic_kappa(agreement.moments(n, *grades))
    return values


def _means(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the mean over the targets of each figure that all of them have."""
    names = [name for name in values[0] if all(name in figures for figures in values)]
    return {name: sum(figures[name] for figures in values) / len(values) for name in names}


class RegressionState(MetricState):
    """The sums of each target."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = [TargetState(target) for target in targets]

    def add(self, reference: Sequence[float], prediction: Sequence[float]) -> None:
        """Counts one row: a number for each target.

        Raises:
            DataError: there are more numbers, or fewer, or one is not finite.
        """
        for role, values in (("reference", reference), ("prediction", prediction)):
            if len(values) != len(self.targets) or not np.isfinite(values).all():
                raise DataError(
                    f"a {role} has not a finite number for each of the {len(self.targets)} targets",
                    where=f"row {self.rows}",
                    found=str(list(values))[:80],
                )
        for target, gold, predicted in zip(self.targets, reference, prediction, strict=True):
            target.add(gold, predicted)
        self.rows += 1

    def merge(self, other: Self) -> None:
        """Adds the rows of another process."""
        for target, others in zip(self.targets, other.targets, strict=True):
            target.merge(others)
        self.rows += other.rows

    @classmethod
    def table(cls, states: Sequence[Self]) -> CountTable:
        """Returns the sums of each target: (rows, 13 · targets). Spearman's correlation cannot be computed from sums."""
        targets = [state.target for state in states[0].targets]
        counts = [[count for target in state.targets for count in target.counts()] for state in states]

        def values(sums: Numbers) -> dict[str, Numbers]:
            parts = np.split(sums, len(targets), axis=1)
            return _means([_values(part, target) for part, target in zip(parts, targets, strict=True)])

        return CountTable(np.array(counts, dtype=np.float64), values)

    def figures(self) -> dict[str, Any]:
        """Returns the means over targets, and in `per_class` the figures of each of several targets."""
        values = [state.figures() for state in self.targets]
        several = {state.target.name: one for state, one in zip(self.targets, values, strict=True)}
        return {
            **_means(values),
            **({"per_class": several} if len(several) > 1 else {}),
            "counts": {"rows": self.rows},
        }


class RegressionMetric(OfflineMetric[RegressionState]):
    """Computes MSE, RMSE, MAE, R², Pearson's and Spearman's correlation, and quadratic weighted kappa of grades.

    Args:
        targets: what is predicted, in the order of the numbers of a row.
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = List(Value("float64"))
    source = "Cohen 1968, Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit"

    def __init__(self, targets: Sequence[Target], cache_dir: Path | str) -> None:
        self.targets = list(targets)
        super().__init__(cache_dir)

    def empty(self) -> RegressionState:
        """Returns a state without rows."""
        return RegressionState(self.targets)
