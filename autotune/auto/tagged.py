"""Reads what the rows are if they hold words with tags, or texts with entities."""

from collections import Counter
from collections.abc import Mapping, Sequence

from autotune import registry
from autotune.auto.annotations import are_spans, tag_columns, type_counts
from autotune.auto.decisions import Decision
from autotune.auto.names import points
from autotune.auto.profiles import Profile, profiles
from autotune.auto.reading import Reading
from autotune.auto.roles import MARGIN
from autotune.auto.sample import Sample
from autotune.config.columns import Kind
from autotune.data.formats.annotation_tools import to_canonical_columns
from autotune.errors import ConfigError, format_text_override, listing

TASK = "ner"


def read_tagged(sample: Sample) -> Reading | None:
    """Returns task and columns; None if the rows are something else, or another task is named.

    Raises:
        ConfigError: it is not clear which column holds the tags.
        DataError: an annotation cannot be read.
    """
    task = sample.task or TASK
    if all(column.kind is not Kind.tags for column in registry.task(task).columns):
        return None
    if are_spans(sample.rows, sample.config.columns.spans):
        return _spans(sample, task)
    return _tags(sample, task)


def _spans(sample: Sample, task: str) -> Reading:
    columns, names = registry.task(task).columns, sample.config.columns
    rows = list(to_canonical_columns(sample.rows, columns, sample.config, sample.where, [], predicting=False))
    table = profiles(rows)
    text, spans = table[names.text or "text"], table[names.spans or "spans"]
    types = [
        [str(span["label"] if isinstance(span, Mapping) else span[2]) for span in cell or ()]
        for cell in spans.cells
    ]
    counts = Counter(name for row_types in types for name in row_types)
    decisions = (
        Decision(
            "task", task, f"the rows are texts with entities by character offsets, of {len(counts)} types"
        ),
        Decision("text", text.name, "an annotation tool wrote it"),
        Decision(
            "label",
            spans.name,
            f"types and entities: {listing(f'{name} ({counts[name]})' for name in counts)}",
        ),
    )
    texts = [str(cell or "") for cell in text.cells]
    return Reading(
        task,
        {},
        decisions,
        texts,
        [sorted(set(names)) for names in types],
        counts,
        table,
        (text, spans),
        True,
    )


def _tags(sample: Sample, task: str) -> Reading | None:
    table, named = profiles(sample.rows), sample.config.columns
    pairs = [
        (words, tags)
        for words, tags in tag_columns(table)
        if named.tokens in (None, words.name) and named.tags in (None, tags.name)
    ]
    if not pairs:
        return None
    if len(pairs) > 1 and _points(pairs[0]) - _points(pairs[1]) < MARGIN:
        raise _ask(pairs, sample.where)
    words, tags = pairs[0]
    counts = type_counts(tags.lists or [])
    settings = {
        f"dataset.columns.{role}": profile.name
        for role, profile in (("tokens", words), ("tags", tags))
        if profile.name != role
    }
    rest = tuple(format_text_override("dataset.columns.tags", other.name) for _, other in pairs[1:])
    decisions = (
        Decision("task", task, f"each row is a list of words with a tag for each, of {len(counts)} types"),
        Decision("text", words.name, "it holds the words"),
        Decision("label", tags.name, f"types and entities: {listing(f'{name} ({counts[name]})' for name in counts)}",
                 alternatives=rest),
    )  # fmt: skip
    texts = [" ".join(sentence) for sentence in words.lists or []]
    types = [sorted(type_counts([sentence])) for sentence in tags.lists or []]
    return Reading(task, settings, decisions, texts, types, counts, table, (words, tags), True)


def _points(pair: tuple[Profile, Profile]) -> int:
    return points(pair[0].name, "tokens") + points(pair[1].name, "tags")


def _ask(pairs: Sequence[tuple[Profile, Profile]], where: str) -> ConfigError:
    fixes = [
        " ".join(format_text_override(f"dataset.columns.{role}", profile.name) for role, profile in roles)
        for roles in (zip(("tokens", "tags"), pair, strict=True) for pair in pairs)
    ]
    types = [f"{tags.name}: tags, such as {listing(type_counts(tags.lists or []), 3)}" for _, tags in pairs]
    return ConfigError(
        "it is not clear which column holds the tags",
        where=where,
        found="\n".join(types),
        fix="\n".join(fixes),
    )
