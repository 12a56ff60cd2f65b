"""Where the characters of a normalised text stand in the text that was given."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Literal

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
