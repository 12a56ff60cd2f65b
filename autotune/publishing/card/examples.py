"""Rows of the scored split for the card, where somebody asked for them; what would identify people is masked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from autotune.config.columns import Column
from autotune.runtime.records import damaged, read_lines

PERSONAL = {
    "e-mail": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "CNPJ": re.compile(r"\b\d{2}\.?\d{3}\.?\d{3}/\d{4}-?\d{2}\b"),
    "CPF": re.compile(r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b"),
    "phone": re.compile(r"(?:\+\d{1,3}[ -]?)?(?:\(\d{2}\) ?|\b\d{2} )9?\d{4}[- ]?\d{4}\b|\b9\d{4}-\d{4}\b"),
    "user": re.compile(r"(?<!\w)@\w+"),
    "URL": re.compile(r"https?://\S+"),
}
"""In this order: an address is no user's name, and the digits of a CPF are no phone number."""
LONGEST = 300
"""Characters of a text."""


@dataclass(frozen=True)
class Example:
    """A row as people read it."""

    text: str
    reference: str
    prediction: str


def examples(predictions: Path, count: int, columns: Sequence[Column]) -> list[Example]:
    """The first rows of a file of predictions, masked and cut.

    Args:
        predictions: one JSON object a line: the row's columns, except for long ones, and `prediction`.
        count: so many; 0 reads nothing.
        columns: of the task.
    """
    if not count:
        return []
    (target,) = (column.role for column in columns if column.target)
    fix = "report.examples=0 in config.yaml leaves the examples away"
    shown = []
    for number, row in enumerate(islice(read_lines(predictions, fix=fix), count), 1):
        try:
            shown.append(_example(row, target))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(predictions, f"line {number} is not a row with its prediction", fix) from error
    return shown


def masked(text: str) -> str:
    """A text whose e-mail addresses, CPF, CNPJ and phone numbers, names of users and addresses are named only."""
    for name, pattern in PERSONAL.items():
        text = pattern.sub(f"[{name}]", text)
    return text


def _example(row: dict[str, Any], target: str) -> Example:
    said = [row[target], row["prediction"]]
    if isinstance(said[0], list):
        said = [_entities(row["tokens"], tags) for tags in said]
    texts = [str(row.get("text", row["id"])), *map(str, said)]
    return Example(*(_cut(masked(text)) for text in texts))


def _entities(words: list[str], tags: list[str]) -> str:
    """Entities of IOB2 tags: São Luís (LOCAL); Ana (PESSOA)."""
    found: list[tuple[str, list[str]]] = []
    for word, tag in zip(words, tags, strict=True):
        position, _, kind = tag.partition("-")
        if position == "B":
            found.append((kind, [word]))
        elif position == "I" and found:
            found[-1][1].append(word)
    return "; ".join(f"{' '.join(words)} ({kind})" for kind, words in found) or "—"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
