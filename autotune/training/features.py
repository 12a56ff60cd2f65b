"""Features of rows as a memory-mapped Arrow table: tokenised once for the same rows, tokenizer and task."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.data.batches import Indices
from autotune.data.cache import cached_table, key
from autotune.tasks.base import Feature, Task

logger = logging.getLogger(__name__)

VERSION = 2
"""Raised when `prepare` of a task changes, so that old tables are not read."""


def prepare_features(task: Task, rows: Dataset, cache: Path, fingerprint: str) -> Dataset:
    """What `task.prepare` makes of rows.

    Args:
        task: the task.
        rows: with canonical columns.
        cache: folder of the tables.
        fingerprint: of the rows' content.
    """
    parts: list[Any] = [
        VERSION,
        task.name,
        asdict(task.config),
        task.facts,
        task.max_length,
        task.tokenizer.backend_tokenizer.to_str(),
        task.tokenizer.all_special_ids,
        fingerprint,
    ]
    return cached_table(cache, f"features-{key(*parts)}", lambda: task.prepare(rows))


def take(features: Dataset, indices: Indices) -> list[Feature]:
    """Some features as Python values."""
    columns = features[indices]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def say_lengths(task: Task, split: str, features: Dataset) -> None:
    """Tells how many rows did not fit into one window, and what became of them."""
    import pyarrow.compute as pc

    table = features.data.table
    rows = len(pc.unique(table["row"]))
    cut = pc.sum(pc.greater(table["lost"], 0)).as_py() or 0
    if cut:
        logger.warning(
            "%s: %d of %d rows are longer than %d tokens; %d tokens were cut",
            split, cut, rows, task.max_length, pc.sum(table["lost"]).as_py(),
        )  # fmt: skip
    windowed = sum(1 for count in pc.value_counts(table["row"]).field("counts") if count.as_py() > 1)
    if windowed:
        logger.info(
            "%s: %d of %d rows are longer than %d tokens and are read in %d overlapping windows",
            split, windowed, rows, task.max_length, len(features) - rows + windowed,
        )  # fmt: skip
