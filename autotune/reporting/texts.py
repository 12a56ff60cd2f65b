"""The words of the page in Portuguese and English, and numbers as each language writes them."""

import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files as package_files
from typing import Any

from autotune.config.enums import CardLanguage
from autotune.runtime.language import portuguese


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Returns the text of each key in each language."""
    path = package_files("autotune").joinpath("assets", "report", "texts.toml")
    texts: dict[str, dict[str, str]] = tomllib.loads(path.read_text("utf-8"))
    return texts


def texts(language: CardLanguage) -> Callable[..., str]:
    """Returns a function from the key of a text, with the values in it, to the text."""
    figure = numbers(language)

    def text(key: str, /, **values: Any) -> str:
        shown = {
            name: figure(value, 4 if value < 1 else 1) if isinstance(value, int | float) else value
            for name, value in values.items()
        }
        return catalogue()[key][str(language)].format_map(shown)

    return text


def numbers(language: CardLanguage) -> Callable[..., str]:
    """Returns a function from a number and its decimals to its text."""
    separators = str.maketrans(",.", ".,") if language is CardLanguage.pt else {}

    def number(value: Any, digits: int = 4) -> str:
        if value is None:
            return "—"
        return (f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}").translate(separators)

    return number


def translated(language: CardLanguage) -> Callable[[Any], str]:
    """Returns a function from an English message, as data.json and metrics.json have them, to the reader's language."""
    if language is CardLanguage.en:
        return lambda message: "" if message is None else str(message)
    # `str` would make one text of the parts of a `Pieces`.
    return lambda message: (
        "" if message is None else portuguese(message if isinstance(message, str) else str(message))
    )
