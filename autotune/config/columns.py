"""The roles of columns, whatever their names in the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Features


class Kind(StrEnum):
    """What a column holds after reading."""

    text = "text"
    """str, never empty."""
    label = "label"
    """str: the name of a class."""
    words = "words"
    """list of str; the columns `text` (str) and `starts` (list of int) are added: words[i] begins at text[starts[i]]."""
    tags = "tags"
    """list of str, IOB2, one per word."""
    number = "number"
    """float."""
    labels = "labels"
    """list of str: the names of all classes of a row; may be empty."""
    numbers = "numbers"
    """list of float, as many in each row."""


SEVERAL_VALUES = (Kind.labels, Kind.numbers)
"""Kinds of targets that `dataset.columns.labels` may spread over several columns."""


@dataclass(frozen=True)
class Column:
    """One role of a task: its canonical name (a field of `dataset.columns`), what it holds, and whether the model
    learns to predict it (if so, it may be missing in prediction)."""

    role: str
    kind: Kind
    target: bool = False
    optional: bool = False
    """Whether it is only read if `dataset.columns` names it."""


def canonical_features(columns: Sequence[Column], *, given: bool = False) -> "Features":
    """Returns the types of all columns that rows of a task may have.

    Args:
        columns: roles of the task.
        given: adds the columns `given_*`, in which `Converter` keeps the original text where normalizing changed it.
    """
    from datasets import Features, List, Value

    types = {
        Kind.text: Value("string"),
        Kind.label: Value("string"),
        Kind.words: List(Value("string")),
        Kind.tags: List(Value("string")),
        Kind.number: Value("float64"),
        Kind.labels: List(Value("string")),
        Kind.numbers: List(Value("float64")),
    }
    role_types = {column.role: types[column.kind] for column in columns}
    word_types = {"text": Value("string"), "starts": List(Value("int32"))}
    has_words = any(column.kind is Kind.words for column in columns)
    extra = {f"given_{role}": Value("string") for role in (*role_types, *word_types)} if given else {}
    if given and has_words:
        extra |= dict.fromkeys(("given_starts", "given_ends"), List(Value("int32")))
    word_types = word_types if has_words else {}
    other = {"group": Value("string"), "slices": List(Value("string"))}
    return Features({"id": Value("string"), **role_types, **word_types, **extra, **other})
