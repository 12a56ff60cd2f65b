"""Reads the word lists of `assets/auto.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FILE = Path(__file__).parents[1] / "assets" / "auto.toml"


@cache
def words(table: str) -> Mapping[str, tuple[str, ...]]:
    """Returns the word lists of a table by name, each in the order of the file."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: tuple(text.split()) for name, text in tables[table].items()}
