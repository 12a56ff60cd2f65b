"""Maps characters of a normalized text back to the original text."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal

from autotune.config.label_maps import SURROGATE

NormalForm = Literal["NFC", "NFKC"]


class Alignment:
    """Maps a text in a normal form back to the original text.

    Both are cut into corresponding pieces, each of which can be normalized alone: a letter with its marks, a ligature.

    Args:
        given: the original text.
        form: the normal form.
    """

    def __init__(self, given: str, form: NormalForm) -> None:
        pieces = list(_pieces(given, form))
        self._given = [0, *accumulate(len(piece) for piece, _ in pieces)]
        self._normal = [0, *accumulate(len(normal) for _, normal in pieces)]
        self._same = [piece == normal for piece, normal in pieces]
        self.text = "".join(normal for _, normal in pieces)
        """The text in the normal form."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Returns the place of characters [start, end) of the normalized text, at least one, in the original text.

        A piece that normalizing changes is included completely.
        """
        first, last = (bisect_right(self._normal, position) - 1 for position in (start, end - 1))
        return self._offset(first, start, whole=first), self._offset(last, end, whole=last + 1)

    def _offset(self, piece: int, position: int, *, whole: int) -> int:
        same = self._given[piece] + position - self._normal[piece]
        return same if self._same[piece] else self._given[whole]


def plain(value: Any) -> str:
    """Returns a cell as text, without characters that UTF-8 cannot encode."""
    text = "" if value is None or value != value else str(value)  # NaN is the number unequal to itself
    return SURROGATE.sub("\ufffd", text)


def as_given(row: Mapping[str, Any], role: str) -> str:
    """Returns the original text of a row to predict, before normalizing."""
    given = row.get(f"given_{role}")
    return str(row[role] if given is None else given)


def given_words(
    row: Mapping[str, Any], words: Sequence[Any] | None, raw: Any, form: NormalForm | None
) -> dict[str, Any]:
    """Returns `given_text`, `given_starts` and `given_ends` of a row with words; null if normalizing changed nothing.

    Args:
        row: its `text`, `tokens` and `starts`, normalized.
        words: the original words, if the data are already split into words.
        raw: the original text, if the data have one.
        form: the normal form.
    """
    text, tokens = plain(raw) if isinstance(raw, str) else "", [plain(word) for word in words or ()]
    spans: list[tuple[int, int]] = []
    if form is not None and text != row["text"] == unicodedata.normalize(form, text):
        alignment = Alignment(text, form)
        places = zip(row["starts"], row["tokens"], strict=True)
        spans = [alignment.span(start, start + len(token)) for start, token in places]
    elif tokens and tokens != row["tokens"] and row["text"] == " ".join(row["tokens"]):
        text, ends = " ".join(tokens), accumulate(map(len, tokens), lambda end, length: end + 1 + length)
        spans = [(end - len(token), end) for token, end in zip(tokens, ends, strict=True)]
    if not spans:
        return {"given_text": None, "given_starts": None, "given_ends": None}
    starts, past = zip(*spans, strict=True)
    return {"given_text": text, "given_starts": list(starts), "given_ends": list(past)}


def _pieces(given: str, form: NormalForm) -> Iterator[tuple[str, str]]:
    """Yields the pieces of a text, original and normalized; their normal forms concatenated are that of the text."""
    piece = normal = ""
    for character in given:
        normal_alone = unicodedata.normalize(form, character)
        decomposed = unicodedata.normalize("NFKD", character)
        normal_together = unicodedata.normalize(form, piece + character)
        # No boundary before a combining mark, which may still be reordered, nor between letters that merge into one
        # (Hangul syllables).
        is_boundary = not unicodedata.combining(decomposed[0]) and normal_together == normal + normal_alone
        if piece and is_boundary:
            yield piece, normal
            piece, normal = character, normal_alone
        else:
            piece, normal = piece + character, normal_together
    if piece:
        yield piece, normal
