"""Columns, labels and tags: what is said of them fits the task and itself."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from autotune import registry
from autotune.config.columns import Kind
from autotune.config.enums import TagRepair, TagScheme
from autotune.config.label_maps import normalize_label
from autotune.config.labels import TAG, label_map, repaired_type
from autotune.config.schema import ColumnsConfig, RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override, listing

EXAMPLE = "'dataset.label_map={1: negativo, 2: negativo, 5: positivo}'"


def columns(config: RunConfig) -> Iterator[AutotuneError]:
    """Columns are named for roles that the task has, and each column plays one."""
    if config.dataset.task not in (None, config.task.name):
        return
    given = {role: name for role, name in vars(config.dataset.columns).items() if name is not None}
    roles = [column.role for column in registry.task(config.task.name).columns]
    forms = [roles, ["text", "spans"]] if Kind.words in _kinds(config) else [roles]
    known = dict.fromkeys([role for form in forms for role in form] + ["id", "group"])
    for role, name in given.items():
        if not name.strip():
            yield ConfigError(
                "a column has no name",
                where=f"dataset.columns.{role}",
                found=repr(name),
                fix=f"dataset.columns.{role}=null",
            )
        elif role not in known:
            yield ConfigError(
                f"task={config.task.name} has no role {role}",
                where=f"dataset.columns.{role}",
                found=f"{name}; its roles: {listing(known)}",
                fix=f"dataset.columns.{role}=null",
            )
    for form in forms:
        for one, other in combinations(form, 2):
            name = given.get(one, one)
            if name == given.get(other, other) and name.strip():
                yield ConfigError(
                    f"one column cannot be {one} and {other}",
                    where=f"dataset.columns.{other if other in given else one}",
                    found=f"{one}: {name}, {other}: {name}",
                    fix=f"dataset.columns.{other if other in given else one}=null, or another column",
                )
    yield from _group(config.dataset.columns, config)


def _group(columns: ColumnsConfig, config: RunConfig) -> Iterator[AutotuneError]:
    if Kind.label in _kinds(config) and columns.group == (columns.label or "label"):
        yield ConfigError(
            "rows with the same label would stay together, so validation would have other labels than train",
            where="dataset.columns.group",
            found=columns.group,
            fix="dataset.columns.group=null",
        )


def tags(config: RunConfig) -> Iterator[AutotuneError]:
    """How tags are read is said of tasks that have tags."""
    data = config.dataset
    if Kind.tags in _kinds(config):
        return
    for key, given, usual in (
        ("tag_scheme", data.tag_scheme, TagScheme.auto),
        ("tag_repair", data.tag_repair, TagRepair.repair),
    ):
        if given is not usual:
            yield ConfigError(
                f"task={config.task.name} has no tags",
                where=f"dataset.{key}",
                found=str(given),
                fix=f"dataset.{key}={usual}",
            )


def labels(config: RunConfig) -> Iterator[AutotuneError]:
    """The names are those of classes or entity types, each once."""
    given = config.dataset.labels
    if given is None or _without_labels(config):
        return
    of_tags = Kind.tags in _kinds(config)
    names = [normalize_label(name) or "" for name in given]
    tagged = [name for name in names if of_tags and (name == "O" or name[:2] in ("B-", "I-"))]
    faults = [
        "there are no labels" if not names else None,
        "a label has no name" if "" in names else None,
        "a label is named twice" if len(set(names)) < len(names) else None,
        "labels of a task with tags are entity types; O, B- and I- come by themselves" if tagged else None,
        "an entity type has no hyphen at its ends"
        if of_tags and any(repaired_type(name) for name in names if name and name not in tagged)
        else None,
    ]
    if any(faults):
        mended = [name[2:] if name in tagged and name != "O" else name for name in names]
        mended = [repaired_type(name) or name if of_tags and name else name for name in mended]
        left = list(dict.fromkeys(name for name in mended if name and not (of_tags and name == "O")))
        yield ConfigError(
            "; ".join(fault for fault in faults if fault),
            where="dataset.labels",
            found=str(given),
            fix=format_override("dataset.labels", left or None),
        )


def mapped(config: RunConfig) -> Iterator[AutotuneError]:
    """Labels become labels that there are."""
    data = config.dataset
    if data.label_map is None or _without_labels(config):
        return
    if not isinstance(data.label_map, Mapping):
        yield ConfigError(
            "label_map maps labels to labels",
            where="dataset.label_map",
            found=str(data.label_map),
            fix=EXAMPLE,
        )
        return
    of_tags = Kind.tags in _kinds(config)
    targets = [name for name in label_map(data).values() if name is not None]
    if of_tags:
        targets = [name[2:] if TAG.fullmatch(name) and name != "O" else name for name in targets]
    strange = [name for name in dict.fromkeys(targets) if not (of_tags and name == "O")]
    unfit = {name: made for name in strange if of_tags and (made := repaired_type(name))}
    if unfit:
        yield ConfigError(
            f"label_map makes entity types that cannot be scored: {listing(map(repr, unfit))}",
            where="dataset.label_map",
            found="a hyphen or blank at an end, or the form of a tag",
            fix=format_override(
                "dataset.label_map",
                {key: value and _mended(value) for key, value in label_map(data).items()},
            ),
        )
    known = [normalize_label(name) for name in data.labels or ()]
    strange = [name for name in strange if name not in known]
    if known and strange:
        yield ConfigError(
            "labels are mapped to names that dataset.labels does not have",
            where="dataset.label_map",
            found=f"{listing(strange)}; dataset.labels: {listing(known)}",
            fix=format_override("dataset.labels", [*known, *strange]),
        )


def _mended(name: str) -> str:
    """The type, or the type in a tag, that can be scored."""
    prefix = name[:2] if TAG.fullmatch(name) and name != "O" else ""
    return prefix + (repaired_type(name[len(prefix) :]) or name[len(prefix) :])


def unused(config: RunConfig) -> Iterator[AutotuneError]:
    """Labels are named for tasks that have labels."""
    if not _without_labels(config) or config.dataset.task not in (None, config.task.name):
        return
    for key in ("labels", "label_map"):
        given = getattr(config.dataset, key)
        if given is not None:
            yield ConfigError(
                f"task={config.task.name} has no labels",
                where=f"dataset.{key}",
                found=str(given),
                fix=f"dataset.{key}=null",
            )


def _kinds(config: RunConfig) -> set[Kind]:
    return {column.kind for column in registry.task(config.task.name).columns}


def _without_labels(config: RunConfig) -> bool:
    return not _kinds(config) & {Kind.label, Kind.tags}
