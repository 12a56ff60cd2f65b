"""An example plug-in: all classes of each text."""

from dataclasses import dataclass
from itertools import groupby
from tempfile import TemporaryDirectory

import numpy as np
from datasets import List, Value

from autotune.config.columns import Column, Kind
from autotune.data.cache import iter_column
from autotune.data.labels import label_names
from autotune.metrics.accumulator import MetricState
from autotune.metrics.base import OfflineMetric
from autotune.registry import register
from autotune.tasks.base import Baseline, Batch, LossSum
from autotune.tasks.sentiment import Sentiment


class Matches(MetricState):
    """Rows whose classes are all right."""

    right = 0

    def add(self, reference: list[str], prediction: list[str]) -> None:
        """Counts one row."""
        self.rows += 1
        self.right += set(reference) == set(prediction)

    def merge(self, other: "Matches") -> None:
        """Adds others."""
        self.rows += other.rows
        self.right += other.right

    def figures(self) -> dict:
        """The share."""
        return {"exact_match": self.right / self.rows}


class MatchMetric(OfflineMetric):
    """Exact matches."""

    row, source = List(Value("string")), "none"

    def empty(self) -> Matches:
        """Of no row."""
        return Matches()


@dataclass
class TopicsConfig(Sentiment.Config):
    """As sentiment's."""

    name: str = "topics"


@register
class Topics(Sentiment):
    """text -> labels."""

    name = "topics"
    Config = TopicsConfig
    columns = (Column("text", Kind.text), Column("label", Kind.labels, target=True))
    main_metric = "exact_match"
    problem_type = "multi_label_classification"

    @classmethod
    def fit_labels(cls, config, dataset, rows):
        """Names of all classes."""
        names = label_names(dataset, (name for row in iter_column(rows["train"], "label") for name in row))
        return {"labels": names, "counts": dict.fromkeys(names, 1)}

    def target(self, row) -> list[float]:
        """1 for each class of the row."""
        return [float(name in (row.get("label") or [])) for name in self.facts["labels"]]

    def collate(self, features) -> Batch:
        """Targets: `labels`."""
        import torch

        labels = torch.tensor([feature["label"] for feature in features], dtype=torch.float32)
        return Batch(self.inputs(features), {"labels": labels}, float(labels.numel()))

    def loss(self, model, batch: Batch) -> LossSum:
        """Binary cross-entropy of each class."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        logits = model(**batch.inputs).logits.float()
        return LossSum(
            binary_cross_entropy_with_logits(logits, batch.targets["labels"], reduction="sum"),
            batch.num_targets,
        )

    def join(self, rows, pieces):
        """Classes above a half."""
        for row, (_, group) in zip(rows, groupby(pieces, key=lambda piece: piece.row), strict=True):
            logits = np.mean([piece.value for piece in group], axis=0)
            probabilities = dict(zip(self.facts["labels"], (1 / (1 + np.exp(-logits))).tolist(), strict=True))
            chosen = [name for name, probability in probabilities.items() if probability > 0.5]
            yield {**self.identification(row), "prediction": chosen, "probabilities": probabilities}

    def to_metric_inputs(self, row, prediction):
        """The names."""
        return row["label"], prediction["prediction"]

    def metric(self) -> MatchMetric:
        """Exact matches."""
        with TemporaryDirectory() as folder:
            return MatchMetric(folder)

    @classmethod
    def baselines(cls, train, rows, validation):
        """No class."""
        return [Baseline("no class", ({"prediction": []} for _ in range(len(rows))))]
