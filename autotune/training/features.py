"""Features of rows as a memory-mapped Arrow table: tokenised once for the same rows, tokenizer and task."""

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.data.batches import Indices
from autotune.data.cache import cached_table, key, records
from autotune.tasks.base import Feature, Task

VERSION = 2
"""Raised when what all tasks share in `prepare` changes, so that old tables are not read."""


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
        task.base.max_length,
        task.base.family,
        inspect.getsource(type(task)),
        task.tokenizer.backend_tokenizer.to_str(),
        task.tokenizer.all_special_ids,
        fingerprint,
    ]
    return cached_table(cache, f"features-{key(*parts)}", lambda: task.prepare(records(rows)))


def take(features: Dataset, indices: Indices) -> list[Feature]:
    """Some features as Python values."""
    columns = features[indices]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
