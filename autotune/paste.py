"""Overrides for fixes: written so that a shell and Hydra read them as they are meant."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

PLAIN = re.compile(r"[^\s,:\[\]{}'\"#]([^,:\[\]{}'\"#]*[^\s,:\[\]{}'\"#])?")
"""What needs no quotes inside a list or a map."""

OTHER = re.compile(
    r"(?!(0|[1-9]\d*)$)[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?"
    r"|[+-]?(inf|nan)|null|true|false|.*,.*|[\[{'\"].*|",
    re.IGNORECASE | re.DOTALL,
)
"""Texts that Hydra would read as something else: numbers, null, several values of a sweep, lists, maps. As a number, 12
is 12; 012 is not."""

SAFE = re.compile(r"[\w@%+=:,./-]+")
"""What no shell reads as anything but itself; with letters of all languages, which shlex would put into quotes."""


def override(key: str, value: Any) -> str:
    """`key=value`, in the shell's quotes where it needs them."""
    return pasted(f"{key}={value if isinstance(value, str) else _literal(value)}")


def override_text(key: str, text: str) -> str:
    """`key=value` where the value is a text, whatever it looks like: the name of a column, of a file, of a split."""
    return pasted(f"{key}={quoted(text) if OTHER.fullmatch(text) else text}")


def quoted(text: str) -> str:
    """A text in the quotes of Hydra's grammar, where only a backslash before a quote is special."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (found[2] and "\\'"), text) + "'"


def pasted(*words: object) -> str:
    """Words of a command line, each in the shell's quotes where it needs them."""
    return " ".join(word if SAFE.fullmatch(word) else shlex.quote(word) for word in map(str, words))


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
