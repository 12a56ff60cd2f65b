"""Understands data: task, columns, language, and which rows test and choose; states each decision or asks."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune import registry
from autotune.auto.annotations import are_spans, tag_columns, type_counts
from autotune.auto.decisions import DATA, YOU, Decision
from autotune.auto.labels import certain_label_map, merged
from autotune.auto.language import language_of
from autotune.auto.names import points
from autotune.auto.profiles import Profile, profiles
from autotune.auto.protocol import (
    DataOptions,
    choose_protocol,
    decide_duplicates,
    decide_group,
    find_group,
    label_counts,
)
from autotune.auto.roles import MARGIN, Roles, choose_roles
from autotune.auto.sample import Sample, read_sample
from autotune.config.columns import Kind
from autotune.config.compose import compose_untyped
from autotune.config.label_maps import label_map_override
from autotune.config.overrides import key_of
from autotune.data.formats.annotation_tools import to_canonical_columns
from autotune.data.formats.answers import is_answered
from autotune.errors import ConfigError, format_override, format_text_override, listing

__all__ = ["DataOptions", "Understanding", "understand"]

STARS_TO_CLASSES = {"1": "negativo", "2": "negativo", "3": "neutro", "4": "positivo", "5": "positivo"}
"""What stars may be mapped to; only proposed."""


@dataclass(frozen=True)
class Understanding:
    """What the data are, as overrides of an ordinary run, and why."""

    words: tuple[str, ...]
    """Overrides of an ordinary run, those of the user included: `compose(words)` works."""
    decisions: tuple[Decision, ...]
    rows: int
    """Rows of train that are left after test; estimated where not all were read."""
    counts: Mapping[str, int]
    """Rows of each label, or entities of each type; empty for numbers and summaries."""
    folds: int | None
    """Folds that choose; None: a validation split does."""
    language: str
    """Language tag of the texts."""
    median_words: float
    """Words of a text, in the median."""


@dataclass(frozen=True)
class _Read:
    """Task and columns, whatever the form of the data is."""

    task: str
    settings: Mapping[str, object]
    decisions: tuple[Decision, ...]
    texts: Sequence[str]
    counts: Mapping[str, int]
    columns: Mapping[str, Profile]
    used: tuple[Profile, ...]
    label: Profile | None = None


def understand(path: str, words: Sequence[str], options: DataOptions) -> Understanding:
    """Returns what the data are: a decision with a lead is stated, one without is asked.

    Args:
        path: a file, a folder of splits or a corpus, `sample/<task>`, or a Hub id.
        words: overrides of the user; what they set is not decided.
        options: what the user decides about the rows that test and choose.

    Raises:
        ConfigError: an override is wrong, or it is not clear what a column is for: with a ranking and what to paste.
        DataError: the data do not exist, or cannot be read.
    """
    sample = read_sample(path, words)
    if not sample.rows:
        raise ConfigError("the data have no rows", where=sample.where)
    named = {key_of(word) for word in words}
    task = _named_task(words, sample)
    read = _of_tool(sample, task) or _of_table(sample, task, named)
    groups = find_group(read.columns, read.used, read.label, len(sample.rows))
    group = decide_group(groups, sample.config.columns.group, is_named="dataset.columns.group" in named)
    values = [str(value) for value in read.columns[str(group.value)].values] if group.value else None
    holds_out = sample.test is not None or options.test_fraction != 0
    duplicates, clusters = decide_duplicates(read.texts, values, holds_out=holds_out)
    protocol = choose_protocol(sample, clusters, options)
    language, language_decision = _language(read.texts, sample, named)
    has_test = sample.test is not None or "dataset.test_fraction" in protocol.settings
    settings: dict[str, object] = {
        **read.settings,
        **({"dataset.columns.group": group.value} if group.value else {}),
        **({"dataset.dedup": "leaks"} if has_test else {}),
        **({"dataset.language": language} if language != sample.config.language else {}),
        **protocol.settings,
    }
    if not has_test:
        duplicates, _ = decide_duplicates(read.texts, values, holds_out=False)
    own = [*sample.words, *(_word(key, value) for key, value in settings.items() if key not in named)]
    chosen = () if "task" in named else (f"task={read.task}",)
    decisions = (*read.decisions, group, language_decision, duplicates, *protocol.decisions)
    lengths = sorted(len(text.split()) for text in read.texts)
    return Understanding(
        (*chosen, *own, *words),
        decisions,
        protocol.train,
        label_counts(read.counts, sample.total, len(sample.rows)),
        protocol.folds,
        language,
        float(lengths[len(lengths) // 2]) if lengths else 0.0,
    )


def _named_task(words: Sequence[str], sample: Sample) -> str | None:
    """Returns the task that the user, or the data set's own file, names."""
    values, _ = compose_untyped([*sample.words, *words])
    if any(key_of(word) == "task" for word in words):
        return str(values["task"]["name"])
    return sample.config.task


