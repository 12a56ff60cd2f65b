"""The contract of a task: everything that training, evaluation, the report and the card ask of it.

A task is one module in this package (or a plug-in) with a config dataclass and a class decorated with
`autotune.registry.register`, plus one YAML in configs/task. Importing a task module loads no torch.

The way of the data: rows (a `datasets.Dataset` with canonical columns) -> `prepare` -> features (windows of
at most `max_length` tokens, each with the number of its row) -> `collate` -> batch -> `loss`, or
`predict` -> pieces (one a feature) -> `join` -> predictions (one a row, in order) -> `metric`. Predictions are
streams from `predict` on: no step holds those of a whole split.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from autotune.config.columns import Column
from autotune.config.rules.trainer import min_delta
from autotune.config.schema import DatasetConfig, RunConfig, TaskConfig
from autotune.errors import AutotuneError, ConfigError
from autotune.models.spec import DEFAULT_MAX_LENGTH, Family, Head, ModelSpec
from autotune.runtime.records import Record
from autotune.tasks.text_encoder import TextEncoder
from autotune.tasks.text_encoder import chunks as chunks

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from autotune.metrics.base import OfflineMetric

Row = Mapping[str, Any]
Feature = Mapping[str, Any]
Prediction = dict[str, Any]

IGNORED = -100
"""Label of a position that is not a target."""


@dataclass
class Batch:
    """Tensors of one micro-batch."""

    inputs: "dict[str, Tensor]"
    """Arguments of the model's forward: int64, (features, padded length)."""
    targets: "dict[str, Tensor]" = field(default_factory=dict)
    """What `loss` compares with; its keys are the task's own business."""
    num_targets: float = 0.0
    """Sum of the weights of all targets, known before the forward."""

    def to(self, device: Any) -> "Batch":
        """The batch on another device."""
        return Batch(
            {name: tensor.to(device) for name, tensor in self.inputs.items()},
            {name: tensor.to(device) for name, tensor in self.targets.items()},
            self.num_targets,
        )

    def pad_to_multiple(self, multiple: int, pad_id: int) -> "Batch":
        """The batch with lengths that are multiples: nothing attends to what is added, nothing is learned from it."""
        from torch.nn.functional import pad as pad_tensor

        def wide(tensor: "Tensor", value: int) -> "Tensor":
            missing = -tensor.shape[1] % multiple if tensor.ndim == 2 else 0
            return pad_tensor(tensor, (0, missing), value=value) if missing else tensor

        return Batch(
            {
                name: wide(tensor, 0 if name == "attention_mask" else pad_id)
                for name, tensor in self.inputs.items()
            },
            {name: wide(tensor, IGNORED) for name, tensor in self.targets.items()},
            self.num_targets,
        )


@dataclass(frozen=True)
class LossSum:
    """Loss of a micro-batch before division: the step divides by the count of all its micro-batches."""

    sum: "Tensor"
    """float32 scalar: sum over targets of weight times loss."""
    count: float
    """Sum of the weights; equals the batch's `num_targets`."""


class FeatureOutput(NamedTuple):
    """What the model says of one feature."""

    row: int
    feature: int
    """Number of the feature; those of a row follow each other."""
    value: Any
    """As `Task.predict` gave it."""


