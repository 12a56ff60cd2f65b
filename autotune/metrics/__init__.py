"""Metrics of a split, computed by `evaluate.Metric` classes that ship with the package.

They need neither the Hub nor a writable home directory. (`evaluate.load` by name would download code from the Hub and
run it.) Importing this module is cheap; each metric imports its own libraries.

    classification.Classification   class ids            macro_f1, accuracy, weighted_f1
    ordinal.Ordinal                 ids of ordered classes   qwk, mae and those of classification
    regression.RegressionMetric     numbers              mse, rmse, mae, r2, pearson, spearman, qwk
    multi_label.MultiLabel         lists of label ids   macro_f1, micro_f1, subset_accuracy, hamming_loss
    entities.Entities               IOB2 tags of words   entity_f1 (strict), entity_f1_conll and others
    rouge.Rouge                     texts                rouge1, rouge2, rougeL, rougeLsum, *_google, chrf
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from autotune.data.spelling import same_spelling
from autotune.errors import DataError, format_override, listing
from autotune.metrics.definitions import recipe

if TYPE_CHECKING:
    from autotune.metrics.classification import Classification
    from autotune.metrics.entities import Entities
    from autotune.metrics.multi_label import MultiLabel
    from autotune.metrics.ordinal import Ordinal
    from autotune.metrics.regression import RegressionMetric, Target
    from autotune.metrics.rouge import Rouge

__all__ = [
    "class_id",
    "class_metric",
    "entity_metric",
    "multi_label_metric",
    "number_metric",
    "ordinal_metric",
    "recipe",
    "rouge_metric",
]


def class_metric(labels: Sequence[str], cache_dir: Path | None = None) -> "Classification":
    """Returns a metric of class ids without rows.

    Args:
        labels: the model's classes in the order of their ids.
        cache_dir: folder in which `evaluate` may make an empty folder; None for a temporary one.
    """
    from autotune.metrics.classification import Classification

    with _folder(cache_dir) as folder:
        return Classification(labels, folder)


def ordinal_metric(labels: Sequence[str], cache_dir: Path | None = None) -> "Ordinal":
    """Returns a metric of class ids without rows, as `class_metric`, for classes in order."""
    from autotune.metrics.ordinal import Ordinal

    with _folder(cache_dir) as folder:
        return Ordinal(labels, folder)


def number_metric(targets: "Sequence[Target]", cache_dir: Path | None = None) -> "RegressionMetric":
    """Returns a metric of numbers without rows.

    Args:
        targets: what is predicted, in the order of the numbers of a row.
        cache_dir: see `class_metric`.
    """
    from autotune.metrics.regression import RegressionMetric

    with _folder(cache_dir) as folder:
        return RegressionMetric(targets, folder)


def multi_label_metric(labels: Sequence[str], cache_dir: Path | None = None) -> "MultiLabel":
    """Returns a metric of lists of label ids without rows; see `class_metric`."""
    from autotune.metrics.multi_label import MultiLabel

    with _folder(cache_dir) as folder:
        return MultiLabel(labels, folder)


def entity_metric(cache_dir: Path | None = None) -> "Entities":
    """Returns a metric of IOB2 tags, one per word, without rows."""
    from autotune.metrics.entities import Entities

    with _folder(cache_dir) as folder:
        return Entities(folder)


def rouge_metric(cache_dir: Path | None = None) -> "Rouge":
    """Returns a metric of texts without rows."""
    from autotune.metrics.rouge import Rouge

    with _folder(cache_dir) as folder:
        return Rouge(folder)


def class_id(name: str, labels: Sequence[str], *, where: str) -> int:
    """Returns the id of a class.

    Raises:
        DataError: the model has no such class.
    """
    if name not in labels:
        raise DataError(
            f"the model has no class {name!r}",
            where=where,
            found=f"classes of the model: {listing(labels)}",
            fix=format_override("dataset.label_map", {name: same_spelling(name, labels)}),
        )
    return labels.index(name)


def _folder(cache_dir: Path | None) -> "TemporaryDirectory[str] | nullcontext[Path]":
    """Returns a context with a folder: `evaluate` makes one even for a metric in memory, and by default under HOME."""
    return TemporaryDirectory() if cache_dir is None else nullcontext(cache_dir)
