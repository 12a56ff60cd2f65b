"""Single-label text classification: one class per text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from autotune.config.columns import Column, Kind
from autotune.config.enums import BaselineMethod, Calibrate, Overflow
from autotune.config.schema import DatasetConfig, RunConfig
from autotune.config.section import OptionalPositive
from autotune.data.cache import iter_column, iter_rows
from autotune.data.given import as_given
from autotune.data.labels import RelabelError, label_names
from autotune.data.spelling import same_spelling
from autotune.errors import AutotuneError, ConfigError, DataError, format_override, listing, raise_all
from autotune.models.spec import Family, Head, ModelSpec, feature_inputs
from autotune.registry import register
from autotune.runtime.records import Record
from autotune.tasks.base import (
    Baseline,
    Batch,
    Calibration,
    Examples,
    Feature,
    FeatureOutput,
    LengthReport,
    LossSum,
    Prediction,
    Row,
    Task,
    rows_beyond_window,
)
from autotune.tasks.cheap import TfidfClasses
from autotune.tasks.losses import LossConfig, class_weights, guessing_loss, loss_rules, loss_sum
from autotune.tasks.overlap import windows_of_texts
from autotune.tasks.text_windows import WindowReader

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn

    from autotune.metrics.classification import Classification

INPUTS = (Column("text", Kind.text), Column("text_pair", Kind.text, optional=True))
"""Columns that every task of this family reads."""
MAX_UNSEEN_LABELS = 20
"""With more labels than this that are missing in train, or that hardly recur in it, the column is probably not a label
column."""


@dataclass
class ClassificationConfig(LossConfig):
    """Section `task` of task=classification."""

    name: str = "classification"
    on_overflow: Overflow = Overflow.window
    """Texts longer than max_length: read in overlapping windows whose scores are averaged, cut, or refused."""
    overlap: OptionalPositive = None
    """Tokens that neighbouring windows share. null: a quarter of the window."""
    calibrate: Calibrate = Calibrate.none
    """temperature: fitted on validation (Guo et al. 2017) and divided into the last layer, so that transformers.pipeline gives
    calibrated probabilities, too; the predicted classes stay the same."""
    temperature: Annotated[float | None, Field(gt=0, le=100)] = None
    """A known temperature, such as one fitted on the predictions of folds: it is divided into the last layer as it is, and needs
    no validation. Above 1, the model becomes less sure."""
    tune_threshold: bool = False
    """Two classes: the second one is predicted from the probability that gives the best macro-F1 on validation, not from 0.5.
    autotune knows this threshold, transformers.pipeline does not."""


class RiskPoint(Record):
    """Rows that are decided from a probability on."""

    threshold: Annotated[float, Field(ge=0, le=1)]
    decided: Annotated[int, Field(gt=0)]
    wrong: Annotated[int, Field(ge=0)]


class RiskCoverage(Record):
    """Risk-coverage curve of validation."""

    rows: Annotated[int, Field(gt=0)]
    points: Annotated[list[RiskPoint], Field(min_length=1)]


class Facts(Record):
    """Facts of the training rows that the model depends on."""

    labels: Annotated[list[str], Field(min_length=1)]
    """Classes in the order of their ids."""
    counts: dict[str, Annotated[int, Field(ge=0)]]
    """Rows of train by class."""
    temperature: Annotated[float, Field(gt=0)] | None = None
    """Temperature that the last layer was divided by."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability of the second class from which it is predicted. None: the most probable class is."""
    risk_coverage: RiskCoverage | None = None
    """Errors of validation by threshold. None: there was no validation."""