def _word(key: str, value: object) -> str:
    """Returns an override as it is on a command line, after the shell has read it."""
    if isinstance(value, dict):
        return shlex.split(label_map_override(value))[0]
    is_name = isinstance(value, str) and key != "dataset.splits.validation"
    return shlex.split(format_text_override(key, str(value)) if is_name else format_override(key, value))[0]


def _of_tool(sample: Sample, task: str | None) -> _Read | None:
    """Returns what rows are that hold words with tags, or texts with entities; None for others."""
    kinds = {column.kind for column in registry.task(task).columns} if task is not None else {Kind.tags}
    if Kind.tags not in kinds:
        return None
    task = task or "ner"
    columns = registry.task(task).columns
    if are_spans(sample.rows, sample.config.columns.spans):
        rows = list(
            to_canonical_columns(sample.rows, columns, sample.config, sample.where, [], predicting=False)
        )
        text, spans = sample.config.columns.text or "text", sample.config.columns.spans or "spans"
        counts: dict[str, int] = {}
        for row in rows:
            for span in row.get(spans) or ():
                counts[str(span["label"])] = counts.get(str(span["label"]), 0) + 1
        because = f"the rows are texts with entities by character offsets, of {len(counts)} types: {listing(counts)}"
        table = profiles(rows)
        decisions = (
            Decision("task", task, because),
            Decision("text", text, "an annotation tool wrote it"),
            Decision("label", spans, "an annotation tool wrote it"),
        )
        texts = [str(row.get(text) or "") for row in rows]
        return _Read(task, {}, decisions, texts, counts, table, (table[text], table[spans]))
    return _of_tags(sample, task)


def _of_tags(sample: Sample, task: str) -> _Read | None:
    table = profiles(sample.rows)
    pairs = tag_columns(table)
    names = sample.config.columns
    pairs = [
        (words, tags)
        for words, tags in pairs
        if names.tokens in (None, words.name) and names.tags in (None, tags.name)
    ]
    if not pairs:
        return None
    (words, tags), *others = pairs
    if others and _tag_points(pairs[0]) - _tag_points(others[0]) < MARGIN:
        raise ConfigError(
            "it is not clear which column holds the tags",
            where=sample.where,
            found="\n".join(
                f"{item[1].name}: tags, such as {listing(type_counts(item[1].lists or []))}" for item in pairs
            ),
            fix="\n".join(
                " ".join(
                    format_text_override(f"dataset.columns.{role}", profile.name)
                    for role, profile in zip(("tokens", "tags"), item, strict=True)
                )
                for item in pairs
            ),
        )
    counts = type_counts(tags.lists or [])
    because = f"each row is a list of words with a tag for each, of {len(counts)} types: {listing(counts)}"
    settings = {
        f"dataset.columns.{role}": profile.name
        for role, profile in (("tokens", words), ("tags", tags))
        if profile.name != role
    }
    decisions = (
        Decision("task", task, because),
        Decision("text", words.name, "it holds the words"),
        Decision("label", tags.name, "it holds a tag for each word"),
    )
    texts = [" ".join(sentence) for sentence in words.lists or []]
    return _Read(task, settings, decisions, texts, counts, table, (words, tags))


def _tag_points(pair: tuple[Profile, Profile]) -> int:
    return points(pair[0].name, "tokens") + points(pair[1].name, "tags")


