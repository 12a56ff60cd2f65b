"""Scores of groups of rows by length, and what a page quotes of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LENGTHS = (8, 16, 32, 64, 128, 256, 512)
"""Upper limit, in words, of each slice by length; one more has no limit."""


@dataclass
class LengthSlices:
    """A mean score by length in words."""

    _sums: dict[int, list[float]] = field(default_factory=dict)

    def add(self, words: int, hits: float, out_of: float = 1.0) -> None:
        """Adds a row.

        Args:
            words: length of the row.
            hits: numerator of its score.
            out_of: denominator of its score.
        """
        at = next((number for number, edge in enumerate(LENGTHS) if words <= edge), len(LENGTHS))
        sums = self._sums.setdefault(at, [0, 0.0, 0.0])
        for number, value in enumerate((1, hits, out_of)):
            sums[number] += value

    def rows(self) -> list[Mapping[str, Any]]:
        """Returns name, number of rows and score of each slice, from the shortest on."""
        return [
            {"name": _length_name(at), "rows": int(rows), "score": hits / out_of if out_of else None}
            for at, (rows, hits, out_of) in sorted(self._sums.items())
        ]


def _length_name(at: int) -> str:
    return f"≤ {LENGTHS[at]}" if at < len(LENGTHS) else f"> {LENGTHS[-1]}"


@dataclass(frozen=True)
class Segment:
    """A stretch of text, and the label that marks it."""

    text: str
    label: str | None = None


def shortened(text: str, most: int = 700) -> str:
    """Returns a text cut to a number of characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def largest(items: Sequence[tuple[float, int, Any]], item: tuple[float, int, Any], most: int) -> list[Any]:
    """Returns the items with one more, largest first, of which only `most` are kept."""
    if len(items) == most and item[0] <= items[-1][0]:
        return list(items)
    return sorted([*items, item], key=lambda entry: (-entry[0], entry[1]))[:most]
