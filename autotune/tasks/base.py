"""The contract of a task: everything that training, evaluation, the report and the model card need from it.

A task is one module in this package (or a plug-in) with a config dataclass and a class decorated with
`autotune.registry.register`, plus one YAML in configs/task. Importing a task module loads no torch.

Data flow: rows (a `datasets.Dataset` with canonical columns) -> `prepare` -> features (windows of at most
`max_length` tokens, each with the number of its row) -> `collate` -> batch -> `loss`, or `predict` -> outputs
(one per feature) -> `next_pass`, which may have rows predicted once more -> `join` -> predictions (one per row, in order)
-> `metric`. Predictions are streamed from `predict` on: no stage holds those of a whole split.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from autotune.config.columns import Column
from autotune.config.enums import BaselineMethod
from autotune.config.rules.trainer import min_delta
from autotune.config.schema import DatasetConfig, RunConfig, TaskConfig
from autotune.errors import AutotuneError, ConfigError
from autotune.metrics.objective import Objective
from autotune.models.spec import DEFAULT_MAX_LENGTH, Family, Head, ModelSpec
from autotune.runtime.records import Record
from autotune.tasks.lengths import LengthReport as LengthReport
from autotune.tasks.lengths import padded_lengths as padded_lengths
from autotune.tasks.lengths import rows_beyond_window as rows_beyond_window
from autotune.tasks.losses import guessing_loss
from autotune.tasks.scores import Scores as Scores
from autotune.tasks.text_encoder import TextEncoder
from autotune.tasks.text_encoder import chunks as chunks

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn

    from autotune.metrics.base import OfflineMetric
    from autotune.tasks.cheap import CheapModel

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
    """What `loss` compares with; each task chooses its own keys. Integers of two dimensions are labels of positions."""
    num_targets: float = 0.0
    """Sum of the weights of all targets, known before the forward pass."""

    def to(self, device: Any) -> "Batch":
        """Returns a copy of the batch on another device."""
        return Batch(
            {name: tensor.to(device) for name, tensor in self.inputs.items()},
            {name: tensor.to(device) for name, tensor in self.targets.items()},
            self.num_targets,
        )

    def pad_to_multiple(self, multiple: int, pad_id: int) -> "Batch":
        """Returns the batch padded to a multiple of a length: added positions get no attention and no loss."""
        from torch.nn.functional import pad as pad_tensor

        def padded(tensor: "Tensor", value: int) -> "Tensor":
            # All others hold values of each feature, such as its weight or the probability of each class.
            has_length = tensor.ndim == 2 and not tensor.is_floating_point()
            missing = -tensor.shape[1] % multiple if has_length else 0
            return pad_tensor(tensor, (0, missing), value=value) if missing else tensor

        return Batch(
            {
                name: padded(tensor, 0 if name in ("attention_mask", "token_type_ids") else pad_id)
                for name, tensor in self.inputs.items()
            },
            {name: padded(tensor, IGNORED) for name, tensor in self.targets.items()},
            self.num_targets,
        )


@dataclass(frozen=True)
class LossSum:
    """Loss of a micro-batch before division: the step divides by the count over all its micro-batches and ranks."""

    sum: "Tensor"
    """float32 scalar: sum over targets of weight times loss."""
    count: float
    """Sum of the weights; equals the batch's `num_targets`."""


class FeatureOutput(NamedTuple):
    """Output of the model for one feature."""

    row: int
    feature: int
    """Number of the feature; the features of a row are consecutive."""
    value: Any
    """Result of `Task.predict` for the feature."""


@dataclass(frozen=True)
class Baseline:
    """Predictions by a method that needs no neural network."""

    name: str
    """Name in English; `assets/messages/pt.toml` has the Portuguese ones."""
    predictions: Iterable[Prediction]
    """One per row, in order."""
    note: str | Callable[[], str | None] | None = None
    """What should be known about it, such as the number of rows that it was trained on; or what returns it."""
    is_bound: bool = False
    """Whether it uses the gold values: then it is not a rival of the model but an upper bound."""
    method: BaselineMethod | None = None
    """What `model.baseline` calls it, if a run can train it."""


@dataclass(frozen=True)
class Examples:
    """What messages suggest for a task."""

    models: str
    """Overrides that name supported models, suggested when a model of another family is chosen."""
    run: str
    """Overrides of a real run, suggested after a run with the tiny model."""
    tiny: str
    """Architecture of the tiny model when model.tiny is auto."""


