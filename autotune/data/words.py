"""Splits text into words and converts entities between character offsets and tags."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autotune.errors import DataError

WORD = re.compile(r"\w+|[^\w\s\ufeff]")
"""A byte order mark inside a text is treated as a blank, its former meaning (zero width no-break space)."""


class Span(NamedTuple):
    """An entity in a text: characters [start, end)."""

    start: int
    end: int
    label: str


def split_words(text: str) -> list[tuple[int, int]]:
    """Returns (start, end) of each run of Unicode letters and digits and of each other visible character."""
    return [match.span() for match in WORD.finditer(text)]


def words_from_spans(
    text: str, spans: Iterable[Span], offsets: Sequence[tuple[int, int]] | None = None
) -> tuple[list[str], list[int], list[str]]:
    """Returns the words of a text with entities, their starts and their IOB2 tags.

    A word that contains an entity's border ("Lisboa" in "euroLisboa") becomes two, so no entity is lost.

    Args:
        text: the whole text.
        spans: entities.
        offsets: (start, end) of each word, if the data are already split into words; None: uses `split_words`.

    Raises:
        DataError: entities overlap or are empty, words overlap, or either leave the text.
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
    borders = sorted({border for span in ordered for border in (span.start, span.end)})
    words: list[tuple[int, int]] = []
    for start, end in split_words(text) if offsets is None else _check_offsets(text, offsets):
        cuts = [start, *borders[bisect_right(borders, start) : bisect_left(borders, end)], end]
        pieces = ((left, right, text[left:right]) for left, right in zip(cuts, cuts[1:], strict=False))
        # Words of the data may contain blanks; blanks next to a cut belong to no word.
        words += [
            (right - len(piece.lstrip()), left + len(piece.rstrip()))
            for left, right, piece in pieces
            if piece.strip()
        ]
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
    if offsets is not None and sum(tag.startswith("B-") for tag in tags) < len(ordered):
        return words_from_spans(
            text, ordered
        )  # an entity is where the data have no word, so the text is split again
    return [text[start:end] for start, end in words], [start for start, _ in words], tags


def offsets_match(tokens: Sequence[str], text: str, starts: Sequence[int]) -> bool:
    """Whether each word is at its start in the text, without overlaps."""
    if len(tokens) != len(starts):
        return False
    ends = [0, *(start + len(token) for token, start in zip(tokens, starts, strict=True))]
    return all(
        end <= start and token and text[start : start + len(token)] == token
        for token, start, end in zip(tokens, starts, ends, strict=False)
    )


def _check_offsets(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the offsets of words that are not blank, after checking them.

    Raises:
        DataError: a word overlaps the one before or leaves the text.
    """
    ends = [0, *(end for _, end in offsets)]
    for (start, end), previous_end in zip(offsets, ends, strict=False):
        if not previous_end <= start <= end <= len(text):
            raise DataError(
                "a word overlaps the one before it or leaves the text",
                found=f"{start}..{end} behind {previous_end} in a text of {len(text)} characters",
                fix="offsets of words count characters from 0, the end is exclusive",
            )
    return [(start, end) for start, end in offsets if text[start:end].strip()]


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Returns (type, first word, exclusive end word) of the entities of IOB2 tags; an I- without its B- is not an entity."""
    entity_spans = []
    label, start = "", -1
    for index, tag in enumerate([*tags, "O"]):
        if start >= 0 and tag != f"I-{label}":
            entity_spans.append((label, start, index))
            start = -1
        if tag.startswith("B-"):
            label, start = tag[2:], index
    return entity_spans


def tags_of(entity_spans: Iterable[tuple[str, int, int]], count: int) -> list[str]:
    """Returns the IOB2 tags of `count` words with these entities, the inverse of `entities`."""
    tags = ["O"] * count
    for label, start, end in entity_spans:
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return tags
