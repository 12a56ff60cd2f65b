"""Metrics of a split, computed by `evaluate.Metric` classes that ship with the package.

They need neither the Hub nor a writable home directory. (`evaluate.load` by name would download code from the Hub and
run it.) Importing this module is cheap; each metric imports its own libraries.

    classification.Classification   class ids            macro_f1, accuracy, weighted_f1
    entities.Entities               IOB2 tags of words   entity_f1 (strict), entity_f1_conll and others
    rouge.Rouge                     texts                rouge1, rouge2, rougeL, rougeLsum, *_google, chrf
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypedDict

from autotune.data.spelling import same_spelling
from autotune.errors import DataError, format_override, listing
from autotune.metrics.definitions import recipe

if TYPE_CHECKING:
    from autotune.metrics.classification import Classification
    from autotune.metrics.entities import Entities
    from autotune.metrics.rouge import Rouge

__all__ = [
    "Figures",
    "class_id",
    "class_metric",
    "classification_scores",
    "entity_metric",
    "entity_scores",
    "recipe",
    "rouge_metric",
    "rouge_scores",
]


class Figures(TypedDict):
    """Results of a split: plain Python numbers, ready for JSON."""

    values: dict[str, float]
    """Metric values by name, 0..1; `recipe` defines each metric."""
    per_class: dict[str, dict[str, float]]
    """For each class or entity type: precision, recall, f1 (float) and support (int). Empty for texts."""
    confusion: dict[str, dict[str, int]]
    """Rows by gold class, then by predicted class. Empty unless classes are scored."""
    counts: dict[str, int]
    """Number of rows scored, and for entities also of words and entities of the references."""


def class_metric(labels: Sequence[str], cache_dir: Path | None = None) -> "Classification":
    """Returns a metric of class ids without rows.

    Args:
        labels: the model's classes in the order of their ids.
        cache_dir: folder in which `evaluate` may make an empty folder; None for a temporary one.
    """
    from autotune.metrics.classification import Classification

    with _folder(cache_dir) as folder:
        return Classification(labels, folder)


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


def classification_scores(
    references: Sequence[str],
    predictions: Sequence[str],
    labels: Sequence[str],
    cache_dir: Path | None = None,
) -> Figures:
    """Scores classes.

    Args:
        references: gold class of each row.
        predictions: predicted class of each row.
        labels: the model's classes in the order of their ids.
        cache_dir: as in `class_metric`.

    Raises:
        DataError: no rows, or a class that is not in `labels`.
    """
    gold, predicted = (
        [class_id(name, labels, where=f"row {row}") for row, name in enumerate(names)]
        for names in (references, predictions)
    )
    return _figures(class_metric(labels, cache_dir).compute(references=gold, predictions=predicted))


def entity_scores(
    references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], cache_dir: Path | None = None
) -> Figures:
    """Scores entities at word level.

    Args:
        references: gold IOB2 tags of each row, one per word.
        predictions: predicted IOB2 tags of each row, one per word.
        cache_dir: as in `class_metric`.

    Raises:
        DataError: no rows, a row whose numbers of words and tags differ, or a tag that is not IOB2.
    """
    return _figures(entity_metric(cache_dir).compute(references=references, predictions=predictions))


def rouge_scores(
    references: Sequence[str], predictions: Sequence[str], cache_dir: Path | None = None
) -> Figures:
    """Scores texts against one reference each.

    Args:
        references: gold text of each row, uncut.
        predictions: predicted text of each row.
        cache_dir: as in `class_metric`.

    Raises:
        DataError: no rows.
    """
    return _figures(rouge_metric(cache_dir).compute(references=references, predictions=predictions))


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


def _figures(computed: dict[str, Any]) -> Figures:
    """Separates the values that a metric computed from its tables."""
    per_class, confusion, counts = (computed.pop(table, {}) for table in ("per_class", "confusion", "counts"))
    return Figures(values=computed, per_class=per_class, confusion=confusion, counts=counts)