@dataclass(frozen=True)
class Serving:
    """What predicts with a saved model as the task does."""

    generation: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `generate`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What a server needs besides the model; empty if `transformers.pipeline` can serve it."""


class Calibration(NamedTuple):
    """What is fitted on validation once the model is trained."""

    temperature: bool = False
    """A number by which the logits are divided; it becomes part of the last layer, and the fact `temperature`."""
    threshold: bool = False
    """The probability of the second of two classes from which it is predicted: the fact `threshold`."""
    thresholds: bool = False
    """The probability of each of several labels from which it is predicted: the fact `thresholds`."""
    known_temperature: float | None = None
    """A temperature that is not fitted: it is divided into the last layer as it is, and needs no validation."""


class Task(ABC):
    """One kind of problem.

    Args:
        config: the section `task`.
        base: config and tokenizer of the base model, no weights; None for a model without a neural network (`cheap`), with
            which the task only joins outputs and scores them.
        facts: JSON that `fit_labels` (and `measure_tokens`) derived from the training rows; saved with the model.

    Raises:
        ConfigError: `task.max_length` exceeds the model's limit.
    """

    name: ClassVar[str]
    """Key in the registry and name of the file in configs/task."""
    Config: ClassVar[type[TaskConfig]]
    """Class of the section `task`."""
    Facts: ClassVar[type[Record]] = Record
    """Schema of `facts`; the facts of a saved model are checked against it."""
    columns: ClassVar[tuple[Column, ...]]
    """Canonical columns of the rows."""
    heads: ClassVar[Mapping[Family, Head]]
    """Supported model families and the head that each gets."""
    examples: ClassVar[Examples]
    """Models and data that messages suggest."""
    main_metric: str
    """Name of the metric that chooses the best checkpoint."""
    greater_is_better: bool = True
    """Whether its greater values are the better ones, as transformers calls it."""
    pipeline: ClassVar[str | None] = None
    """The `transformers.pipeline` that gives the same predictions as the saved model; None if there is none."""
    cheap: "ClassVar[Mapping[BaselineMethod, type[CheapModel]]]" = {}
    """Models without a neural network: what `model.baseline` may be, and baselines beside other models."""
    problem_type: ClassVar[str] = "single_label_classification"
    """How that pipeline reads the outputs of a sequence head; also `multi_label_classification`, `regression`."""

    def __init__(self, config: Any, base: ModelSpec | None, facts: dict[str, Any]) -> None:
        self.config, self.facts = config, facts
        self.main_metric, self.greater_is_better = self.objective_of(config)
        if base is not None:
            self.read_base(base)

    def read_base(self, base: ModelSpec) -> None:
        """Sets what the task takes from its base model; never called for a model without a neural network."""
        self.base, self.tokenizer = base, base.tokenizer
        self.encoder = TextEncoder(base.tokenizer)
        longest: int | None = self.config.max_length
        if longest is not None and longest > base.max_length:
            raise ConfigError(
                f"the model {base.name} takes at most {base.max_length} tokens",
                where="task.max_length",
                found=str(longest),
                fix=f"task.max_length={base.max_length}; where positions have no end, as in T5: "
                f"model.max_length={longest}",
            )
        self.max_length = longest or min(DEFAULT_MAX_LENGTH, base.max_length)

    @classmethod
    def objective_of(cls, config: Any) -> Objective:
        """Returns the main metric and its direction; a task may let its section of the configuration choose them."""
        return Objective(cls.main_metric, cls.greater_is_better)

    @property
    def objective(self) -> Objective:
        """The main metric and its direction."""
        return Objective(self.main_metric, self.greater_is_better)

    def row_objective(self) -> Objective:
        """Returns the figure by which single rows of two runs are compared: the main one, unless it needs several rows."""
        return self.objective

    def fold(self, model: "nn.Module") -> None:
        """Writes into the last layer of a trained model what turns its outputs into predictions. By default nothing.

        Called once, before the model is saved; changes `facts` where predictions are made otherwise from then on.
        """

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """Yields the errors in a configuration that only the task can know. By default: scores are between 0 and 1.

        The section `task` is an instance of `Config`; a subclass of another task may use a different one.
        """
        yield from min_delta(config)

    @classmethod
    @abstractmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Returns the facts of the training rows that the model depends on (label names and their order).

        Called before any model or tokenizer is opened.

        Raises:
            DataError: labels cannot be learned or scored.
        """

    @classmethod
    @abstractmethod
    def texts(cls, rows: "Dataset") -> Iterator[str]:
        """Yields the texts of rows; the tokenizer of a tiny model is trained on them."""

    @abstractmethod
    def labels(self) -> list[str] | None:
        """Returns the names of the model's outputs in the order of their ids; None for generation."""

    @abstractmethod
    def prepare(self, rows: "Iterable[Row]", first: int = 0) -> Iterator[dict[str, Any]]:
        """Yields the features of rows. Must be deterministic, because features are cached.

        Args:
            rows: rows with canonical columns; targets may be missing in prediction.
            first: number of the first row.

        Yields:
            At least `row` (int), `input_ids` (list of int), `length` (tokens of the whole row, special ones
            included) and `lost` (tokens of the row that no window holds, counted in its first window).
        """

    def length_report(self, rows: "Dataset", features: "Dataset") -> LengthReport:
        """Reports the rows of a split that one window does not hold; a task adds what is lost with them.

        Args:
            rows: the split.
            features: its features.
        """
        return LengthReport(rows_beyond_window(features))

    def measure_tokens(self, rows: "Mapping[str, Dataset]") -> None:
        """Adds to `facts` what can only be measured in tokens. Does nothing by default.

        Args:
            rows: the splits whose gold values may be used: train and validation.
        """

    @abstractmethod
    def collate(self, features: Sequence[Feature]) -> Batch:
        """Builds a training batch from features that have targets, padded to the longest."""

    @abstractmethod
    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Returns the loss of a batch in float32, with gradient."""

    def guessing_loss(self) -> float:
        """Returns the mean loss of equal probabilities, of which the guards warn; inf if there is none."""
        return guessing_loss(len(self.labels() or ()))

    @abstractmethod
    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """Returns the model's output for each feature, in order, as plain Python and numpy values."""

    def next_pass(self, pieces: Sequence[FeatureOutput]) -> Iterator[Feature]:
        """Yields features from which rows are predicted once more; their outputs replace all outputs of these rows.

        Called again with the result until it yields nothing, which the task has to see to. By default at once.

        Args:
            pieces: one output for each feature of some rows, in the order of the features.

        Yields:
            At least `row`, as in the pieces and in their order, and `input_ids`.
        """
        yield from ()

    @abstractmethod
    def join(self, rows: "Iterable[Row]", pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """Merges the windows of each row; yields one prediction for every row, in order.

        Args:
            rows: some rows of a split, in order.
            pieces: one output for each feature of these rows, in the order of the features.

        Yields:
            JSON objects with `id`, `prediction` and, if the rows have it, the gold value under its role.
        """

    @abstractmethod
    def metric(self) -> "OfflineMetric[Any]":
        """Returns an empty `evaluate.Metric`; `main_metric` is one of its values."""

    def to_metric_inputs(self, row: Row, prediction: Prediction) -> tuple[Any, Any]:
        """Returns reference and prediction in the form that `metric` takes. By default unchanged.

        Raises:
            DataError: the model cannot give the reference as an answer, such as an unseen label.
        """
        (target,) = (column.role for column in self.columns if column.target)
        return row[target], prediction["prediction"]

    @classmethod
    def trivial_baselines(
        cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Returns methods that learn next to nothing, the most trivial first, and upper bounds; see `baselines`."""
        return ()

    @classmethod
    def baselines(cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None") -> Iterable[Baseline]:
        """Returns methods that need no neural network, the most trivial first: those of `trivial_baselines` and `cheap`.

        Args:
            train: rows to learn from.
            rows: rows to predict, with gold values.
            validation: rows that may choose settings; None if there are none besides the rows to predict.
        """
        yield from cls.trivial_baselines(train, rows, validation)
        for method, model in cls.cheap.items():
            yield from model.as_baseline(method, train, rows, validation)

    def in_pipeline(self, row: Row) -> str | dict[str, str] | None:
        """Returns the input of `pipeline` for a row; None if the pipeline cannot read the row as the task does.

        By default the text, if it is the only column besides targets.
        """
        inputs = [column.role for column in self.columns if not column.target]
        text = row[inputs[0]] if len(inputs) == 1 else None
        return text if isinstance(text, str) else None

    def calibration(self) -> Calibration:
        """Returns what is fitted on validation for a task whose predictions have `probabilities`; nothing by default."""
        return Calibration()

    def serving(self) -> Serving:
        """Returns what reproduces the predictions of the saved model; empty for classification."""
        return Serving()


def score(task: Task, rows: "Iterable[Row]", predictions: Iterable[Prediction]) -> Scores:
    """Scores predictions against uncut references, one row at a time."""
    metric = task.metric()
    for row, prediction in zip(rows, predictions, strict=True):
        reference, answer = task.to_metric_inputs(row, prediction)
        metric.add(reference=reference, prediction=answer)
    return Scores.of(metric, task.objective)
