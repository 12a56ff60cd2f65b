"""Multi-label classification: any number of labels for each text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from autotune.config.columns import Column, Kind
from autotune.config.enums import BaselineMethod, Calibrate, ClassWeights
from autotune.config.label_maps import normalize_label
from autotune.config.labels import label_map
from autotune.config.schema import DatasetConfig
from autotune.data.cache import iter_column
from autotune.data.labels import RelabelError, label_names
from autotune.data.spelling import same_spelling
from autotune.errors import AutotuneError, DataError, listing, raise_all
from autotune.metrics.objective import Objective
from autotune.models.spec import ModelSpec
from autotune.registry import register
from autotune.tasks import classification
from autotune.tasks.base import (
    Baseline,
    Batch,
    Calibration,
    Examples,
    Feature,
    FeatureOutput,
    LossSum,
    Prediction,
    Row,
)
from autotune.tasks.cheap import TfidfManyLabels
from autotune.tasks.losses import focal_factor, guessing_loss

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import nn

    from autotune.metrics.multi_label import MultiLabel


@dataclass
class MultiLabelConfig(classification.ClassificationConfig):
    """Section `task` of task=multi_label."""

    name: str = "multi_label"
    class_weights: ClassWeights = ClassWeights.none
    """balanced: a row that has a label counts as much for it as all rows without it together, so rare labels are predicted
    more often."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each target that is moved to a half: 0.1 makes 0.05 of 0 and 0.95 of 1."""
    tune_threshold: bool = False
    """Each label is predicted from the probability that gives it the best F1 on validation, not from 0.5. autotune knows
    these thresholds, transformers.pipeline does not."""


class Facts(classification.Facts):
    """Facts of the training rows that the model depends on."""

    rows: Annotated[int, Field(gt=0)]
    """Rows of train, with and without labels."""
    thresholds: dict[str, Annotated[float, Field(gt=0, lt=1)]] | None = None
    """Probability of each label from which it is predicted. None: 0.5."""


