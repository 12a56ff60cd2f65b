"""The reference manual of the configuration: what each key does, its type and default, and the JSON Schema of all of them."""

import ast
import inspect
import textwrap
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from autotune import registry
from autotune.config.schema import RunConfig

NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", dict: "map", list: "list"}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version that pydantic writes."""


@cache
def descriptions() -> dict[str, str]:
    """Returns the text under each field of the configuration, by key, the keys of all tasks included."""
    found = _descriptions(RunConfig, "")
    for task in registry.tasks().values():
        found |= _descriptions(task.Config, "task.")
    return found


def type_name(kind: Any) -> str:
    """Returns a type in words: `integer or null`, `linear | cosine | constant`."""
    if get_origin(kind) is Annotated:
        return type_name(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        members = [type_name(member) for member in get_args(kind) if member is not NoneType]
        return " or ".join(members + ["null"] * (NoneType in get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " | ".join(str(member) for member in kind)
    if get_origin(kind) in (list, dict):
        inner = [type_name(member) for member in get_args(kind)]
        return f"list of {inner[0]}" if get_origin(kind) is list else f"map of {' to '.join(inner)}"
    return NAMES.get(kind, "anything" if kind is Any else str(getattr(kind, "__name__", kind)))


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of a config.yaml; the section `task` is that of any registered task."""
    schema = TypeAdapter(RunConfig).json_schema(ref_template="#/$defs/{model}")
    definitions = schema.setdefault("$defs", {})
    tasks = []
    for name, task in registry.tasks().items():
        of_task = TypeAdapter(task.Config).json_schema(ref_template="#/$defs/{model}")
        definitions |= of_task.pop("$defs", {})
        of_task["properties"]["name"] = {"const": name}
        _describe(of_task, _descriptions(task.Config, ""))
        definitions[task.Config.__name__] = of_task
        tasks.append({"$ref": f"#/$defs/{task.Config.__name__}"})
    schema["properties"]["task"] = {"anyOf": tasks}
    _describe(schema, _own_descriptions(RunConfig))
    for section in _sections(RunConfig):
        if section.__name__ in definitions:
            _describe(definitions[section.__name__], _own_descriptions(section))
    schema["title"] = "Configuration of an autotune run"
    return {"$schema": DIALECT, **schema}


def _describe(schema: dict[str, Any], texts: dict[str, str]) -> None:
    for name, about in schema.get("properties", {}).items():
        if name in texts:
            about["description"] = texts[name]


def _sections(schema: type) -> list[type]:
    """Returns the dataclasses below a section."""
    found = []
    for member in get_type_hints(schema).values():
        for kind in get_args(member) or (member,):
            if isinstance(kind, type) and is_dataclass(kind):
                found += [kind, *_sections(kind)]
    return found


def _descriptions(schema: type, prefix: str) -> dict[str, str]:
    hints = get_type_hints(schema)
    texts: dict[str, str] = {}
    own = _own_descriptions(schema)
    for field in fields(schema):
        kinds = get_args(hints[field.name]) or (hints[field.name],)
        section = next((kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)), None)
        if section is not None:
            texts |= _descriptions(section, f"{prefix}{field.name}.")
        if field.name in own:
            texts[f"{prefix}{field.name}"] = own[field.name]
    return texts


@cache
def _own_descriptions(schema: type) -> dict[str, str]:
    """Returns the strings that follow the fields of a class and of those it derives from."""
    texts: dict[str, str] = {}
    for owner in reversed(schema.__mro__[:-1]):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(body, ast.ClassDef)
        for field, following in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
                and isinstance(following.value.value, str)
            ):
                texts[field.target.id] = inspect.cleandoc(following.value.value)
    return texts
