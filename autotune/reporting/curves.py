"""What happened during training, from history.jsonl: few enough points for a chart, and the throughput."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from autotune.reporting.charts import Points
from autotune.training.history import read_history

MAX_POINTS = 300
"""Most points of a curve; more steps are averaged over equally long stretches."""
COLUMNS = ("loss", "learning_rate", "grad_norm")


@dataclass(frozen=True)
class Curves:
    """Curves over optimizer steps."""

    steps: dict[str, Points]
    """Loss, learning rate and norm of the gradient; empty where nothing was recorded."""
    validation: dict[str, Points]
    """Each metric on validation."""
    anomalies: list[dict[str, Any]] = field(default_factory=list)
    step_seconds: float = 0.0
    """Time of all steps together, without evaluations."""
    num_steps: int = 0


def read_curves(history: Path) -> Curves:
    """Reads history.jsonl.

    Raises:
        ConfigError: a line is damaged.
    """
    steps: dict[str, list[tuple[float, float]]] = {name: [] for name in COLUMNS}
    validation: dict[str, list[tuple[float, float]]] = {}
    anomalies, seconds, count = [], 0.0, 0
    for record in read_history(history):
        if "loss" in record:
            count += 1
            seconds += float(record.get("seconds") or 0.0)
            _append(steps, record["step"], ((name, record.get(name)) for name in COLUMNS))
        elif "validation" in record:
            _append(validation, record["step"], record["validation"].items())
        else:
            anomalies.append(record)
    shortened = {name: shorten(points) for name, points in steps.items()}
    return Curves(
        shortened, {name: list(points) for name, points in validation.items()}, anomalies, seconds, count
    )


def shorten(points: Points, most: int = MAX_POINTS) -> Points:
    """Returns at most `most` points: means over equally many neighbors."""
    if len(points) <= most:
        return points
    size = math.ceil(len(points) / most)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(fmean(x for x, _ in part), fmean(y for _, y in part)) for part in parts]


def _append(
    curves: dict[str, list[tuple[float, float]]], step: float, values: Iterable[tuple[str, float | None]]
) -> None:
    for name, value in values:
        if value is not None and math.isfinite(value):
            curves.setdefault(name, []).append((step, value))
