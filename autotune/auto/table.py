"""Reads what the rows are if they are a table: texts with classes, sets of classes, numbers or summaries."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Any

from autotune import registry
from autotune.auto.decisions import DATA, YOU, Decision
from autotune.auto.labels import certain_label_map, merged
from autotune.auto.profiles import Profile, profiles, say_the_same
from autotune.auto.reading import Reading
from autotune.auto.roles import Roles, choose_roles
from autotune.auto.sample import Sample
from autotune.auto.targets import Target, split_cell
from autotune.config.columns import Kind
from autotune.config.label_maps import label_map_override
from autotune.data.formats.annotation_tools import to_canonical_columns
from autotune.data.formats.answers import is_answered
from autotune.errors import ConfigError, format_text_override, listing

STARS_TO_CLASSES = {"1": "negativo", "2": "negativo", "3": "neutro", "4": "positivo", "5": "positivo"}
"""What stars may be mapped to; only proposed."""


def read_table(sample: Sample) -> Reading:
    """Returns task and columns.

    Raises:
        ConfigError: it is not clear what a column is for, or there is one class only.
        DataError: an answer of an annotator cannot be read.
    """
    task = sample.task
    rows = _answers(sample, task or "classification") if is_answered(sample.rows[0]) else sample.rows
    table = profiles(rows)
    if sample.config.header:
        _refuse_rows_as_names(table, sample.where)
    roles = choose_roles(table, sample.config, task, sample.where)
    target = roles.target
    settings: dict[str, object] = {f"dataset.columns.{role}": text.name for role, text in roles.texts.items()}
    settings |= {f"dataset.columns.{role}": name for role, name in target.columns.items()}
    settings = {key: name for key, name in settings.items() if key != f"dataset.columns.{name}"}
    mapping: dict[str, str | None] = {}
    missing = len(rows) - target.profile.filled
    if target.kind is Kind.label and sample.config.label_map is None:
        mapping = certain_label_map(target.counts, missing)
    counts = merged(target.counts, mapping)
    if target.kind is Kind.label and len(counts) < 2:
        raise _one_class(target, counts, len(rows), sample.where)
    decisions = (
        _task(roles, task),
        *_texts(roles),
        _label(roles, counts, mapping, missing),
        *_left_out(table, roles),
    )
    return Reading(
        target.task,
        {**settings, **target.settings, **({"dataset.label_map": mapping} if mapping else {})},
        decisions,
        _joined(list(roles.texts.values())),
        _labels(target, mapping, len(rows)),
        counts,
        table,
        (*roles.texts.values(), *(table[name] for name in names_of(target))),
    )


def _answers(sample: Sample, task: str) -> list[Mapping[str, Any]]:
    """Returns the answers of annotators with one column for the text, whatever the tool calls it."""
    columns = registry.task(task).columns
    text = sample.config.columns.text or "text"
    rows = to_canonical_columns(sample.rows, columns, sample.config, sample.where, [], predicting=False)
    return [
        {name: cell for name, cell in row.items() if name == text or cell != row.get(text)} for row in rows
    ]


def names_of(target: Target) -> list[str]:
    """Returns the columns that hold the target."""
    names = [name for role, name in target.columns.items() if role != "document"]
    return [each for name in names for each in ([name] if isinstance(name, str) else name)]


def _refuse_rows_as_names(table: Mapping[str, Profile], where: str) -> None:
    """Raises ConfigError if the name of a column of classes is one of its classes: then the first line is a row."""
    for name, profile in table.items():
        if profile.is_class and name in profile.counts:
            raise ConfigError(
                "the first line looks like a row, and not like names of columns",
                where=where,
                found=f"columns: {listing(shorten(other, 40, placeholder='…') for other in table)}",
                fix="dataset.header=false; or a first line with the names of the columns",
            )


def _one_class(target: Target, counts: Mapping[str, int], rows: int, where: str) -> ConfigError:
    return ConfigError(
        f"all {rows} rows that were read have the same label",
        where=f"{where}, column {target.profile.name}",
        found=listing(counts),
        fix="shuffle the rows of a file that is sorted by label; or dataset.columns.label=COLUMN",
    )


def _joined(texts: Sequence[Profile]) -> list[str]:
    """Returns the text of each row; of pairs, both as one."""
    return [
        "\n".join(value or "" for value in values)
        for values in zip(*(text.values for text in texts), strict=True)
    ]


def _labels(target: Target, mapping: Mapping[str, str | None], rows: int) -> list[list[str]]:
    """Returns the labels of each row."""
    if target.kind not in (Kind.label, Kind.labels) or "labels" in target.columns:
        return [[] for _ in range(rows)]
    separator = target.settings.get("dataset.label_separator")
    labels: list[list[str]] = []
    filled = iter(target.profile.lists or ())
    for value in target.profile.values:
        if value is None:
            labels.append([])
        elif target.profile.lists is not None:
            labels.append(sorted(set(next(filled, []))))
        else:
            labels.append(split_cell(value, separator) if separator else [mapping.get(value, value) or value])
    return labels


def _task(roles: Roles, task: str | None) -> Decision:
    target = roles.target
    if task is not None:
        return Decision("task", task, "you named it, or the data set does", YOU)
    because = {
        Kind.label: f"each text has one of {len(target.counts)} classes",
        Kind.labels: f"each text has any of {len(target.counts)} labels",
        Kind.numbers: "each text has a number",
        Kind.text: "each text has a shorter one with much of its words",
    }[target.kind]
    rest = [" ".join(other.overrides()) for other in roles.rivals[:3]]
    if target.kind is Kind.label and target.profile.is_stars:
        rest.insert(0, "task=ordinal")
    return Decision("task", target.task, because, DATA, tuple(rest), "task=NAME")


def _texts(roles: Roles) -> Iterator[Decision]:
    for role, text in roles.texts.items():
        key = f"dataset.columns.{role}"
        rest = tuple(format_text_override(key, other.name) for other in roles.other_texts)
        because = (
            f"{text.median_words:g} words in the median, {len(text.counts)} different cells of {text.filled}"
        )
        yield Decision(
            "text", text.name, because, YOU if role in roles.by_user else DATA, rest, f"{key}=COLUMN"
        )


def _label(roles: Roles, counts: Counter[str], mapping: Mapping[str, str | None], missing: int) -> Decision:
    target = roles.target
    role = list(target.columns)[-1]
    rows = listing(f"{name} ({count})" for name, count in counts.most_common())
    because = {Kind.numbers: "it holds numbers", Kind.text: "its words are mostly those of the text"}.get(
        target.kind, f"labels and rows: {rows}"
    )
    rare = [name for name, count in counts.items() if count == 1]
    spellings = [name for name, new in mapping.items() if new is not None]
    notes = {
        f"kept, but too rare to be scored: {listing(rare)}": rare,
        f"read as another spelling of a label: {listing(spellings)}": spellings,
        f"rows without a label are left out: {missing}": missing if mapping else 0,
    }
    because = "\n".join([because, *(note for note, is_so in notes.items() if is_so)])
    rest = [" ".join(other.overrides()) for other in roles.rivals[:3]]
    if target.kind is Kind.label and target.profile.is_stars:
        rest.insert(0, label_map_override(STARS_TO_CLASSES))
    source = YOU if role in roles.by_user else DATA
    return Decision(
        "label", ", ".join(names_of(target)), because, source, tuple(rest), f"dataset.columns.{role}=COLUMN"
    )


def _left_out(table: Mapping[str, Profile], roles: Roles) -> Iterator[Decision]:
    """Yields the columns that are neither text nor target, with what is known of each."""
    used = {text.name for text in roles.texts.values()} | set(names_of(roles.target))
    rest = [profile for name, profile in table.items() if name not in used]
    if rest:
        reasons = "\n".join(_reason(profile, roles) for profile in rest)
        yield Decision("left_out", ", ".join(profile.name for profile in rest), reasons)


def _reason(profile: Profile, roles: Roles) -> str:
    name, target = profile.name, roles.target
    if target.kind is Kind.label and say_the_same(profile, target.profile):
        return f"{name}: says the same as {target.profile.name}"
    if profile.is_id:
        return f"{name}: another value in each row"
    if profile.is_date:
        return f"{name}: dates or times"
    if profile.is_address:
        return f"{name}: addresses or file names"
    if len(profile.counts) < 2:
        return f"{name}: the same in all rows"
    return f"{name}: another text" if profile.is_text else f"{name}: neither the text nor what is learned"
