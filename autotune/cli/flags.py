"""Flags of every command, taken out of a command line."""

import os
from typing import Any

from autotune.errors import ConfigError


def take_switch(words: list[str], name: str) -> bool:
    """Takes a flag out of the words; whether it was there."""
    given = name in words
    words[:] = [word for word in words if word != name]
    return given


def take_values(words: list[str], name: str) -> list[str]:
    """Takes `name VALUE` and `name=VALUE` out of the words, wherever they stand.

    Raises:
        ConfigError: the last word is the name.
    """
    taken: list[str] = []
    rest: list[str] = []
    remaining: Any = iter(words)
    for word in remaining:
        if word == name:
            value = next(remaining, None)
            if value is None:
                raise ConfigError("the flag needs a value", where=name)
            taken.append(value)
        elif word.startswith(f"{name}="):
            taken.append(word.partition("=")[2])
        else:
            rest.append(word)
    words[:] = rest
    return taken


def decoded(word: str) -> str:
    """A text of the command line as UTF-8, also where the locale (C, with PYTHONUTF8=0) kept Python from reading it so."""
    try:
        return os.fsencode(word).decode("utf-8")
    except UnicodeError:
        return word
