"""The names of all keys, and which one was probably meant."""

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from omegaconf import MISSING as OMEGACONF_MISSING

from autotune import registry
from autotune.config.schema import RunConfig
from autotune.errors import nearest


@cache
def keys() -> dict[str, Any]:
    """Every key of the configuration with its type, the keys of all tasks included."""
    return {key: kind for key, kind, _ in _all_fields()}


@cache
def defaults() -> dict[str, Any]:
    """The default of every key, before any YAML file; None also where a value must be given."""
    return {key: None if value in (MISSING, OMEGACONF_MISSING) else value for key, _, value in _all_fields()}


def _all_fields() -> Iterator[tuple[str, Any, Any]]:
    yield from _fields_of(RunConfig, "")
    for task in registry.tasks().values():
        yield from _fields_of(task.Config, "task.")


def suggest(key: str, groups: Iterable[str] = ()) -> str | None:
    """The key or group that was probably meant, or None when none comes near.

    Args:
        key: as the user wrote it.
        groups: names that may stand where keys do.
    """
    section, _, leaf = key.lower().rpartition(".")
    candidates = [*groups, *keys()]
    inside = [candidate for candidate in candidates if section and candidate.startswith(f"{section}.")]
    begun = [candidate for candidate in inside if candidate.startswith(key.lower())]
    if begun:
        return begun[0]
    ordered = sorted(candidates, key=lambda one: not one.startswith("trainer."))  # which most people mean
    by_leaf = {candidate.rsplit(".", 1)[-1]: candidate for candidate in reversed(ordered)}
    return nearest(key, inside) or by_leaf.get(nearest(leaf, by_leaf) or "") or nearest(key, candidates)


def _fields_of(schema: type, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    """The name of each key of a section and of those below it, its type and its default."""
    hints = get_type_hints(schema, include_extras=True)
    for field in fields(schema):
        kind = hints[field.name]
        members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        section = next((member for member in members if is_dataclass(member)), None)
        if isinstance(section, type):
            yield from _fields_of(section, f"{prefix}{field.name}.")
        else:
            made = field.default_factory() if field.default_factory is not MISSING else field.default
            yield f"{prefix}{field.name}", kind, made
