"""Predictions of a split as arrays: the probability of each class, the predicted class and the gold one."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from autotune.config.columns import Kind
from autotune.metrics.calibration import Floats, Ids
from autotune.tasks.base import Prediction, Task


class Classified(NamedTuple):
    """Predictions of a split as arrays."""

    probabilities: Floats
    """(rows, classes)."""
    predicted: Ids
    gold: Ids


def has_several_labels(task: Task) -> bool:
    """Returns whether a row of the task has any number of labels."""
    return any(column.target and column.kind is Kind.labels for column in task.columns)


def as_arrays(task: Task, predictions: Iterable[Prediction]) -> Classified | None:
    """Returns predictions as arrays; None if the task has no label, or its predictions no probabilities.

    With several labels per row, each label of each row is a decision between no (0) and yes (1).
    """
    kinds = (Kind.label, Kind.labels)
    role = next((column.role for column in task.columns if column.target and column.kind in kinds), None)
    names = task.labels()
    if role is None or names is None:
        return None
    several = has_several_labels(task)
    ids = {name: number for number, name in enumerate(names)}
    probabilities, pairs = [], []
    for row in predictions:
        shares = row.get("probabilities")
        if not isinstance(shares, Mapping) or shares.keys() != ids.keys():
            return None
        if several:
            probabilities += [[1 - shares[name], shares[name]] for name in names]
            pairs += [(int(name in row["prediction"]), int(name in row[role])) for name in names]
        else:
            probabilities.append([shares[name] for name in names])
            pairs.append((ids[row["prediction"]], ids[row[role]]))
    predicted, gold = np.array(pairs, dtype=np.int64).T
    return Classified(np.array(probabilities), predicted, gold)
