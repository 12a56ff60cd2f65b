"""Finds the column of the data for each role."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from autotune.config.columns import Column, Kind
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.several import joined_column, joined_name
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
"""Names that other data sets use; suggested in errors, never used automatically."""
TEXT_ROLES = ("text", "document")
"""Roles whose cell is the longest of a row."""
MAX_NAME_WORDS = 4
"""Most words in the name of a column; longer names look like text."""


def used_columns(columns: Sequence[Column], config: DatasetConfig) -> list[Column]:
    """Returns the columns that rows have: optional ones only if the config names them."""
    return [
        column
        for column in columns
        if not column.optional or getattr(config.columns, column.role) is not None
    ]


def find_columns(
    row: Mapping[str, Any], columns: Sequence[Column], config: DatasetConfig, where: str, *, predicting: bool
) -> dict[str, str]:
    """Returns the name of the column for each role, based on the first row.

    Words and tags are `tokens` and `tags`, or `text` and `spans`; if the data have both, `text` and `spans` are used if
    the config names the spans. The roles include `id` if the data have it, and `group` if the config names it.

    Raises:
        DataError: a role or a slice has no column. In prediction, both may be missing.
    """
    if not predicting:
        for key in ("slices", "labels"):
            _require_columns(key, getattr(config.columns, key) or (), row, where)
    layouts = [{column.role: column.target for column in used_columns(columns, config)}]
    if any(column.kind is Kind.words for column in columns):
        layouts.append({"text": False, "spans": True})
        if config.format is Format.spans or config.columns.spans is not None:
            layouts.reverse()
    errors = []
    joined = joined_column(columns, config, row)
    for roles in layouts:
        columns_by_role = {role: _column_name(role, row, config, predicting) for role in roles}
        if joined is not None:
            columns_by_role[joined.role] = joined_name(config)
        missing = [
            role
            for role, name in columns_by_role.items()
            if name is None and not (predicting and roles[role])
        ]
        columns_by_role["id"] = _column_name("id", row, config, predicting)
        if config.columns.group is not None and not predicting:
            columns_by_role["group"] = _column_name("group", row, config, predicting)
            missing += ["group"] * (columns_by_role["group"] is None)
        if not missing:
            return {role: name for role, name in columns_by_role.items() if name is not None}
        errors.append(_missing_error(missing, row, config, where))
    raise errors[0]


def _require_columns(key: str, names: Sequence[str], row: Mapping[str, Any], where: str) -> None:
    """Raises DataError if a column of a list in `dataset.columns` is missing."""
    absent = [name for name in names if name not in row]
    if not absent:
        return
    plain_names = {plain_name(str(name)): str(name) for name in row if name not in names}
    guesses = {name: nearest(plain_name(name), plain_names) for name in absent}
    meant = [name if name in row else plain_names.get(guesses[name] or "") for name in names]
    raise DataError(
        f"there is no column {listing(absent)}",
        where=f"{where}, dataset.columns.{key}",
        found=f"columns: {listing(row, 30)}",
        fix=format_override(f"dataset.columns.{key}", [name for name in meant if name is not None]),
    )


def _column_name(role: str, row: Mapping[str, Any], config: DatasetConfig, predicting: bool) -> str | None:
    mapped: str | None = getattr(config.columns, role, None)
    if mapped is not None and mapped in row:
        return mapped
    # In prediction, a file may use the canonical names although the training data had others.
    return role if role in row and (mapped is None or predicting) else None


def _missing_error(
    roles: Sequence[str], row: Mapping[str, Any], config: DatasetConfig, where: str
) -> DataError:
    names = {role: getattr(config.columns, role, None) or role for role in roles}
    plain_names = {plain_name(str(name)): str(name) for name in row}
    overrides = []
    for role, name in names.items():
        guess = nearest(plain_name(name), plain_names)
        synonym = next((plain_names[other] for other in SYNONYMS.get(role, ()) if other in plain_names), None)
        meant = plain_names[guess] if guess else synonym or "COLUMN"
        overrides.append(format_text_override(f"dataset.columns.{role}", meant))
    if _looks_like_row(row):
        cells = list(row)
        text = max(range(len(cells)), key=lambda column: len(str(cells[column])))
        other_cells = [column for column in range(len(cells)) if column != text]
        numbers = {
            role: text if role in TEXT_ROLES else other_cells[0] if other_cells else "COLUMN"
            for role in names
        }
        header_overrides = " ".join(
            format_override(f"dataset.columns.{role}", number) for role, number in numbers.items()
        )
        overrides = [f"if the first line is a row: dataset.header=false {header_overrides}; else", *overrides]
    if list(row) == ["tokens"]:
        overrides = ["a word and its tag in each line; dataset.delimiter names the mark between columns"]
    return DataError(
        f"there is no column {listing(names.values())}",
        where=where,
        found=f"columns: {listing(row, 30)}",
        fix=" ".join(overrides),
    )


def _looks_like_row(row: Mapping[str, Any]) -> bool:
    """Whether column names look like values: a sentence, a number, or equal to the value below them."""
    if not all(isinstance(value, str | int | float | bool | None) for value in row.values()):
        return False
    return any(
        len(str(name).split()) > MAX_NAME_WORDS
        or re.fullmatch(r"[-+]?\d+([.,]\d+)?|.*[.!?]", str(name))
        or (str(value) == str(name) and value)
        for name, value in row.items()
    )


def plain_name(name: str) -> str:
    """Returns a name in lower case, without accents."""
    decomposed = unicodedata.normalize("NFD", name.lower())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
