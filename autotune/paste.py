"""Overrides for fixes: written so that a shell and Hydra read them as they are meant."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

PLAIN = re.compile(r"[^\s,:\[\]{}'\"#]([^,:\[\]{}'\"#]*[^\s,:\[\]{}'\"#])?")
"""What needs no quotes inside a list or a map."""


def override(key: str, value: Any) -> str:
    """`key=value`, in the shell's quotes where it needs them."""
    return shlex.quote(f"{key}={value if isinstance(value, str) else _literal(value)}")


def _literal(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return value if PLAIN.fullmatch(value) else "'" + value.replace("'", "''") + "'"
        case Mapping():
            return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_literal, value)) + "]"
    return str(value)
