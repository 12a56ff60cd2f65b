"""The roles that columns play, by whatever name the data call them."""

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
    """list of str; with it come `text` (str) and `starts` (list of int): words[i] begins at text[starts[i]]."""
    tags = "tags"
    """list of str, IOB2, one a word."""
    number = "number"
    """float."""
    labels = "labels"
    """list of str: the names of all classes of a row, perhaps of none."""


@dataclass(frozen=True)
class Column:
    """One role of a task: its canonical name (a field of `dataset.columns`), what it holds, and whether it is
    what the model learns to predict (and so may be missing in prediction)."""

    role: str
    kind: Kind
    target: bool = False


def canonical_features(columns: Sequence[Column], *, given: bool = False) -> "Features":
    """Types of all columns that rows of a task may have; `given`: those of `Converter`'s argument, too."""
    from datasets import Features, List, Value

    kinds = {
        Kind.text: Value("string"),
        Kind.label: Value("string"),
        Kind.words: List(Value("string")),
        Kind.tags: List(Value("string")),
        Kind.number: Value("float64"),
        Kind.labels: List(Value("string")),
    }
    own = {column.role: kinds[column.kind] for column in columns}
    words = {"text": Value("string"), "starts": List(Value("int32"))}
    has_words = any(column.kind is Kind.words for column in columns)
    more = {f"given_{role}": Value("string") for role in (*own, *words)} if given else {}
    if given and has_words:
        more |= dict.fromkeys(("given_starts", "given_ends"), List(Value("int32")))
    words = words if has_words else {}
    return Features({"id": Value("string"), **own, **words, **more, "group": Value("string")})
