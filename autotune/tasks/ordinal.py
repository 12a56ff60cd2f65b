"""Classification into classes that have an order, such as stars or levels: text -> grade."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from autotune.config.enums import Loss
from autotune.config.schema import DatasetConfig, RunConfig
from autotune.data.cache import iter_column
from autotune.errors import AutotuneError, ConfigError, DataError, format_override, listing
from autotune.metrics.objective import Objective
from autotune.registry import register
from autotune.tasks.base import Baseline, Batch, Examples, Feature
from autotune.tasks.classification import ClassificationConfig, TextClassification

if TYPE_CHECKING:
    from datasets import Dataset

    from autotune.metrics.ordinal import Ordinal as OrdinalMetric

NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")


@dataclass
class OrdinalConfig(ClassificationConfig):
    """Section `task` of task=ordinal."""

    name: str = "ordinal"
    sharpness: Annotated[float | None, Field(gt=0)] = 2.0
    """The target probability of a class falls by exp(-sharpness) with each step from the gold class (Diaz and Marathe 2019), so
    errors of one step cost less than far ones. null: the gold class alone, as in classification."""


@register
class Ordinal(TextClassification):
    """Task: text -> one of several classes in order.

    The head is that of a classification, and the most probable class is predicted, as `transformers.pipeline` does. The
    order is in the targets of the loss: heads with an output per threshold (CORAL, CORN) need code that the pipeline lacks.
    """

    name = "ordinal"
    Config = OrdinalConfig
    examples = Examples(
        models="model=bertimbau_base", run="dataset=hatebr_level model=bertimbau_base", tiny="bert"
    )
    main_metric = "qwk"

    config: OrdinalConfig

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """Yields the errors of classification, and one for a focal loss over soft targets, whose probabilities it lacks."""
        yield from super().rules(config)
        task = config.task
        if isinstance(task, OrdinalConfig) and task.loss is Loss.focal and task.sharpness is not None:
            yield ConfigError(
                "the focal loss takes the gold class alone",
                where="task.loss",
                found=f"focal with task.sharpness={task.sharpness:g}",
                fix="task.sharpness=null, or task.loss=cross_entropy",
            )

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Returns the facts of classification, with the classes in their order: `dataset.labels`, or numbers by size.

        Raises:
            DataError: the order is not known.
        """
        names = set(iter_column(rows["train"], "label"))
        if dataset.labels is not None:
            return super().fit_labels(config, dataset, rows)
        strange = sorted(name for name in names if not NUMBER.fullmatch(name))
        if strange:
            raise DataError(
                "the order of the classes is not known: they are not numbers",
                where="dataset.labels",
                found=listing(strange),
                fix=f"{format_override('dataset.labels', sorted(names))} in the right order, the lowest first",
            )
        facts = super().fit_labels(config, dataset, rows)
        return {**facts, "labels": sorted(facts["labels"], key=_number)}

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Builds a batch as classification does, but with `labels` as probabilities: float32 (features, classes)."""
        import torch

        batch = super().collate(features)
        if self.config.sharpness is not None:
            classes = torch.arange(len(self.ids))
            steps = (classes[None, :] - batch.targets["labels"][:, None]).abs()
            batch.targets["labels"] = torch.softmax(-self.config.sharpness * steps.float(), dim=-1)
        return batch

    def metric(self) -> "OrdinalMetric":
        """Returns quadratic weighted kappa, the mean error in classes, and the figures of classification."""
        from autotune.metrics import ordinal_metric

        return ordinal_metric(self.labels())

    def row_objective(self) -> Objective:
        """Returns the error in classes: kappa does not tell a near class from a far one in a single row."""
        return Objective("mae", greater_is_better=False)

    @classmethod
    def trivial_baselines(
        cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Returns the most frequent class of train and, where the names are numbers, the one in the middle of its rows."""
        yield from super().trivial_baselines(train, rows, validation)
        counts = Counter(iter_column(train, "label"))
        if all(NUMBER.fullmatch(name) for name in counts):
            ordered = [name for name in sorted(counts, key=_number) for _ in range(counts[name])]
            median = ordered[(len(ordered) - 1) // 2]
            yield Baseline("median class", ({"prediction": median} for _ in range(len(rows))))


def _number(name: str) -> float:
    return float(name.replace(",", "."))
