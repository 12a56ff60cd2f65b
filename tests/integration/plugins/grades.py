"""An example plug-in: a number for each text, with figures of its own."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from datasets import Value

from autotune.config.columns import Column, Kind
from autotune.data.cache import iter_column
from autotune.metrics.accumulator import MetricState
from autotune.metrics.base import OfflineMetric
from autotune.registry import register
from autotune.tasks.base import Baseline, Batch, LossSum
from autotune.tasks.sentiment import Sentiment


class Errors(MetricState):
    """Sums of errors."""

    def __init__(self) -> None:
        self.absolute = self.squared = 0.0

    def add(self, reference: float, prediction: float) -> None:
        """Counts one row."""
        self.rows += 1
        self.absolute += abs(reference - prediction)
        self.squared += (reference - prediction) ** 2

    def merge(self, other: "Errors") -> None:
        """Adds others."""
        self.rows += other.rows
        self.absolute += other.absolute
        self.squared += other.squared

    def figures(self) -> dict:
        """Higher is better."""
        return {"neg_mae": -self.absolute / self.rows, "neg_mse": -self.squared / self.rows,
                "per_class": {"all": {"rows": self.rows, "bias": 0.5}}}  # fmt: skip


class ErrorMetric(OfflineMetric):
    """Mean errors."""

    row, source = Value("float64"), "none"

    def empty(self) -> Errors:
        """Of no row."""
        return Errors()


@dataclass
class GradesConfig(Sentiment.Config):
    """As sentiment's."""

    name: str = "grades"


@register
class Grades(Sentiment):
    """text -> number."""

    name = "grades"
    Config = GradesConfig
    columns = (Column("text", Kind.text), Column("label", Kind.number, target=True))
    main_metric = "neg_mae"
    problem_type = "regression"

    @classmethod
    def fit_labels(cls, config, dataset, rows):
        """Mean and spread."""
        scores = np.array(list(iter_column(rows["train"], "label")))
        return {
            "labels": ["nota"],
            "counts": {"nota": len(scores)},
            "mean": scores.mean(),
            "spread": scores.std(),
        }

    def target(self, row) -> float:
        """The row's number, standardized."""
        number = row.get("label")
        return 0.0 if number is None else (number - self.facts["mean"]) / self.facts["spread"]

    def collate(self, features) -> Batch:
        """Targets: `numbers`."""
        import torch

        numbers = torch.tensor([feature["label"] for feature in features], dtype=torch.float32)
        return Batch(self.inputs(features), {"numbers": numbers}, float(len(features)))

    def loss(self, model, batch: Batch) -> LossSum:
        """Squared error."""
        error = model(**batch.inputs).logits.float()[:, 0] - batch.targets["numbers"]
        return LossSum((error**2).sum(), batch.num_targets)

    def join(self, rows, pieces):
        """Mean of the windows."""
        for row, (_, group) in zip(rows, groupby(pieces, key=lambda piece: piece.row), strict=True):
            mean = float(np.mean([piece.value for piece in group]))
            number = mean * self.facts["spread"] + self.facts["mean"]
            yield {**self.identification(row), "prediction": number}

    def to_metric_inputs(self, row, prediction):
        """The numbers."""
        return row["label"], prediction["prediction"]

    def metric(self) -> ErrorMetric:
        """Mean errors."""
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            return ErrorMetric(folder)

    @classmethod
    def baselines(cls, train, rows, validation):
        """The mean of train."""
        mean = float(np.mean(list(iter_column(train, "label"))))
        return [Baseline("mean of train", ({"prediction": mean} for _ in range(len(rows))))]