def _of_table(sample: Sample, task: str | None, named: set[str]) -> _Read:
    """Returns what a table, or the answers of annotators, are."""
    rows = sample.rows
    if is_answered(rows[0]):
        columns = registry.task(task or "classification").columns
        rows = list(to_canonical_columns(rows, columns, sample.config, sample.where, [], predicting=False))
    table = profiles(rows)
    roles = choose_roles(table, sample.config, task, sample.where)
    target = roles.target
    settings: dict[str, object] = {
        f"dataset.columns.{role}": name
        for role, name in [
            *((role, text.name) for role, text in roles.texts.items()),
            *target.columns.items(),
        ]
        if role != name
    }
    settings |= target.settings
    mapping: dict[str, str | None] = {}
    missing = len(target.profile.cells) - target.profile.filled
    if target.kind is Kind.label and "dataset.label_map" not in named and sample.config.label_map is None:
        mapping = certain_label_map(target.counts, missing)
        settings |= {"dataset.label_map": mapping} if mapping else {}
    counts = merged(target.counts, mapping)
    texts = [
        "\n".join(parts)
        for parts in zip(
            *([value or "" for value in item.values] for item in roles.texts.values()), strict=True
        )
    ]
    decisions = (
        _task_decision(roles, task),
        *_column_decisions(roles, counts, mapping, missing),
        _left_out(table, roles),
    )
    used = (*roles.texts.values(), target.profile)
    label = target.profile if target.kind is Kind.label else None
    return _Read(target.task, settings, decisions, texts, counts, table, used, label)


def _task_decision(roles: Roles, task: str | None) -> Decision:
    target = roles.target
    if task is not None:
        return Decision("task", task, "it was named", YOU)
    shape = {
        Kind.label: f"each text has one of {len(target.counts)} classes",
        Kind.labels: f"each text has any of {len(target.counts)} labels",
        Kind.numbers: "each text has a number",
        Kind.text: "each text has a shorter one with much of its words",
    }[target.kind]
    rest = tuple(" ".join(other.overrides()) for other in roles.rivals[:3])
    if target.kind is Kind.label and target.profile.is_stars:
        rest = ("task=ordinal", *rest)
    return Decision("task", target.task, shape, DATA, rest, "task=TASK")


def _column_decisions(
    roles: Roles, counts: Mapping[str, int], mapping: Mapping[str, str | None], missing: int
) -> list[Decision]:
    """Returns the decisions about text and label."""
    decisions = []
    for role, text in roles.texts.items():
        others = tuple(
            format_text_override(f"dataset.columns.{role}", other.name) for other in roles.other_texts
        )
        because = f"{text.median_words:g} words in the median, {len(text.counts)} different of {text.filled}"
        source = YOU if role in roles.by_user else DATA
        decisions.append(
            Decision("text", text.name, because, source, others, f"dataset.columns.{role}=COLUMN")
        )
    target = roles.target
    name = ", ".join(
        ", ".join([names] if isinstance(names, str) else names)
        for role, names in target.columns.items()
        if role != "document"
    )
    role = next(role for role in target.columns if role != "document")
    source = YOU if role in roles.by_user else DATA
    if target.kind in (Kind.label, Kind.labels):
        because = f"{len(counts)} values: {listing(f'{label} ({count})' for label, count in sorted(counts.items(), key=lambda item: -item[1]))}"
    else:
        because = (
            "it holds numbers" if target.kind is Kind.numbers else "its words are mostly those of the text"
        )
    override = f"dataset.columns.{role}=COLUMN"
    rest = tuple(" ".join(other.overrides()) for other in roles.rivals[:3])
    if target.profile.is_stars and target.kind is Kind.label:
        rest = (label_map_override(STARS_TO_CLASSES), *rest)
    decisions.append(Decision("label", name, because, source, rest, override))
    return decisions


def _left_out(table: Mapping[str, Profile], roles: Roles) -> Decision:
    used = {text.name for text in roles.texts.values()}
    for names in roles.target.columns.values():
        used |= {names} if isinstance(names, str) else set(names)
    rest = [profile for name, profile in table.items() if name not in used]
    return Decision("left_out", ", ".join(profile.name for profile in rest) or None, "", DATA)


def _language(texts: Sequence[str], sample: Sample, named: set[str]) -> tuple[str, Decision]:
    if "dataset.language" in named:
        return sample.config.language, Decision("language", sample.config.language, "you named it", YOU)
    language, share = language_of(texts)
    if language == "pt" and sample.config.language.startswith("pt"):
        language = sample.config.language
    because = f"{share:.0%} of the texts, by their frequent words"
    return language, Decision("language", language, because, DATA, (), "dataset.language=TAG")
