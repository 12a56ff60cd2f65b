"""The figures of a split, computed by `evaluate.Metric` classes that ship with the package.

They need neither the Hub nor a writable home. (`evaluate.load` by name would fetch code from the Hub and run
it.) Importing this module is cheap; the libraries are imported with the metric that needs them.

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
    """What is known of one split after scoring: plain Python numbers, ready for JSON."""

    values: dict[str, float]
    """Figures by name, 0..1; `recipe` says how each is computed."""
    per_class: dict[str, dict[str, float]]
    """By class or entity type: precision, recall, f1 (float) and support (int). Empty for texts."""
    confusion: dict[str, dict[str, int]]
    """Rows by gold class, then by predicted class. Empty unless classes are scored."""
    counts: dict[str, int]
    """What was scored: rows, and for entities also words and entities of the references."""


def class_metric(labels: Sequence[str], cache_dir: Path | None = None) -> "Classification":
    """A metric of class ids that has no rows yet.

    Args:
        labels: the model's classes in the order of their ids.
        cache_dir: folder in which `evaluate` may make an empty folder; None takes a temporary one.
    """
    from autotune.metrics.classification import Classification

    with _folder(cache_dir) as folder:
        return Classification(labels, folder)


def entity_metric(cache_dir: Path | None = None) -> "Entities":
    """A metric of IOB2 tags, one a word, that has no rows yet."""
    from autotune.metrics.entities import Entities

    with _folder(cache_dir) as folder:
        return Entities(folder)


def rouge_metric(cache_dir: Path | None = None) -> "Rouge":
    """A metric of texts that has no rows yet."""
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
    golden, predicted = (
        [class_id(name, labels, where=f"row {row}") for row, name in enumerate(names)]
        for names in (references, predictions)
    )
    return _figures(class_metric(labels, cache_dir).compute(references=golden, predictions=predicted))


def entity_scores(
    references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], cache_dir: Path | None = None
) -> Figures:
    """Scores entities at word level.

    Args:
        references: gold IOB2 tags of each row, one a word.
        predictions: predicted IOB2 tags of each row, one a word.
        cache_dir: as in `class_metric`.

    Raises:
        DataError: no rows, a row with another number of tags than words, or a tag that is not IOB2.
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
    """The id of a class.

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
    """`evaluate` makes a folder even for a metric that stays in memory, and by default under HOME."""
    return TemporaryDirectory() if cache_dir is None else nullcontext(cache_dir)


def _figures(computed: dict[str, Any]) -> Figures:
    """What a metric computed, the single figures apart from the tables."""
    per_class, confusion, counts = (computed.pop(table, {}) for table in ("per_class", "confusion", "counts"))
    return Figures(values=computed, per_class=per_class, confusion=confusion, counts=counts)
