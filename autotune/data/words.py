"""Words of a text and the entities over them: offsets to tags and back."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autotune.errors import DataError

WORD = re.compile(r"\w+|[^\w\s\ufeff]")
"""A byte order mark inside a text is a blank, as Unicode had it once (zero width no-break space)."""


class Span(NamedTuple):
    """An entity in a text: characters [start, end)."""

    start: int
    end: int
    label: str


def split_words(text: str) -> list[tuple[int, int]]:
    """(start, end) of runs of Unicode letters and digits, and of each other visible character alone."""
    return [match.span() for match in WORD.finditer(text)]


def words_from_spans(
    text: str, spans: Iterable[Span], given: Sequence[tuple[int, int]] | None = None
) -> tuple[list[str], list[int], list[str]]:
    """Words, their starts and IOB2 tags of a text with entities.

    A word that an entity's border cuts ("Lisboa" in "euroLisboa") becomes two, so that no entity is lost.

    Args:
        text: whole.
        spans: entities.
        given: (start, end) of the words, where the data part the text themselves; None: `split_words` does.

    Raises:
        DataError: entities or words overlap, are empty or leave the text.
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
    for start, end in split_words(text) if given is None else _checked(text, given):
        cuts = [start, *sorted(border for border in borders if start < border < end), end]
        pieces = ((left, right, text[left:right]) for left, right in zip(cuts, cuts[1:], strict=False))
        # A word of the data may hold blanks; those at a cut belong to no word.
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
    if given is not None and sum(tag.startswith("B-") for tag in tags) < len(ordered):
        return words_from_spans(text, ordered)  # an entity stands where the data have no word
    return [text[start:end] for start, end in words], [start for start, _ in words], tags


def offsets_match(tokens: Sequence[str], text: str, starts: Sequence[int]) -> bool:
    """Whether each word stands at its start in the text, one behind the other."""
    if len(tokens) != len(starts):
        return False
    ends = [0, *(start + len(token) for token, start in zip(tokens, starts, strict=True))]
    return all(
        end <= start and token and text[start : start + len(token)] == token
        for token, start, end in zip(tokens, starts, ends, strict=False)
    )


def _checked(text: str, given: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Words that the data bring, without those that hold blanks alone."""
    ends = [0, *(end for _, end in given)]
    for (start, end), before in zip(given, ends, strict=False):
        if not before <= start <= end <= len(text):
            raise DataError(
                "a word overlaps the one before it or leaves the text",
                found=f"{start}..{end} behind {before} in a text of {len(text)} characters",
                fix="offsets of words count characters from 0, the end is exclusive",
            )
    return [(start, end) for start, end in given if text[start:end].strip()]


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
