"""Lists all keys of the configuration, and finds the one that was probably meant."""

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from omegaconf import MISSING as OMEGACONF_MISSING

from autotune import registry
from autotune.config.schema import RunConfig
from autotune.errors import nearest


@cache
def keys() -> dict[str, Any]:
    """Returns every key of the configuration with its type, including the keys of all tasks."""
    return {key: field_type for key, field_type, _ in _all_fields()}


@cache
def defaults() -> dict[str, Any]:
    """Returns the default of every key, before any YAML file; None also for required keys."""
    return {key: None if value in (MISSING, OMEGACONF_MISSING) else value for key, _, value in _all_fields()}


def _all_fields() -> Iterator[tuple[str, Any, Any]]:
    yield from _fields_of(RunConfig, "")
    for task in registry.tasks().values():
        yield from _fields_of(task.Config, "task.")


def tasks_with(key: str) -> list[str]:
    """Returns the names of the tasks that have a key of the section `task`."""
    return [
        name
        for name, task in registry.tasks().items()
        if key in {known for known, _, _ in _fields_of(task.Config, "task.")}
    ]


def suggest(key: str, groups: Iterable[str] = ()) -> str | None:
    """Returns the key or group that was probably meant, or None if none is similar enough.

    Args:
        key: as the user wrote it.
        groups: names of config groups, which are candidates, too.
    """
    section, _, leaf = key.lower().rpartition(".")
    candidates = [*groups, *keys()]
    inside = [candidate for candidate in candidates if section and candidate.startswith(f"{section}.")]
    with_prefix = [candidate for candidate in inside if candidate.startswith(key.lower())]
    if with_prefix:
        return with_prefix[0]
    ordered = sorted(
        candidates, key=lambda name: not name.startswith("trainer.")
    )  # the section that most people mean
    by_leaf = {candidate.rsplit(".", 1)[-1]: candidate for candidate in reversed(ordered)}
    return nearest(key, inside) or by_leaf.get(nearest(leaf, by_leaf) or "") or nearest(key, candidates)


def _fields_of(schema: type, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    """Yields name, type and default of each key of a section and of the sections below it."""
    hints = get_type_hints(schema, include_extras=True)
    for field in fields(schema):
        field_type = hints[field.name]
        members = get_args(field_type) if get_origin(field_type) in (Union, UnionType) else (field_type,)
        section = next((member for member in members if is_dataclass(member)), None)
        if isinstance(section, type):
            yield from _fields_of(section, f"{prefix}{field.name}.")
        else:
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            yield f"{prefix}{field.name}", field_type, default


def bare_type(annotated: Any) -> Any:
    """Returns a type without its `Annotated` metadata."""
    return get_args(annotated)[0] if get_origin(annotated) is Annotated else annotated
