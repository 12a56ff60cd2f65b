"""Words of a text and the entities over them: offsets to tags and back."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autotune.errors import DataError

WORD = re.compile(r"\w+|[^\w\s]")


class Span(NamedTuple):
    """An entity in a text: characters [start, end)."""

    start: int
    end: int
    label: str


def split_words(text: str) -> list[tuple[int, int]]:
    """(start, end) of runs of Unicode letters and digits, and of each other visible character alone."""
    return [match.span() for match in WORD.finditer(text)]


def words_from_spans(text: str, spans: Iterable[Span]) -> tuple[list[str], list[int], list[str]]:
    """Words, their starts and IOB2 tags of a text with entities.

    A word that an entity's border cuts ("Lisboa" in "euroLisboa") becomes two, so that no entity is lost.

    Raises:
        DataError: entities overlap, are empty or leave the text.
    """
    ordered = sorted(spans)
    for span in ordered:
        inside = 0 <= span.start < span.end <= len(text)
        if not inside or not text[span.start : span.end].strip():
            raise DataError(
                "an entity is empty or leaves its text",
                found=f"{span.label} at {span.start}..{span.end} in a text of {len(text)} characters",
                fix="offsets count characters from 0, the end is exclusive",
            )
    for left, right in zip(ordered, ordered[1:], strict=False):
        if right.start < left.end:
            raise DataError(
                "two entities overlap; a word can have one tag only",
                found=f"{left.label} {text[left.start : left.end]!r} at {left.start}..{left.end} and "
                f"{right.label} {text[right.start : right.end]!r} at {right.start}..{right.end}",
                fix="keep one of them",
            )
    borders = {border for span in ordered for border in (span.start, span.end)}
    words: list[tuple[int, int]] = []
    for start, end in split_words(text):
        cuts = [start, *sorted(border for border in borders if start < border < end), end]
        words += list(zip(cuts, cuts[1:], strict=False))
    tags = ["O"] * len(words)
    position = 0
    for span in ordered:
        while position < len(words) and words[position][0] < span.start:
            position += 1
        prefix = "B"
        while position < len(words) and words[position][1] <= span.end:
            tags[position] = f"{prefix}-{span.label}"
            prefix = "I"
            position += 1
    return [text[start:end] for start, end in words], [start for start, _ in words], tags


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """(type, first word, end word exclusive) of the entities of IOB2 tags, read strictly: I- without its B- is none."""
    found = []
    label, start = "", -1
    for index, tag in enumerate([*tags, "O"]):
        if start >= 0 and tag != f"I-{label}":
            found.append((label, start, index))
            start = -1
        if tag.startswith("B-"):
            label, start = tag[2:], index
    return found
