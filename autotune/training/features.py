"""Features of rows as a memory-mapped Arrow table: tokenised once for the same rows, tokenizer and task."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune import tasks
from autotune.config.columns import Kind
from autotune.data.batches import Indices
from autotune.data.cache import cache_key, cached_table, iter_column, iter_rows
from autotune.data.stream import Sections, delete_cached_files
from autotune.errors import DataError, listing
from autotune.tasks.base import Feature, Task

VERSION = 4
"""Raised when what `prepare` takes from outside of autotune/tasks changes, so that old tables are not read."""


def prepare_features(
    task: Task, rows: Dataset, cache: Path, fingerprint: str, begins: Callable[[], object] = lambda: None
) -> Dataset:
    """What `task.prepare` makes of rows.

    Args:
        task: the task.
        rows: with canonical columns.
        cache: folder of the tables.
        fingerprint: of the rows' content.
        begins: called before rows are tokenised; not where the table is found in the cache.
    """

    def made() -> Iterable[Feature]:
        begins()
        return task.prepare(iter_rows(rows))

    return cached_table(cache, _name(task, fingerprint), made)


def _name(task: Task, fingerprint: str) -> str:
    """Of the table: everything that features depend on."""
    parts: list[Any] = [
        VERSION,
        task.name,
        asdict(task.config),
        task.facts,
        task.max_length,
        task.base.max_length,
        task.base.family,
        *_sources(task),
        task.tokenizer.backend_tokenizer.to_str(),
        task.tokenizer.all_special_ids,
        fingerprint,
    ]
    return f"features-{cache_key(*parts)}"


def _sources(task: Task) -> Iterator[str]:
    """Yields the code that makes features: that of all shipped tasks, which share modules, and that of a plug-in's classes."""
    shipped = Path(tasks.__file__).parent
    yield from (file.read_text(encoding="utf-8") for file in sorted(shipped.glob("*.py")))
    for kind in type(task).__mro__:
        if issubclass(kind, Task) and not kind.__module__.startswith(f"{tasks.__name__}."):
            yield inspect.getsource(sys.modules[kind.__module__])


class FeatureSections:
    """The features of a train set that streams, by the number of the section.

    Args:
        task: the task, which has learned its labels from the first section.
        sections: canonical rows of each.
        first: features of the section with the number 0.
        cache: folder of the tables.
        fingerprint: of the rows of the run.
    """

    def __init__(self, task: Task, sections: Sections, first: Dataset, cache: Path, fingerprint: str) -> None:
        self.task, self.sections, self.first = task, sections, first
        self.cache, self.fingerprint = cache, fingerprint
        self._kept: Dataset | None = None

    def __call__(self, number: int) -> Dataset:
        """Features of a section; the table of the one before is removed.

        Raises:
            DataError: the section has labels that the first one lacks.
        """
        delete_cached_files(self._kept)
        self._kept = None
        rows = self.sections(number)
        if rows is self.sections.first:
            return self.first
        self._refuse_new_labels(rows, number)
        self._kept = prepare_features(self.task, rows, self.cache, f"{self.fingerprint}-train-{number}")
        return self._kept

    def _refuse_new_labels(self, rows: Dataset, number: int) -> None:
        names = self.task.labels()
        target = next(
            (one for one in self.task.columns if one.kind in (Kind.label, Kind.labels, Kind.tags)), None
        )
        if names is None or target is None:
            return
        found: set[str] = set()
        for value in iter_column(rows, target.role):
            found.update([value] if isinstance(value, str) else value)
        strange = sorted(found - set(names))
        if strange:
            raise DataError(
                f"section {number} of train has labels that the first section lacks: {listing(strange)}",
                where=f"column {target.role}",
                found=f"labels of the first section: {listing(names)}",
                fix="dataset.labels=[…] with all names; or a larger dataset.section_rows",
            )


def take(features: Dataset, indices: Indices) -> list[Feature]:
    """Some features as Python values."""
    columns = features[indices]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
