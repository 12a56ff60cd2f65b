"""Reads rows of the scored split for the card, if configured, with personal data masked."""

import re
from collections.abc import Mapping, Sequence
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
"""Patterns by the word that replaces a match. The order matters: an e-mail address must be masked before its `@…`
looks like a user name, and a CPF before its digits look like a phone number."""
MAX_CHARACTERS = 300
"""Maximum length of a text on the card."""


@dataclass(frozen=True)
class Example:
    """A row as the card shows it."""

    text: str
    reference: str
    prediction: str


def examples(predictions: Path, count: int, columns: Sequence[Column]) -> list[Example]:
    """Returns the first rows of a file of predictions, masked and truncated.

    Args:
        predictions: file with one JSON object per line: the row's columns, except for long ones, and `prediction`.
        count: number of rows; 0 reads nothing.
        columns: columns of the task.

    Raises:
        ModelError: a line is damaged.
    """
    if not count:
        return []
    (target,) = (column.role for column in columns if column.target)
    fix = "report.examples=0 in config.yaml leaves the examples away"
    rows = []
    for number, row in enumerate(islice(read_lines(predictions, fix=fix), count), 1):
        try:
            rows.append(_example(row, target))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(predictions, f"line {number} is not a row with its prediction", fix) from error
    return rows


def masked(text: str) -> str:
    """Returns a text with e-mail addresses, CPF, CNPJ and phone numbers, user names and URLs replaced by their kind."""
    for name, pattern in PERSONAL.items():
        text = pattern.sub(f"[{name}]", text)
    return text


def row_text(row: Mapping[str, Any]) -> str:
    """Returns the text of a row, or both of its texts; an empty text if the row has none."""
    return " — ".join(str(row[role]) for role in ("text", "text_pair") if row.get(role))


def value_text(value: Any) -> str:
    """Returns a gold value or a prediction as text: numbers with four digits, several of them by name, labels with commas."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_text(number)}" for name, number in value.items())
    if isinstance(value, list):
        return ", ".join(map(value_text, value)) or "—"
    return str(value)


def _example(row: dict[str, Any], target: str) -> Example:
    labels = [row[target], row["prediction"]]
    if isinstance(labels[0], list) and "tokens" in row:
        labels = [_entities(row["tokens"], tags) for tags in labels]
    texts = [row_text(row) or str(row["id"]), *map(value_text, labels)]
    # Mask before truncating: half of a phone number would not match its pattern.
    return Example(*(_truncated(masked(text)) for text in texts))


def _entities(words: list[str], tags: list[str]) -> str:
    """Returns the entities of IOB2 tags as text: São Luís (LOCAL); Ana (PESSOA)."""
    entities: list[tuple[str, list[str]]] = []
    for word, tag in zip(words, tags, strict=True):
        prefix, _, entity_type = tag.partition("-")
        if prefix == "B":
            entities.append((entity_type, [word]))
        elif prefix == "I" and entities:
            entities[-1][1].append(word)
    return "; ".join(f"{' '.join(words)} ({entity_type})" for entity_type, words in entities) or "—"


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1].rstrip() + "…"