@register
class TextClassification(Task):
    """Task: text, or a pair of texts -> label."""

    name = "classification"
    Config = ClassificationConfig
    Facts: ClassVar[type[Record]] = Facts
    columns = (*INPUTS, Column("label", Kind.label, target=True))
    heads = dict.fromkeys(Family, Head.sequence)
    cheap = {BaselineMethod.tfidf: TfidfClasses}
    pipeline = "text-classification"
    examples = Examples(
        models="model=bertimbau_base",
        run="dataset=hatebr_level model=bertimbau_base",
        tiny="bert",
    )
    main_metric = "macro_f1"

    config: ClassificationConfig

    def __init__(self, config: ClassificationConfig, base: ModelSpec | None, facts: dict[str, Any]) -> None:
        super().__init__(config, base, facts)
        self.ids = {name: number for number, name in enumerate(facts["labels"])}
        self.weights = [1.0] * len(self.ids)
        if isinstance(config, LossConfig):
            self.weights = class_weights(config.class_weights, facts["counts"], facts["labels"])

    def read_base(self, base: ModelSpec) -> None:
        """Sets what reads long texts in windows, too."""
        super().read_base(base)
        overlap = self.config.overlap or self.max_length // 4
        self.reader = WindowReader(self.encoder, self.max_length, self.config.on_overflow, overlap)

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """Yields the errors in the section `task`, and one if there is only one class."""
        yield from super().rules(config)
        task, labels = config.task, config.dataset.labels
        if isinstance(task, ClassificationConfig):
            yield from windows_of_texts(config, task.overlap, task.on_overflow)
            yield from loss_rules(task)
            yield from _two_temperatures(task)
        if labels is None or cls.problem_type != "single_label_classification":
            return
        if len(labels) > 2 and getattr(task, "tune_threshold", False):
            yield _not_binary(labels)
        if len(labels) == 1:
            yield ConfigError(
                "classification needs at least two classes",
                where="dataset.labels",
                found=str(labels),
                fix="dataset.labels=null",
            )

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Returns the class names in the order of their ids, and how often each occurs in train."""
        counts = Counter(iter_column(rows["train"], "label"))
        column = dataset.columns.label or "label"
        if len(counts) > MAX_UNSEEN_LABELS and len(counts) > counts.total() / 2:
            raise not_a_label_column(column, "train", counts)
        names = label_names(dataset, counts)
        errors: list[AutotuneError] = []
        if len(counts) < 2:
            errors.append(
                DataError(
                    "there is only one class in train, so there is nothing to learn",
                    where="train, column label",
                    found=listing(counts),
                    fix="check dataset.columns.label and dataset.label_map",
                )
            )
        absent = [name for name in names if name not in counts]
        if absent and not dataset.streaming:
            errors.append(
                DataError(
                    f"classes without a row in train: {listing(absent)}",
                    where="dataset.labels",
                    fix=format_override("dataset.labels", [name for name in names if name in counts]),
                )
            )
        for split, data in rows.items():
            label_counts = Counter(iter_column(data, "label"))
            unseen = Counter({label: number for label, number in label_counts.items() if label not in counts})
            if len(unseen) > MAX_UNSEEN_LABELS:
                raise not_a_label_column(column, split, unseen)
            spellings = {label: same_spelling(label, counts) for label in unseen}
            for label, number in unseen.items():
                first = list(iter_column(data, "label")).index(label)
                errors.append(
                    RelabelError(
                        f"{split} has a label that train does not have: {label!r} ({number} rows)",
                        where=f"{split}, first in row {first} (id {data[first]['id']})",
                        found=f"labels of train: {listing(names)}",
                        config=dataset,
                        relabel=spellings,
                    )
                )
        errors += missing_validation(config, rows)
        if config.tune_threshold and len(names) != 2:
            errors.append(_not_binary(names))
        raise_all(errors)
        return {"labels": names, "counts": {name: counts[name] for name in names}}

    @classmethod
    def texts(cls, rows: "Dataset") -> Iterator[str]:
        """Yields the texts of all rows."""
        yield from iter_column(rows, "text")
        if "text_pair" in rows.column_names:
            yield from iter_column(rows, "text_pair")

    def labels(self) -> list[str]:
        """Returns the class names in the order of their ids."""
        return list(self.facts["labels"])

    def prepare(self, rows: Iterable[Row], first: int = 0) -> Iterator[dict[str, Any]]:
        """Yields one feature per window: see `WindowReader.windows`, with the `target` as `label`."""
        has_types = getattr(self.base.config, "type_vocab_size", 0) > 1
        for row, window in self.reader.windows(rows, first):
            if not has_types:
                window.pop("token_type_ids", None)
            yield {**window, "label": self.target(row)}

    def target(self, row: Row) -> Any:
        """Returns what the model learns for a row: the id of its class, -1 if it is unknown."""
        return self.ids.get(row.get("label"), -1)

    def length_report(self, rows: "Dataset", features: "Dataset") -> LengthReport:
        """Counts the tokens after the first window; reading in windows loses none of them."""
        overlong = rows_beyond_window(features)
        lost = self.reader.tokens_beyond(iter_rows(rows.select(overlong)))
        return LengthReport(overlong, lost={"tokens": lost}, fix="task.on_overflow=window")

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Builds a batch with targets `labels`, int64 (features,), and `weights`, float32 (features,)."""
        weights = [feature["weight"] * self.weights[feature["label"]] for feature in features]
        return self.weighted_batch(features, weights)

    def weighted_batch(self, features: Sequence[Feature], weights: Sequence[float]) -> Batch:
        """Builds a batch with targets `labels`, as features have them, and `weights`, float32 (features,)."""
        import torch

        return Batch(
            self.inputs(features),
            {
                "labels": torch.tensor([feature["label"] for feature in features]),
                "weights": torch.tensor(weights, dtype=torch.float32),
            },
            num_targets=sum(weights),
        )

    def inputs(self, features: Sequence[Feature]) -> "dict[str, Tensor]":
        """Returns the model's inputs for features."""
        return feature_inputs(features, self.tokenizer.pad_token_id)

    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Returns the sum of the windows' losses, weighted so that every row counts once (times its class weight)."""
        logits = model(**batch.inputs).logits.float()
        targets = batch.targets
        return LossSum(
            loss_sum(logits, targets["labels"], targets["weights"], self.config), batch.num_targets
        )

    def guessing_loss(self) -> float:
        """Returns the loss of equal probabilities."""
        return guessing_loss(len(self.ids), self.config.gamma)

    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """Returns the logits of each window, float32 (classes,)."""
        inputs = self.inputs(features)
        return list(model(**Batch(inputs).to(model.device).inputs).logits.float().cpu().numpy())

    def join(self, rows: Iterable[Row], pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """Averages the logits of each row's windows; yields the most probable class as `prediction`, or what the threshold
        makes of two, and `probabilities` by class."""
        import numpy as np

        names, threshold = self.labels(), self.facts.get("threshold")
        for row, (_, outputs) in zip(rows, groupby(pieces, key=lambda output: output.row), strict=True):
            logits = np.mean([output.value for output in outputs], axis=0, dtype=np.float64)
            exponentials = np.exp(logits - logits.max())
            probabilities = exponentials / exponentials.sum()
            chosen = probabilities.argmax() if threshold is None else probabilities[1] >= threshold
            yield {
                **self.identification(row),
                "prediction": names[int(chosen)],
                "probabilities": {
                    name: float(value) for name, value in zip(names, probabilities, strict=True)
                },
            }

    def identification(self, row: Row) -> dict[str, Any]:
        """Returns what a prediction repeats of its row: `id`, the texts as they were given, and the gold value if known."""
        texts = {role: as_given(row, role) for role in ("text", "text_pair") if row.get(role) is not None}
        return {"id": row["id"], **texts, **({"label": row["label"]} if row.get("label") is not None else {})}

    def in_pipeline(self, row: Row) -> str | dict[str, str] | None:
        """Returns the text, or both texts by the names that the pipeline gives them."""
        text, pair = row["text"], row.get("text_pair")
        return text if pair is None else {"text": text, "text_pair": pair}

    def calibration(self) -> Calibration:
        """Returns what `task.calibrate`, `task.temperature` and `task.tune_threshold` ask for."""
        config = self.config
        return Calibration(
            config.calibrate is Calibrate.temperature,
            config.tune_threshold,
            known_temperature=config.temperature,
        )

    def metric(self) -> "Classification":
        """Returns macro-F1, accuracy and weighted F1 over rows, the scores per class and the confusion matrix."""
        from autotune.metrics import class_metric

        return class_metric(self.labels())

    def to_metric_inputs(self, row: Row, prediction: Prediction) -> tuple[int, int]:
        """Returns the ids of the gold and the predicted class."""
        from autotune.metrics import class_id

        gold = class_id(row["label"], self.facts["labels"], where=f"id {row['id']}")
        return gold, self.ids[prediction["prediction"]]

    @classmethod
    def trivial_baselines(
        cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Returns the most frequent class of train."""
        majority = Counter(iter_column(train, "label")).most_common(1)[0][0]
        yield Baseline("majority class", ({"prediction": majority} for _ in range(len(rows))))


def _two_temperatures(task: ClassificationConfig) -> Iterator[AutotuneError]:
    if task.temperature is not None and task.calibrate is not Calibrate.none:
        yield ConfigError(
            "a temperature is either known or fitted",
            where="task.temperature",
            found=f"{task.temperature:g} with task.calibrate={task.calibrate}",
            fix="task.temperature=null, or task.calibrate=none",
        )


def missing_validation(config: Any, splits: Iterable[str]) -> Iterator[AutotuneError]:
    """Yields errors where validation is missing for what is fitted on it."""
    fitted = {
        "task.calibrate=none": config.calibrate is not Calibrate.none,
        "task.tune_threshold=false": config.tune_threshold,
    }
    for fix, is_fitted in fitted.items():
        if is_fitted and "validation" not in splits:
            yield ConfigError(
                "there is no validation split to fit this on",
                where=fix.partition("=")[0],
                fix=f"dataset.validation_fraction=0.1, or {fix}",
            )


def _not_binary(names: Sequence[str]) -> ConfigError:
    return ConfigError(
        "a threshold is tuned between two classes",
        where="task.tune_threshold",
        found=f"{len(names)} classes: {listing(names)}",
        fix="task.tune_threshold=false",
    )


def not_a_label_column(column: str, split: str, labels: Counter[str]) -> DataError:
    """Returns the error for a column that holds texts, ids or numbers instead of classes."""
    return DataError(
        f"the column {column} does not hold classes: {len(labels)} different values in {labels.total()} rows"
        + ("" if split == "train" else " that train does not have"),
        where=f"{split}, column {column}",
        found=listing((repr(shorten(label, 60, placeholder=" …")) for label in labels), 3),
        fix="dataset.columns.label=COLUMN, and dataset.columns.text=COLUMN if the two are swapped",
    )