@register
class MultiLabelClassification(classification.TextClassification):
    """Task: text -> labels."""

    name = "multi_label"
    Config = MultiLabelConfig
    Facts = Facts
    columns = (*classification.INPUTS, Column("label", Kind.labels, target=True))
    cheap = {BaselineMethod.tfidf: TfidfManyLabels}
    examples = Examples(
        models="model=bertimbau_base",
        run="dataset=csv dataset.path=FILE 'dataset.columns.labels=[COLUMN,COLUMN]' model=bertimbau_base",
        tiny="bert",
    )
    problem_type = "multi_label_classification"

    config: MultiLabelConfig

    def __init__(self, config: MultiLabelConfig, base: ModelSpec | None, facts: dict[str, Any]) -> None:
        super().__init__(config, base, facts)
        self.weights = [1.0] * len(self.ids)
        if config.class_weights is ClassWeights.balanced:
            rows, counts = facts["rows"], facts["counts"]
            self.weights = [
                (rows - counts[name]) / counts[name] if 0 < counts[name] < rows else 1.0
                for name in facts["labels"]
            ]
        """Weight of the rows that have each label, beside 1 of those that lack it."""

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Returns the labels in the order of their ids, how often each occurs in train, and the rows of train.

        Labels keep the order of `dataset.columns.labels`; such a label may be missing in train.
        """
        counts = Counter(name for labels in iter_column(rows["train"], "label") for name in labels)
        total = len(rows["train"])
        column = dataset.columns.label or "label"
        if len(counts) > classification.MAX_UNSEEN_LABELS and len(counts) > total / 2:
            raise classification.not_a_label_column(column, "train", counts)
        names = _names(dataset, counts)
        if not names:
            raise DataError(
                "no row of train has a label, so there is nothing to learn",
                where="train, column label",
                fix="check dataset.columns.label, or dataset.columns.labels and dataset.label_map",
            )
        errors: list[AutotuneError] = []
        for split, data in rows.items():
            errors += _unseen(split, data, names, dataset)
        errors += classification.missing_validation(config, rows)
        raise_all(errors)
        return {"labels": names, "counts": {name: counts[name] for name in names}, "rows": total}

    def target(self, row: Row) -> list[float]:
        """Returns 1 for each label that the row has, smoothed, else 0: (labels,)."""
        smoothing = self.config.label_smoothing / 2
        own = row.get("label") or ()
        return [1 - smoothing if name in own else smoothing for name in self.ids]

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Builds a batch with targets `labels`, float32 (features, labels), and `weights`, float32 (features,)."""
        return self.weighted_batch(features, [feature["weight"] for feature in features])

    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Returns the sum over windows of the mean binary cross-entropy of the labels; every row counts once."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        logits, labels = model(**batch.inputs).logits.float(), batch.targets["labels"]
        weights = torch.tensor(self.weights, dtype=torch.float32, device=logits.device)
        losses = binary_cross_entropy_with_logits(logits, labels, reduction="none", pos_weight=weights)
        if self.config.gamma:
            plain = binary_cross_entropy_with_logits(logits, labels, reduction="none")
            losses = focal_factor(plain, self.config.gamma) * losses
        return LossSum((losses.mean(dim=1) * batch.targets["weights"]).sum(), batch.num_targets)

    def guessing_loss(self) -> float:
        """Returns the loss of a model that gives every label the probability 0.5, with the weights of the rows that have it."""
        shares = (self.facts["counts"][name] / self.facts["rows"] for name in self.ids)
        weights = [1 + share * (weight - 1) for share, weight in zip(shares, self.weights, strict=True)]
        return guessing_loss(2, self.config.gamma) * sum(weights) / len(weights)

    def join(self, rows: Iterable[Row], pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """Averages the logits of each row's windows; yields the labels from their thresholds on as `prediction`, and
        `probabilities` by label."""
        import numpy as np

        names = self.labels()
        thresholds = self.facts.get("thresholds") or {}
        limits = np.array([thresholds.get(name, 0.5) for name in names])
        for row, (_, outputs) in zip(rows, groupby(pieces, key=lambda output: output.row), strict=True):
            logits = np.mean([output.value for output in outputs], axis=0, dtype=np.float64)
            probabilities = np.exp(-np.logaddexp(0, -logits))
            yield {
                **self.identification(row),
                "prediction": [names[index] for index in np.flatnonzero(probabilities >= limits)],
                "probabilities": dict(zip(names, probabilities.tolist(), strict=True)),
            }

    def calibration(self) -> Calibration:
        """Returns what `task.calibrate` and `task.tune_threshold` ask for."""
        return Calibration(
            self.config.calibrate is Calibrate.temperature, thresholds=self.config.tune_threshold
        )

    def metric(self) -> "MultiLabel":
        """Returns macro-F1, micro-F1, subset accuracy and Hamming loss over rows, and the scores per label."""
        from autotune.metrics import multi_label_metric

        return multi_label_metric(self.labels())

    def row_objective(self) -> Objective:
        """Returns the share of wrong labels: F1 does not tell a row that rightly has no label from one with wrong ones."""
        return Objective("hamming_loss", greater_is_better=False)

    def to_metric_inputs(self, row: Row, prediction: Prediction) -> tuple[Any, Any]:
        """Returns the ids of the gold and the predicted labels."""
        from autotune.metrics import class_id

        where = f"id {row['id']}"
        gold = [class_id(name, self.facts["labels"], where=where) for name in row["label"]]
        return gold, [self.ids[name] for name in prediction["prediction"]]

    @classmethod
    def trivial_baselines(
        cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Returns no label, and the most frequent labels of train."""
        yield Baseline("no label", ({"prediction": []} for _ in range(len(rows))))
        labels = iter_column(train, "label")
        frequent = list(Counter(map(tuple, map(sorted, labels))).most_common(1)[0][0])
        if frequent:
            yield Baseline("most frequent labels", ({"prediction": frequent} for _ in range(len(rows))))


def _names(dataset: DatasetConfig, occurring: Iterable[str]) -> list[str]:
    """Returns the labels in the order of their ids: `dataset.labels`, else that of the label columns, else sorted."""
    columns = dataset.columns.labels
    if dataset.labels is not None or columns is None:
        return label_names(dataset, occurring)
    mapping = label_map(dataset)
    names = (mapping.get(name, name) for name in (str(normalize_label(column)) for column in columns))
    in_columns = dict.fromkeys(name for name in names if name is not None)
    # A file that names its labels in one column, as predictions and converted rows do, may have others.
    return list(in_columns | dict.fromkeys(sorted(set(occurring) - set(in_columns))))


def _unseen(
    split: str, data: "Dataset", names: Sequence[str], dataset: DatasetConfig
) -> Iterator[AutotuneError]:
    """Yields an error for each label of a split that train does not have."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for number, labels in enumerate(iter_column(data, "label")):
        for name in set(labels) - set(names):
            counts[name] += 1
            first.setdefault(name, number)
    if len(counts) > classification.MAX_UNSEEN_LABELS:
        raise classification.not_a_label_column(dataset.columns.label or "label", split, counts)
    for name, number in sorted(counts.items()):
        yield RelabelError(
            f"{split} has a label that train does not have: {name!r} ({number} rows)",
            where=f"{split}, first in row {first[name]} (id {data[first[name]]['id']})",
            found=f"labels of train: {listing(names)}",
            config=dataset,
            relabel={name: same_spelling(name, names)},
        )
