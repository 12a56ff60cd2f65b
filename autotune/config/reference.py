"""The reference manual of the configuration: description and type of each key, and the JSON Schema of all keys."""

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
"""Version of JSON Schema that pydantic writes."""


@cache
def descriptions() -> dict[str, str]:
    """Returns the string under each field of the configuration by key, including the keys of all tasks."""
    texts = _descriptions(RunConfig, "")
    for task in registry.tasks().values():
        texts |= _descriptions(task.Config, "task.")
    return texts


def type_name(annotation: Any) -> str:
    """Returns a type in words: `integer or null`, `linear | cosine | constant`."""
    if get_origin(annotation) is Annotated:
        return type_name(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [type_name(member) for member in get_args(annotation) if member is not NoneType]
        return " or ".join(members + ["null"] * (NoneType in get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(str(member) for member in annotation)
    if get_origin(annotation) in (list, dict):
        inner = [type_name(member) for member in get_args(annotation)]
        return f"list of {inner[0]}" if get_origin(annotation) is list else f"map of {' to '.join(inner)}"
    return NAMES.get(
        annotation, "anything" if annotation is Any else str(getattr(annotation, "__name__", annotation))
    )


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of a config.yaml; the section `task` is that of any registered task."""
    schema = TypeAdapter(RunConfig).json_schema(ref_template="#/$defs/{model}")
    definitions = schema.setdefault("$defs", {})
    tasks = []
    for name, task in registry.tasks().items():
        task_schema = TypeAdapter(task.Config).json_schema(ref_template="#/$defs/{model}")
        definitions |= task_schema.pop("$defs", {})
        task_schema["properties"]["name"] = {"const": name}
        _describe(task_schema, _descriptions(task.Config, ""))
        definitions[task.Config.__name__] = task_schema
        tasks.append({"$ref": f"#/$defs/{task.Config.__name__}"})
    schema["properties"]["task"] = {"anyOf": tasks}
    _describe(schema, _own_descriptions(RunConfig))
    for section in _sections(RunConfig):
        if section.__name__ in definitions:
            _describe(definitions[section.__name__], _own_descriptions(section))
    schema["title"] = "Configuration of an autotune run"
    return {"$schema": DIALECT, **schema}


def _describe(schema: dict[str, Any], texts: dict[str, str]) -> None:
    """Adds texts to the properties of a JSON Schema."""
    for name, property_schema in schema.get("properties", {}).items():
        if name in texts:
            property_schema["description"] = texts[name]


def _sections(schema: type) -> list[type]:
    """Returns the dataclasses of all sections below a section."""
    sections = []
    for member in get_type_hints(schema).values():
        for candidate in get_args(member) or (member,):
            if isinstance(candidate, type) and is_dataclass(candidate):
                sections += [candidate, *_sections(candidate)]
    return sections


def _descriptions(schema: type, prefix: str) -> dict[str, str]:
    """Returns the strings under the fields of a section and of those below it, by dotted key."""
    hints = get_type_hints(schema)
    texts: dict[str, str] = {}
    own_texts = _own_descriptions(schema)
    for field in fields(schema):
        options = get_args(hints[field.name]) or (hints[field.name],)
        section = next(
            (option for option in options if isinstance(option, type) and is_dataclass(option)), None
        )
        if section is not None:
            texts |= _descriptions(section, f"{prefix}{field.name}.")
        if field.name in own_texts:
            texts[f"{prefix}{field.name}"] = own_texts[field.name]
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
