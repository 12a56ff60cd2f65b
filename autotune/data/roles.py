"""The roles that columns play, by whatever name the data call them."""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True)
class Column:
    """One role of a task: its canonical name (a field of `dataset.columns`), what it holds, and whether it is
    what the model learns to predict (and so may be missing in prediction)."""

    role: str
    kind: Kind
    target: bool = False