@dataclass
class Scores:
    """The figures of one split."""

    main: str
    """Name of the figure that chooses the best checkpoint; higher is better."""
    values: dict[str, float]
    per_class: dict[str, dict[str, float]] = field(default_factory=dict)
    """By class or entity type: precision, recall, f1, support."""
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows by gold class, then predicted class."""
    counts: dict[str, int] = field(default_factory=dict)
    """Of rows, entities and the like."""

    @property
    def best(self) -> float:
        """The main figure."""
        return self.values[self.main]

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        extra = {"per_class": self.per_class, "confusion": self.confusion}
        return {**self.values, **{name: value for name, value in extra.items() if value}}


class Task(ABC):
    """One kind of problem.

    Args:
        config: the section `task`.
        base: config and tokenizer of the base model; no weights.
        facts: JSON that `fit_labels` (and `measure_tokens`) took from the training rows; saved with the model.

    Raises:
        ConfigError: `task.max_length` is more than the model takes.
    """

    name: ClassVar[str]
    """Key in the registry and name of the file in configs/task."""
    Config: ClassVar[type[TaskConfig]]
    Facts: ClassVar[type[Record]] = Record
    """Schema of `facts`, by which those of a saved model are checked."""
    columns: ClassVar[tuple[Column, ...]]
    """Canonical columns of the rows."""
    heads: ClassVar[Mapping[Family, Head]]
    """The families that can do this task, and with which head."""
    alternatives: ClassVar[str]
    """For the families that cannot: what to use, as overrides."""
    example_overrides: ClassVar[str]
    """Overrides of a real run, for people who have tried the tiny one."""
    tiny: ClassVar[str]
    """Architecture of the tiny model when model.tiny is auto."""
    main_metric: ClassVar[str]
    pipeline: ClassVar[str | None] = None
    """The `transformers.pipeline` that answers for a text as the saved model does; None: none is promised to."""
    problem_type: ClassVar[str] = "single_label_classification"
    """Of a sequence head: what that pipeline makes of its outputs; also `multi_label_classification`, `regression`."""

    def __init__(self, config: Any, base: ModelSpec, facts: dict[str, Any]) -> None:
        self.config, self.base, self.facts = config, base, facts
        self.tokenizer = base.tokenizer
        self.encoder = TextEncoder(base.tokenizer)
        if config.max_length is not None and config.max_length > base.max_length:
            raise ConfigError(
                f"the model {base.name} takes at most {base.max_length} tokens",
                where="task.max_length",
                found=str(config.max_length),
                fix=f"task.max_length={base.max_length}; where positions have no end, as in T5: "
                f"model.max_length={config.max_length}",
            )
        self.max_length: int = config.max_length or min(DEFAULT_MAX_LENGTH, base.max_length)

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """What only the task knows to be wrong in a configuration. By default: scores go from 0 to 1.

        The section `task` is that of `Config`, which a class derived from another task may have replaced.
        """
        yield from min_delta(config)

    @classmethod
    @abstractmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Facts of the training rows that the model is built on (label names and their order).

        Runs before any model or tokenizer is opened.

        Raises:
            DataError: labels that cannot be learned or scored.
        """

    @classmethod
    @abstractmethod
    def texts(cls, rows: "Dataset") -> Iterator[str]:
        """The texts of rows, from which the tokenizer of a tiny model is trained."""

    @abstractmethod
    def labels(self) -> list[str] | None:
        """Names of the model's outputs in the order of their ids; None for generation."""

    @abstractmethod
    def prepare(self, rows: "Iterable[Row]", first: int = 0) -> Iterator[dict[str, Any]]:
        """Features of rows. Deterministic, so that they can be cached.

        Args:
            rows: rows with canonical columns; targets may be missing in prediction.
            first: number of the first row.

        Yields:
            At least `row` (int), `input_ids` (list of int), `length` (tokens of the whole row, special ones
            included) and `lost` (tokens of the row that no window holds, counted in its first window).
        """

    @classmethod
    def count_units(cls, rows: "Dataset") -> dict[str, int]:
        """How much of what this task counts the rows hold, besides tokens. Nothing by default."""
        return {}

    def exceeds_window(self, features: "Dataset") -> "NDArray[np.bool_]":
        """Whether more stands in the row of a feature than in its first window: bool (features,)."""
        table = features.data.table
        rows = table["row"].to_numpy()
        several = np.append(False, rows[1:] == rows[:-1])
        return several | (table["lost"].to_numpy() > 0)

    def reference_too_long(self, features: "Dataset") -> "NDArray[np.bool_]":
        """Whether the reference of a feature is longer than what the model may write: bool (features,)."""
        return np.zeros(len(features), dtype=np.bool_)

    def tokens_lost(self, rows: "Iterable[Row]") -> Counter[str]:
        """What stands behind the end of the first window, and so would be lost without others: tokens and units.

        Args:
            rows: those that are `overlong` or `unreachable`.
        """
        return Counter()

    def truncation_advice(self, wanted: int) -> str:
        """What to do where rows of `wanted` tokens are cut because the model takes no more."""
        return (
            f"model.max_length={wanted} task.max_length={wanted} where positions have no end, as in T5; "
            "else a base model that takes longer inputs"
        )

    def measure_tokens(self, rows: "Mapping[str, Dataset]") -> None:
        """Adds to `facts` what can only be measured in tokens. Nothing by default.

        Args:
            rows: the splits whose gold values may be looked at: train and validation.
        """

    @abstractmethod
    def collate(self, features: Sequence[Feature]) -> Batch:
        """Training batch of features that have targets, padded to the longest."""

    @staticmethod
    def lengths(features: "Dataset") -> "NDArray[np.int64]":
        """Tokens of each feature, one column a padded tensor: int64 (features, tensors)."""
        import pyarrow.compute as pc

        columns = [name for name in ("input_ids", "target_ids") if name in features.column_names]
        table = features.data.table
        return np.stack(
            [pc.list_value_length(table[name]).to_numpy().astype(np.int64) for name in columns], axis=1
        )

    @abstractmethod
    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Loss of a batch in float32, with gradient."""

    @abstractmethod
    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """What the model says of each feature, in their order, as plain Python and numpy values."""

    @abstractmethod
    def join(self, rows: "Iterable[Row]", pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """One prediction for every row, in order; windows are merged, nothing is left out.

        Args:
            rows: some rows of a split, in order.
            pieces: one for each feature of these rows, in the order of the features.

        Yields:
            JSON objects with `id`, `prediction` and, where the rows have it, the gold value under its role.
        """

    @abstractmethod
    def metric(self) -> "OfflineMetric[Any]":
        """An `evaluate.Metric` without rows, whose figures `main_metric` is one of."""

    def to_metric_inputs(self, row: Row, prediction: Prediction) -> tuple[Any, Any]:
        """Reference and prediction in the form that `metric` takes. By default as they stand.

        Raises:
            DataError: the reference is none that the model can give.
        """
        (target,) = (column.role for column in self.columns if column.target)
        return row[target], prediction["prediction"]

    def score(self, rows: "Iterable[Row]", predictions: Iterable[Prediction]) -> Scores:
        """Compares predictions with uncut references, one by one."""
        metric = self.metric()
        for row, prediction in zip(rows, predictions, strict=True):
            reference, answer = self.to_metric_inputs(row, prediction)
            metric.add(reference=reference, prediction=answer)
        return self.scores(metric)

    def scores(self, metric: "OfflineMetric[Any]") -> Scores:
        """The figures of the rows that a metric has been given."""
        values = metric.compute()
        tables = (values.pop(name, {}) for name in ("per_class", "confusion", "counts"))
        return Scores(self.main_metric, values, *tables)

    @classmethod
    @abstractmethod
    def baselines(cls, train: "Dataset", rows: "Dataset") -> dict[str, Iterator[Prediction]]:
        """Predictions for rows by methods that need no neural network, by name; the most trivial first."""

    def in_pipeline(self, row: Row) -> str | None:
        """What `pipeline` is given for a row; None where it cannot read the row as the task does.

        By default the text, where it is the only column beside targets.
        """
        inputs = [column.role for column in self.columns if not column.target]
        text = row[inputs[0]] if len(inputs) == 1 else None
        return text if isinstance(text, str) else None

    def generation(self) -> dict[str, Any]:
        """Arguments of `generate` that reproduce the predictions; empty for classification."""
        return {}

    def serving_config(self) -> dict[str, Any]:
        """What a server needs to know besides the model; empty where `transformers.pipeline` serves it."""
        return {}
