"""Regression: text -> a number, or one for each of several targets."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from autotune.config.columns import Column, Kind
from autotune.config.enums import BaselineMethod, Overflow
from autotune.config.enums import RegressionMetric as Metric
from autotune.config.schema import DatasetConfig, RunConfig, TaskConfig
from autotune.config.section import OptionalPositive
from autotune.data.cache import iter_column
from autotune.errors import AutotuneError, ConfigError, DataError, listing, raise_all
from autotune.metrics.objective import Objective
from autotune.models.spec import ModelSpec
from autotune.registry import register
from autotune.runtime.records import Record
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
from autotune.tasks.cheap import TfidfNumbers
from autotune.tasks.classification import INPUTS, TextClassification
from autotune.tasks.folding import fold_into_output, output_in_fp32
from autotune.tasks.overlap import windows_of_texts
from autotune.tasks.targets import fit_target

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import nn

    from autotune.metrics.regression import RegressionMetric, Target


@dataclass
class RegressionConfig(TaskConfig):
    """Section `task` of task=regression."""

    name: str = "regression"
    on_overflow: Overflow = Overflow.window
    """Texts longer than max_length: read in overlapping windows whose numbers are averaged, cut, or refused."""
    overlap: OptionalPositive = None
    """Tokens that neighbouring windows share. null: a quarter of the window."""
    main_metric: Metric = Metric.mse
    """Figure that chooses the best checkpoint: mse or mae (smaller is better), pearson, or qwk of grades; all are reported."""


class Facts(Record):
    """Facts of the training rows that the model depends on; the lists have one entry for each target."""

    labels: Annotated[list[str], Field(min_length=1)]
    """Names of the targets."""
    means: list[float]
    """Mean of each target in train."""
    scales: list[Annotated[float, Field(gt=0)]]
    """Standard deviation."""
    grades: list[list[float] | None]
    """Distinct values, where they are few."""
    folded: bool = False
    """Whether the last layer gives numbers in the unit of the data; else standardized ones."""


@register
class Regression(TextClassification):
    """Task: text -> number. The model learns standardized numbers, and answers in the unit of the data once it is saved."""

    name = "regression"
    Config = RegressionConfig  # type: ignore[assignment]
    Facts = Facts
    columns = (*INPUTS, Column("label", Kind.numbers, target=True))
    cheap = {BaselineMethod.tfidf: TfidfNumbers}
    problem_type = "regression"
    examples = Examples(
        models="model=bertimbau_base",
        run="model=bertimbau_base dataset=csv dataset.path=FILE dataset.columns.label=COLUMN",
        tiny="bert",
    )
    main_metric = "mse"

    config: RegressionConfig  # type: ignore[assignment]

    def __init__(self, config: RegressionConfig, base: ModelSpec | None, facts: dict[str, Any]) -> None:
        super().__init__(config, base, facts)  # type: ignore[arg-type]
        self.means, self.scales = np.array(facts["means"]), np.array(facts["scales"])

    @classmethod
    def objective_of(cls, config: Any) -> Objective:
        """Returns what `task.main_metric` chooses."""
        metric = Metric(config.main_metric)
        return Objective(str(metric), metric not in (Metric.mse, Metric.mae))

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """Yields the errors in the section `task`; scores need not be between 0 and 1."""
        if isinstance(config.task, RegressionConfig):
            yield from windows_of_texts(config, config.task.overlap, config.task.on_overflow)

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Returns the names of the targets, and mean, spread and grades of each in train.

        Raises:
            DataError: there is nothing to learn in a target, or rows have different numbers of values.
        """
        names = list(dataset.columns.labels or [dataset.columns.label or "label"])
        width = len(rows["train"][0]["label"]) if len(rows["train"]) else 1
        if width != len(names):
            names = [f"{names[0]}_{number}" for number in range(width)]
        for split, data in rows.items():
            for number, values in enumerate(iter_column(data, "label")):
                if len(values) != width:
                    raise DataError(
                        f"the rows have {width} numbers each, and one has {len(values)}",
                        where=f"{split}, row {number} (id {data[number]['id']})",
                        found=str(values)[:80],
                        fix="as many numbers in each row",
                    )
        table = np.array(list(iter_column(rows["train"], "label")), dtype=np.float64).reshape(-1, width)
        targets, errors = [], list[AutotuneError]()
        for name, values in zip(names, table.T, strict=True):
            try:
                targets.append(fit_target(name, values))
            except DataError as error:
                errors.append(error)
        if Metric(config.main_metric) is Metric.qwk and any(target.grades is None for target in targets):
            errors.append(
                ConfigError(
                    "a kappa needs grades, and the targets have too many distinct values",
                    where="task.main_metric",
                    found="qwk",
                    fix="task.main_metric=mse",
                )
            )
        raise_all(errors)
        return {
            "labels": names,
            "means": [target.mean for target in targets],
            "scales": [target.scale for target in targets],
            "grades": [target.grades for target in targets],
        }

    def target(self, row: Row) -> list[float]:
        """Returns the standardized numbers of a row; zeros if they are not known.

        Raises:
            DataError: the row has more or fewer numbers than the model predicts.
        """
        values = row.get("label")
        if values is None:
            return [0.0] * len(self.means)
        if len(values) != len(self.means):
            raise DataError(
                f"the model predicts {len(self.means)} numbers, and the row has {len(values)}",
                where=f"id {row['id']}",
                found=str(values)[:80],
                fix=f"columns {listing(self.labels())}, or none of them for autotune predict",
            )
        return [float(value) for value in (np.asarray(values) - self.means) / self.scales]

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Builds a batch with targets `labels`, float32 (features, targets), and `weights`, float32 (features,)."""
        return self.weighted_batch(features, [feature["weight"] for feature in features])

    def guessing_loss(self) -> float:
        """Returns inf: no loss is that of guessing among labels."""
        return math.inf

    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Returns the sum over windows of the mean squared error of the standardized targets, weighted so that every row
        counts once."""
        errors = model(**batch.inputs).logits.float() - batch.targets["labels"]
        return LossSum(((errors**2).mean(dim=1) * batch.targets["weights"]).sum(), batch.num_targets)

    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """Returns the numbers of each window as the model gives them: float32 (targets,)."""
        with output_in_fp32(model):
            return super().predict(model, features)

    def join(self, rows: Iterable[Row], pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """Averages the numbers of each row's windows; yields them as `prediction`: a number, or by name where there are
        several targets."""
        for row, (_, outputs) in zip(rows, groupby(pieces, key=lambda output: output.row), strict=True):
            numbers = np.stack([output.value for output in outputs]).astype(np.float64).mean(axis=0)
            if not self.facts.get("folded"):
                numbers = numbers * self.scales + self.means
            yield {
                **self.identification(row),
                "prediction": self._named([float(number) for number in numbers]),
            }

    def identification(self, row: Row) -> dict[str, Any]:
        """Returns what a prediction repeats of its row, with the gold numbers in the form of predictions."""
        known = super().identification(row)
        return {**known, "label": self._named(row["label"])} if "label" in known else known

    def _named(self, numbers: Sequence[float]) -> float | dict[str, float]:
        names = self.labels()
        return dict(zip(names, numbers, strict=True)) if len(names) > 1 else float(numbers[0])

    def calibration(self) -> Calibration:
        """Returns nothing: there are no probabilities."""
        return Calibration()

    def fold(self, model: "nn.Module") -> None:
        """Lets the last layer give numbers in the unit of the data, as `transformers.pipeline` shows them."""
        self.facts["folded"] = fold_into_output(
            model, self.facts["scales"], self.facts["means"], self.encoder.wrap(self.encoder.ids(["a"])[0])
        )

    def targets(self) -> "list[Target]":
        """Returns what is predicted, and how it is spread in train."""
        from autotune.metrics.regression import Target

        facts = (self.facts[name] for name in ("labels", "means", "scales", "grades"))
        return [Target(*values) for values in zip(*facts, strict=True)]

    def metric(self) -> "RegressionMetric":
        """Returns errors, correlations, and the kappa of grades."""
        from autotune.metrics import number_metric

        return number_metric(self.targets())

    def to_metric_inputs(self, row: Row, prediction: Prediction) -> tuple[Any, Any]:
        """Returns the numbers of both as lists."""
        return _listed(row["label"]), _listed(prediction["prediction"])

    def row_objective(self) -> Objective:
        """Returns the squared error: correlations need several rows."""
        return Objective("mse", greater_is_better=False)

    @classmethod
    def trivial_baselines(
        cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Returns mean and median of train."""
        numbers = np.array(list(iter_column(train, "label")))
        for name, middle in (("mean of train", np.mean), ("median of train", np.median)):
            constant = middle(numbers, axis=0).tolist()
            yield Baseline(name, ({"prediction": constant} for _ in range(len(rows))))


def _listed(value: Any) -> list[float]:
    """Returns the numbers of a row in the order of the targets, whether they have names or not."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]
