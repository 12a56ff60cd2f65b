"""Rules for columns, labels and tags: they must fit the task and each other."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from autotune import registry
from autotune.config.column_names import ColumnsConfig
from autotune.config.columns import SEVERAL_VALUES, Kind
from autotune.config.enums import TagRepair, TagScheme
from autotune.config.label_maps import normalize_label
from autotune.config.labels import TAG, label_map, repaired_type
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override, listing

EXAMPLE = "'dataset.label_map={1: negativo, 2: negativo, 5: positivo}'"


def columns(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that columns are named only for roles of the task, and that no column has two roles."""
    if not registry.shares_data(config.task.name, config.dataset.task):
        return
    names = {role: name for role, name in vars(config.dataset.columns).items() if isinstance(name, str)}
    task_columns = registry.task(config.task.name).columns
    roles = [column.role for column in task_columns if not column.optional or column.role in names]
    role_sets = [roles, ["text", "spans"]] if Kind.words in _column_kinds(config) else [roles]
    allowed_roles = dict.fromkeys([role for role_set in role_sets for role in role_set])
    allowed_roles |= dict.fromkeys([*(column.role for column in task_columns), "id", "group"])
    for role, name in names.items():
        if role not in allowed_roles:
            yield ConfigError(
                f"task={config.task.name} has no role {role}",
                where=f"dataset.columns.{role}",
                found=f"{name}; its roles: {listing(allowed_roles)}",
                fix=f"dataset.columns.{role}=null",
            )
    for role_set in role_sets:
        for first, second in combinations(role_set, 2):
            name = names.get(first, first)
            if name == names.get(second, second):
                yield ConfigError(
                    f"one column cannot be {first} and {second}",
                    where=f"dataset.columns.{second if second in names else first}",
                    found=f"{first}: {name}, {second}: {name}",
                    fix=f"dataset.columns.{second if second in names else first}=null, or another column",
                )
    yield from _group_by_label(config.dataset.columns, config)
    yield from _several_label_columns(config)


