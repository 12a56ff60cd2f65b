"""Where the characters of a normalised text stand in the text that was given."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal

from autotune.config.label_maps import SURROGATE

NormalForm = Literal["NFC", "NFKC"]


class Alignment:
    """Leads from a text in a normal form back to the one that it was made of.

    Both are cut into the same pieces, each of which is normalised by itself: a letter and its marks, a ligature.

    Args:
        given: the text before.
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
        """Where characters [start, end) of the normalised text, at least one, stand in the given one.

        Of a piece that is another one when normalised, all is taken.
        """
        first, last = (bisect_right(self._normal, position) - 1 for position in (start, end - 1))
        return self._offset(first, start, whole=first), self._offset(last, end, whole=last + 1)

    def _offset(self, piece: int, position: int, *, whole: int) -> int:
        same = self._given[piece] + position - self._normal[piece]
        return same if self._same[piece] else self._given[whole]


def plain(value: Any) -> str:
    """A text as it was given, without what cannot be written as UTF-8."""
    text = "" if value is None or value != value else str(value)  # NaN is the number unequal to itself
    return SURROGATE.sub("\ufffd", text)


def as_given(row: Mapping[str, Any], role: str) -> str:
    """A text of a row to predict as it was given, before it was brought into a normal form."""
    given = row.get(f"given_{role}")
    return str(row[role] if given is None else given)


def given_words(
    made: Mapping[str, Any], words: Sequence[Any] | None, raw: Any, form: NormalForm | None
) -> dict[str, Any]:
    """`given_text`, `given_starts` and `given_ends` of a row with words; null where it is as it was given.

    Args:
        made: its `text`, `tokens` and `starts`, normalised.
        words: as they were given, where the data part the text themselves.
        raw: the text as it was given, where the data have one.
        form: the normal form.
    """
    text, tokens = plain(raw) if isinstance(raw, str) else "", [plain(word) for word in words or ()]
    spans: list[tuple[int, int]] = []
    if form is not None and text != made["text"] == unicodedata.normalize(form, text):
        alignment = Alignment(text, form)
        places = zip(made["starts"], made["tokens"], strict=True)
        spans = [alignment.span(start, start + len(token)) for start, token in places]
    elif tokens and tokens != made["tokens"] and made["text"] == " ".join(made["tokens"]):
        text, ends = " ".join(tokens), accumulate(map(len, tokens), lambda end, length: end + 1 + length)
        spans = [(end - len(token), end) for token, end in zip(tokens, ends, strict=True)]
    if not spans:
        return {"given_text": None, "given_starts": None, "given_ends": None}
    starts, past = zip(*spans, strict=True)
    return {"given_text": text, "given_starts": list(starts), "given_ends": list(past)}


def _pieces(given: str, form: NormalForm) -> Iterator[tuple[str, str]]:
    """Pieces of a text, as it is and normalised, whose normal forms together are that of the text."""
    piece = normal = ""
    for character in given:
        alone = unicodedata.normalize(form, character)
        decomposed = unicodedata.normalize("NFKD", character)
        together = unicodedata.normalize(form, piece + character)
        # What begins with a mark may yet change its place; of two letters, one may become (Hangul syllables).
        apart = not unicodedata.combining(decomposed[0]) and together == normal + alone
        if piece and apart:
            yield piece, normal
            piece, normal = character, alone
        else:
            piece, normal = piece + character, together
    if piece:
        yield piece, normal
