"""Classes and entity types: counts per split, missing and rare ones, several spellings."""

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

MAX_IMBALANCE = 10
"""Ratio of rows in the largest class to rows in another beyond which the other is rare."""
MIN_EXAMPLES = 5
"""Rows in train below which a class is hardly learned."""
QUOTES = "\"'`“”‘’«»"
MAX_CLASSES = 50
"""Number of classes beyond which the label column may be the wrong one."""


def audit_labels(
    rows: Rows, columns: Sequence[Column], config: RunConfig, names: Sequence[str], report: Report
) -> Iterator[Finding]:
    """Yields findings about missing, rare and twice-spelled labels; puts the counts per split into the report.

    Args:
        rows: all splits.
        columns: columns of the task; nothing is checked if none holds labels or tags.
        config: config of the run.
        names: names of the model's outputs in the order of their ids; may be empty if labels were refused.
        report: receives the counts.
    """
    kinds = (Kind.label, Kind.labels, Kind.tags)
    kind = next((column.kind for column in columns if column.kind in kinds), None)
    if kind is None:
        return
    counts = {split: _label_counts(data, kind) for split, data in rows.splits.items()}
    report.figures["labels"] = {
        "ids": {name: number for number, name in enumerate(names)},
        "counts": {split: dict(sorted(split_counts.items())) for split, split_counts in counts.items()},
    }
    what = "entity types" if kind is Kind.tags else "classes"
    train = counts.pop("train")
    for split, split_counts in counts.items():
        missing = [f"{name} ({train[name]} in train)" for name in sorted(train) if not split_counts[name]]
        if missing:
            yield warning(
                Area.labels,
                f"{split} lacks {what} that train has, so its scores do not cover them",
                where=f"{split}, {len(rows.splits[split])} rows",
                found=listing(missing),
                fix="more rows for it: dataset.validation_fraction=0.2, or another file",
                count=len(missing),
            )
    yield from _rare_classes(train, what, config)
    yield from _spelled_twice(train, what)
    yield from _in_quotes(train, what)
    yield from _unused_label_map_keys(rows)
    if kind is Kind.labels:
        yield from _constant_labels(train, names, len(rows.splits["train"]))
    if kind is not Kind.tags and len(train) > MAX_CLASSES:
        yield warning(
            Area.labels,
            f"the column of labels holds {len(train)} different values in {train.total()} rows of train",
            where=f"column {rows.columns['train']['roles'].get('label')}",
            found=listing(name for name, _ in train.most_common()),
            fix="dataset.columns.label=ANOTHER, if these are not classes",
            count=len(train),
        )


def _label_counts(data: Dataset, kind: Kind) -> Counter[str]:
    """Returns the rows per class, or the entities per type."""
    if kind is Kind.label:
        return Counter(iter_column(data, "label"))
    if kind is Kind.labels:
        return Counter(name for labels in iter_column(data, "label") for name in labels)
    return Counter(name for tags in iter_column(data, "tags") for name, _, _ in entities(tags))


def _constant_labels(train: Mapping[str, int], names: Sequence[str], rows: int) -> Iterator[Finding]:
    """Yields a finding about labels that every row of train has, or none."""
    constant = [f"{name} ({train.get(name, 0)})" for name in names if train.get(name, 0) in (0, rows)]
    if constant:
        yield warning(
            Area.labels,
            f"labels that all of the {rows} rows of train have, or none, cannot be learned",
            where="train",
            found=listing(constant),
            fix="leave them out by dataset.label_map (null drops a label), or more rows",
            count=len(constant),
        )


def _rare_classes(train: Mapping[str, int], what: str, config: RunConfig) -> Iterator[Finding]:
    """Yields findings about names with few examples, in total or compared with the largest."""
    largest = max(train.values(), default=0)
    few = [f"{name} ({count})" for name, count in sorted(train.items()) if count < MIN_EXAMPLES]
    if few:
        yield warning(
            Area.labels,
            f"{what} with fewer than {MIN_EXAMPLES} examples in train will hardly be learned",
            where="train",
            found=listing(few),
            fix="more examples, or join them with others by dataset.label_map",
            count=len(few),
        )
    rare = [f"{name} ({count})" for name, count in sorted(train.items()) if count * MAX_IMBALANCE < largest]
    if rare:
        # Weights of tags say how words count against each other, not how entity types do.
        weights: Any = getattr(config.task, "class_weights", None) if what == "classes" else None
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
    """Yields findings about names that differ only in case or accents."""
    spellings: dict[str, list[str]] = {}
    for name in train:
        spellings.setdefault(plain_spelling(name) or name, []).append(name)
    for variants in spellings.values():
        if len(variants) > 1:
            most_frequent = max(variants, key=lambda name: train[name])
            yield warning(
                Area.labels,
                f"{what} that differ only in case or accents are learned as separate ones",
                where="train",
                found=listing(f"{name} ({train[name]})" for name in sorted(variants)),
                relabel={name: most_frequent for name in sorted(variants) if name != most_frequent},
                count=len(variants),
            )


def _in_quotes(train: Mapping[str, int], what: str) -> Iterator[Finding]:
    """Yields a finding about names in quotes, which some tool has put around them or left at one end."""
    unquoted = {name: name.strip(QUOTES).strip() for name in train}
    quoted = {name: unquoted[name] for name in sorted(train) if unquoted[name] not in ("", name)}
    if quoted:
        yield warning(
            Area.labels,
            f"quotes are part of the names of {what}",
            where="train",
            found=listing(f"{name} ({train[name]})" for name in quoted),
            relabel=quoted,
            count=len(quoted),
        )


def _unused_label_map_keys(rows: Rows) -> Iterator[Finding]:
    """Yields a finding about keys of label_map that rename nothing."""
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
