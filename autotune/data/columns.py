"""Which column of the data plays which role."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from autotune.config.columns import Column, Kind
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.errors import DataError, format_override, format_text_override, listing, nearest

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "text": ("texto", "sentence", "review", "review_text", "content", "tweet", "comentario", "frase"),
    "label": (
        "rotulo",
        "polarity",
        "polaridade",
        "sentiment",
        "sentimento",
        "target",
        "class",
        "rating",
        "toxic",
        "nota",
        "estrelas",
        "stars",
        "classe",
        "categoria",
    ),
    "tokens": ("words", "token", "palavras"),
    "tags": ("ner_tags", "labels", "ner", "tag"),
    "document": ("text", "texto", "article", "noticia", "source", "content"),
    "summary": ("sumario", "resumo", "target", "highlights", "abstract"),
}
"""Names that other data sets use; proposed in errors, never guessed."""
TEXTS = ("text", "document")
"""Roles whose cells are the longest of a row."""
MOST_WORDS = 4
"""Names of columns have at most this many."""


def find_columns(
    row: Mapping[str, Any], columns: Sequence[Column], config: DatasetConfig, where: str, *, predicting: bool
) -> dict[str, str]:
    """The name of the column of each role, read off the first row.

    Words and tags come as `tokens` and `tags` or as `text` and `spans`; where the data have both, as `text` and
    `spans` if the config names the spans. `id` is among the roles where the data have it, `group` where
    the config names it.

    Raises:
        DataError: a role has no column. Targets need none in prediction.
    """
    forms = [{column.role: column.target for column in columns}]
    if any(column.kind is Kind.words for column in columns):
        forms.append({"text": False, "spans": True})
        if config.format is Format.spans or config.columns.spans is not None:
            forms.reverse()
    errors = []
    for roles in forms:
        found = {role: _name(role, row, config, predicting) for role in roles}
        missing = [role for role, name in found.items() if name is None and not (predicting and roles[role])]
        found["id"] = _name("id", row, config, predicting)
        if config.columns.group is not None and not predicting:
            found["group"] = _name("group", row, config, predicting)
            missing += ["group"] * (found["group"] is None)
        if not missing:
            return {role: name for role, name in found.items() if name is not None}
        errors.append(_missing(missing, row, config, where))
    raise errors[0]


def _name(role: str, row: Mapping[str, Any], config: DatasetConfig, predicting: bool) -> str | None:
    mapped: str | None = getattr(config.columns, role, None)
    if mapped is not None and mapped in row:
        return mapped
    # In prediction, a file may have our own names although the training data had others.
    return role if role in row and (mapped is None or predicting) else None


def _missing(roles: Sequence[str], row: Mapping[str, Any], config: DatasetConfig, where: str) -> DataError:
    wanted = {role: getattr(config.columns, role, None) or role for role in roles}
    plain = {plain_name(str(name)): str(name) for name in row}
    overrides = []
    for role, name in wanted.items():
        guess = nearest(plain_name(name), plain)
        known = next((plain[other] for other in SYNONYMS.get(role, ()) if other in plain), None)
        meant = plain[guess] if guess else known or "COLUMN"
        overrides.append(format_text_override(f"dataset.columns.{role}", meant))
    if _like_a_row(row):
        cells = list(row)
        text = max(range(len(cells)), key=lambda column: len(str(cells[column])))
        others = [column for column in range(len(cells)) if column != text]
        numbers = {role: text if role in TEXTS else others[0] if others else "COLUMN" for role in wanted}
        told = " ".join(
            format_override(f"dataset.columns.{role}", number) for role, number in numbers.items()
        )
        overrides = [f"if the first line is a row: dataset.header=false {told}; else", *overrides]
    if list(row) == ["tokens"]:
        overrides = ["a word and its tag in each line; dataset.delimiter names the mark between columns"]
    return DataError(
        f"there is no column {listing(wanted.values())}",
        where=where,
        found=f"columns: {listing(row, 30)}",
        fix=" ".join(overrides),
    )


def _like_a_row(row: Mapping[str, Any]) -> bool:
    """Whether the names of the columns look like values: a sentence, a number, or equal the value below them."""
    if not all(isinstance(value, str | int | float | bool | None) for value in row.values()):
        return False
    return any(
        len(str(name).split()) > MOST_WORDS
        or re.fullmatch(r"[-+]?\d+([.,]\d+)?|.*[.!?]", str(name))
        or (str(value) == str(name) and value)
        for name, value in row.items()
    )


def plain_name(name: str) -> str:
    """Lower case, without accents."""
    decomposed = unicodedata.normalize("NFD", name.lower())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
