"""Classes and entity types: how many each split has, which it lacks, which are rare or written in two ways."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datasets import Dataset

from autotune.checks.findings import Area, Finding, Report, note, warning
from autotune.config.columns import Column, Kind
from autotune.config.enums import ClassWeights
from autotune.config.schema import RunConfig
from autotune.data.cache import iter_column
from autotune.data.sources import Rows
from autotune.data.spelling import plain_spelling
from autotune.data.words import entities
from autotune.errors import listing

IMBALANCE = 10
"""A class with fewer than 1 / IMBALANCE of the rows of the largest is rare."""
FEW = 5
"""With fewer rows in train, a class is hardly learned."""
QUOTES = "\"'`“”‘’«»"
MANY = 50
"""With more classes than this in a column of labels, it may be the wrong column."""


def audit_labels(
    rows: Rows, columns: Sequence[Column], config: RunConfig, names: Sequence[str], report: Report
) -> Iterator[Finding]:
    """Counts of each split; what is missing, rare, spelled twice.

    Args:
        rows: all splits.
        columns: of the task; without labels or tags there is nothing to look at.
        config: of the run.
        names: of the model's outputs in the order of their ids; may be empty where labels were refused.
        report: takes the counts.
    """
    kind = next((column.kind for column in columns if column.kind in (Kind.label, Kind.tags)), None)
    if kind is None:
        return
    counts = {split: _counts(data, kind) for split, data in rows.splits.items()}
    report.figures["labels"] = {
        "ids": {name: number for number, name in enumerate(names)},
        "counts": {split: dict(sorted(found.items())) for split, found in counts.items()},
    }
    what = "classes" if kind is Kind.label else "entity types"
    train = counts.pop("train")
    for split, found in counts.items():
        missing = [f"{name} ({train[name]} in train)" for name in sorted(train) if not found[name]]
        if missing:
            yield warning(
                Area.labels,
                f"{split} lacks {what} that train has, so its figures say nothing of them",
                where=f"{split}, {len(rows.splits[split])} rows",
                found=listing(missing),
                fix="more rows for it: dataset.validation_fraction=0.2, or another file",
                count=len(missing),
            )
    yield from _rare(train, what, config)
    yield from _spelled_twice(train, what)
    yield from _in_quotes(train, what)
    yield from _unused(rows)
    if kind is Kind.label and len(train) > MANY:
        yield warning(
            Area.labels,
            f"the column of labels holds {len(train)} different values in {train.total()} rows of train",
            where=f"column {rows.columns['train']['roles'].get('label')}",
            found=listing(name for name, _ in train.most_common()),
            fix="dataset.columns.label=ANOTHER, if these are no classes",
            count=len(train),
        )


def _counts(data: Dataset, kind: Kind) -> Counter[str]:
    """Rows of each class, or entities of each type."""
    if kind is Kind.label:
        return Counter(iter_column(data, "label"))
    return Counter(name for tags in iter_column(data, "tags") for name, _, _ in entities(tags))


def _rare(train: Mapping[str, int], what: str, config: RunConfig) -> Iterator[Finding]:
    largest = max(train.values(), default=0)
    few = [f"{name} ({count})" for name, count in sorted(train.items()) if count < FEW]
    if few:
        yield warning(
            Area.labels,
            f"{what} with fewer than {FEW} examples in train will hardly be learned",
            where="train",
            found=listing(few),
            fix="more examples, or join them with others by dataset.label_map",
            count=len(few),
        )
    rare = [f"{name} ({count})" for name, count in sorted(train.items()) if count * IMBALANCE < largest]
    if rare:
        weights: Any = getattr(config.task, "class_weights", None)
        unweighted = weights is ClassWeights.none
        yield (warning if unweighted else note)(
            Area.labels,
            f"{what} with less than a tenth of the examples of the largest ({largest})",
            where="train",
            found=listing(rare),
            fix="task.class_weights=balanced" if unweighted else None,
            count=len(rare),
        )


def _spelled_twice(train: Mapping[str, int], what: str) -> Iterator[Finding]:
    """Names that differ in case or accents alone."""
    spellings: dict[str, list[str]] = {}
    for name in train:
        spellings.setdefault(plain_spelling(name) or name, []).append(name)
    for same in spellings.values():
        if len(same) > 1:
            most = max(same, key=lambda name: train[name])
            yield warning(
                Area.labels,
                f"{what} that differ in case or accents alone are learned as different ones",
                where="train",
                found=listing(f"{name} ({train[name]})" for name in sorted(same)),
                relabel={name: most for name in sorted(same) if name != most},
                count=len(same),
            )


def _in_quotes(train: Mapping[str, int], what: str) -> Iterator[Finding]:
    """Names in quotes, which some tool has put around them or left at one end."""
    bare = {name: name.strip(QUOTES).strip() for name in train}
    quoted = {name: bare[name] for name in sorted(train) if bare[name] not in ("", name)}
    if quoted:
        yield warning(
            Area.labels,
            f"quotes are part of the names of {what}",
            where="train",
            found=listing(f"{name} ({train[name]})" for name in quoted),
            relabel=quoted,
            count=len(quoted),
        )


def _unused(rows: Rows) -> Iterator[Finding]:
    """Keys of label_map that rename nothing."""
    if rows.unused:
        near = listing(f"{name} for {key}" for key, name in rows.unused.items() if name)
        yield warning(
            Area.labels,
            f"keys of label_map that the data do not have: {listing(rows.unused)}",
            where="dataset.label_map",
            found=f"labels of the data: {listing(rows.names)}" + (f"; perhaps {near}" if near else ""),
            rename=rows.unused,
            count=len(rows.unused),
        )
