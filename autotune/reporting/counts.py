"""What a page quotes of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.publishing.card.examples import row_text, value_text


@dataclass(frozen=True)
class Segment:
    """A stretch of text, and the label that marks it."""

    text: str
    label: str | None = None


def shortened(text: str, most: int = 700) -> str:
    """Returns a text cut to a number of characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def quoted_text(row: Mapping[str, Any]) -> str:
    """Returns the text of a row, or both of its texts, cut to what a page quotes."""
    return shortened(row_text(row))


def quoted_value(value: Any) -> str:
    """Returns a gold value or a prediction as text, cut to what a page quotes."""
    return shortened(value_text(value))


def largest(items: Sequence[tuple[float, int, Any]], item: tuple[float, int, Any], most: int) -> list[Any]:
    """Returns the items with one more, largest first, of which only `most` are kept."""
    if len(items) == most and item[0] <= items[-1][0]:
        return list(items)
    return sorted([*items, item], key=lambda entry: (-entry[0], entry[1]))[:most]
