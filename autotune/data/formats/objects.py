"""JSON whose objects have each key once: Python's json keeps the last of two and says nothing."""

import json
import re
from collections.abc import Iterable
from typing import Any

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]')
NAME = re.compile(r"\s*:")


class KeyTwice(ValueError):
    """An object has a key twice, with two values.

    Args:
        key: that it has twice.
        line: of the second, from 1.
    """

    def __init__(self, key: str, line: int) -> None:
        self.key, self.line = key, line
        super().__init__(f"the key {json.dumps(key, ensure_ascii=False)} occurs twice in an object")


def read_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        KeyTwice: an object has a key with two values.
        ValueError: it is not JSON; a number has more than 4300 digits.
        RecursionError: it is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except _Twice as error:
        raise KeyTwice(error.key, _line(text, error.key)) from error


class _Twice(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    made = dict(pairs)
    if len(made) < len(pairs):
        for key, value in pairs:
            if made[key] != value:
                raise _Twice(key)
    return made


def _line(text: str, wanted: str) -> int:
    """The line of the second of two keys of one object."""
    opened: list[int] = []
    seen: set[tuple[int, str]] = set()
    for token in TOKEN.finditer(text):
        if token[0] == "{":
            opened.append(token.start())
        elif token[0] == "}":
            opened.pop()
        elif NAME.match(text, token.end()) and json.loads(token[0], strict=False) == wanted:
            if (opened[-1], wanted) in seen:
                return text.count("\n", 0, token.start()) + 1
            seen.add((opened[-1], wanted))
    return 1
