"""A JSON reader that refuses duplicate keys: Python's json silently keeps the last value."""

import json
import re
from collections.abc import Iterable
from typing import Any

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]')
NAME = re.compile(r"\s*:")


class DuplicateKeyError(ValueError):
    """An object has the same key twice, with different values.

    Args:
        key: the duplicate key.
        line: line of its second occurrence, from 1.
    """

    def __init__(self, key: str, line: int) -> None:
        self.key, self.line = key, line
        super().__init__(f"the key {json.dumps(key, ensure_ascii=False)} occurs twice in an object")


def read_json(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        DuplicateKeyError: an object has a key with two values.
        ValueError: the text is not JSON; a number has more than 4300 digits.
        RecursionError: the text is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_dict)
    except _DuplicateKey as error:
        raise DuplicateKeyError(error.key, _line_of_duplicate(text, error.key)) from error


class _DuplicateKey(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _unique_dict(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    unique = dict(pairs)
    if len(unique) < len(pairs):
        for key, value in pairs:
            if unique[key] != value:
                raise _DuplicateKey(key)
    return unique


def _line_of_duplicate(text: str, key: str) -> int:
    """Returns the line, from 1, where an object repeats a key.

    json's hook does not know positions, so the text is scanned again, and only after a duplicate was found.
    """
    open_braces: list[int] = []
    seen: set[tuple[int, str]] = set()
    for token in TOKEN.finditer(text):
        if token[0] == "{":
            open_braces.append(token.start())
        elif token[0] == "}":
            open_braces.pop()
        elif NAME.match(text, token.end()) and json.loads(token[0], strict=False) == key:
            if (open_braces[-1], key) in seen:
                return text.count("\n", 0, token.start()) + 1
            seen.add((open_braces[-1], key))
    return 1
