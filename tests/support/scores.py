"""Scores of a whole split at once, from names of classes, tags or texts."""

from collections.abc import Sequence
from typing import Any

from autotune.metrics import class_id, class_metric, entity_metric, rouge_metric

Scores = dict[str, Any]
"""The metrics under `values`, and the tables per_class, confusion and counts; a metric without a table has an empty one."""


def classification_scores(
    references: Sequence[str], predictions: Sequence[str], labels: Sequence[str]
) -> Scores:
    """Scores classes; `labels` are the model's, in the order of their ids."""
    gold, predicted = (
        [class_id(name, labels, where=f"row {row}") for row, name in enumerate(names)]
        for names in (references, predictions)
    )
    return _with_tables(class_metric(labels).compute(references=gold, predictions=predicted))


def entity_scores(references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> Scores:
    """Scores entities, given IOB2 tags, one per word."""
    return _with_tables(entity_metric().compute(references=references, predictions=predictions))


def rouge_scores(references: Sequence[str], predictions: Sequence[str]) -> Scores:
    """Scores texts against one reference each."""
    return _with_tables(rouge_metric().compute(references=references, predictions=predictions))


def _with_tables(computed: Scores) -> Scores:
    tables = {table: computed.pop(table, {}) for table in ("per_class", "confusion", "counts")}
    return {"values": computed, **tables}