def _several_label_columns(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks `dataset.columns.labels` and the keys that say how labels are read."""
    data, names = config.dataset, config.dataset.columns.labels
    kinds = _column_kinds(config)
    others = {
        role: name for role, name in vars(data.columns).items() if name in (names or ()) and role != "labels"
    }
    problems = {
        f"task={config.task.name} takes one label per row, from one column": not kinds & {*SEVERAL_VALUES},
        "label and labels exclude each other": data.columns.label is not None,
        "the list of columns is empty": not names,
        "a column is named twice": len(set(names or ())) < len(names or ()),
        f"a column has another role, too: {listing(others)}": bool(others),
    }
    problem = next((text for text, is_so in problems.items() if is_so), None)
    if names is not None and problem is not None:
        remaining = [name for name in dict.fromkeys(names) if name not in others.values()]
        keep = data.columns.label is None and remaining and kinds & {*SEVERAL_VALUES}
        yield ConfigError(
            problem,
            where="dataset.columns.labels",
            found=str(names),
            fix=format_override("dataset.columns.labels", remaining if keep else None),
        )
    if data.label_separator is not None and (
        Kind.labels not in kinds or names is not None or not data.label_separator.strip("[]")
    ):
        yield ConfigError(
            "a separator is for cells that hold several classes",
            where="dataset.label_separator",
            found=f"{data.label_separator!r} with task={config.task.name}, dataset.columns.labels={names}",
            fix="dataset.label_separator=null; it takes a mark such as | and a task with several labels per row",
        )
    if data.label_threshold is not None and (Kind.labels not in kinds or names is None):
        yield ConfigError(
            "a threshold is for columns that hold counts or shares for each class",
            where="dataset.label_threshold",
            found=f"{data.label_threshold} with task={config.task.name}, dataset.columns.labels={names}",
            fix="dataset.label_threshold=null, or dataset.columns.labels=[COLUMN,COLUMN]",
        )


def _group_by_label(columns: ColumnsConfig, config: RunConfig) -> Iterator[AutotuneError]:
    if Kind.label in _column_kinds(config) and columns.group == (columns.label or "label"):
        yield ConfigError(
            "rows with the same label would be kept together, so train and validation would have different labels",
            where="dataset.columns.group",
            found=columns.group,
            fix="dataset.columns.group=null",
        )


def tags(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that keys for tags are only set for tasks with tags."""
    data = config.dataset
    if Kind.tags in _column_kinds(config):
        return
    for key, value, default in (
        ("tag_scheme", data.tag_scheme, TagScheme.auto),
        ("tag_repair", data.tag_repair, TagRepair.repair),
    ):
        if value is not default:
            yield ConfigError(
                f"task={config.task.name} has no tags",
                where=f"dataset.{key}",
                found=str(value),
                fix=f"dataset.{key}={default}",
            )


def labels(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the labels are distinct names of classes or entity types."""
    label_names = config.dataset.labels
    if label_names is None or _without_labels(config):
        return
    of_tags = Kind.tags in _column_kinds(config)
    names = [normalize_label(name) or "" for name in label_names]
    tagged = [name for name in names if of_tags and (name == "O" or name[:2] in ("B-", "I-"))]
    problems = [
        "there are no labels" if not names else None,
        "a label has no name" if "" in names else None,
        "a label is named twice" if len(set(names)) < len(names) else None,
        "labels of a task with tags are entity types; O, B- and I- are added automatically"
        if tagged
        else None,
        "an entity type has no hyphen at its ends"
        if of_tags and any(repaired_type(name) for name in names if name and name not in tagged)
        else None,
    ]
    if any(problems):
        repaired = [name[2:] if name in tagged and name != "O" else name for name in names]
        repaired = [repaired_type(name) or name if of_tags and name else name for name in repaired]
        remaining = list(dict.fromkeys(name for name in repaired if name and not (of_tags and name == "O")))
        yield ConfigError(
            "; ".join(problem for problem in problems if problem),
            where="dataset.labels",
            found=str(label_names),
            fix=format_override("dataset.labels", remaining or None),
        )


def label_map_targets(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that labels are mapped to existing labels that can be scored."""
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
    of_tags = Kind.tags in _column_kinds(config)
    targets = [name for name in label_map(data).values() if name is not None]
    if of_tags:
        targets = [name[2:] if TAG.fullmatch(name) and name != "O" else name for name in targets]
    new_names = [name for name in dict.fromkeys(targets) if not (of_tags and name == "O")]
    unscorable = {name: repaired for name in new_names if of_tags and (repaired := repaired_type(name))}
    if unscorable:
        yield ConfigError(
            f"label_map makes entity types that cannot be scored: {listing(map(repr, unscorable))}",
            where="dataset.label_map",
            found="a hyphen or blank at an end, or the form of a tag",
            fix=format_override(
                "dataset.label_map",
                {key: value and _repaired_label(value) for key, value in label_map(data).items()},
            ),
        )
    known_labels = [normalize_label(name) for name in data.labels or ()]
    unknown = [name for name in new_names if name not in known_labels]
    if known_labels and unknown:
        yield ConfigError(
            "labels are mapped to names that dataset.labels does not have",
            where="dataset.label_map",
            found=f"{listing(unknown)}; dataset.labels: {listing(known_labels)}",
            fix=format_override("dataset.labels", [*known_labels, *unknown]),
        )


def _repaired_label(name: str) -> str:
    """Returns an entity type, or a tag with one, corrected so that it can be scored."""
    prefix = name[:2] if TAG.fullmatch(name) and name != "O" else ""
    return prefix + (repaired_type(name[len(prefix) :]) or name[len(prefix) :])


def keys_without_labels(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that keys for labels are only set for tasks with labels."""
    if not _without_labels(config) or not registry.shares_data(config.task.name, config.dataset.task):
        return
    for key in ("labels", "label_map"):
        value = getattr(config.dataset, key)
        if value is not None:
            yield ConfigError(
                f"task={config.task.name} has no labels",
                where=f"dataset.{key}",
                found=str(value),
                fix=f"dataset.{key}=null",
            )


def label_fixes(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that labels are only corrected where a row has one, and all rows are read."""
    if config.dataset.label_fixes is None:
        return
    if Kind.label not in _column_kinds(config):
        yield ConfigError(
            "only tasks with one label per row take corrected labels; correct others in the data",
            where="dataset.label_fixes",
            found=f"task={config.task.name}",
            fix="dataset.label_fixes=null",
        )
    if config.dataset.streaming:
        yield ConfigError(
            "labels cannot be corrected in a train set that streams",
            where="dataset.label_fixes",
            found="dataset.streaming=true",
            fix="dataset.streaming=false",
        )


def _column_kinds(config: RunConfig) -> set[Kind]:
    return {column.kind for column in registry.task(config.task.name).columns}


def _without_labels(config: RunConfig) -> bool:
    return not _column_kinds(config) & {Kind.label, Kind.labels, Kind.tags}
