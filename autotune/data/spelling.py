"""Whether two names are one name in two spellings. Likeness alone says nothing: positivo is nearly negativo."""

import re
import unicodedata
from collections.abc import Iterable

SHORTEST = 5
"""A name with fewer letters has too many neighbours for a typing error to be told from another name."""
BETWEEN = re.compile(r"[\s_-]+")


def plain_spelling(name: str) -> str:
    """The name without case and accents, with one blank between its words."""
    decomposed = unicodedata.normalize("NFD", name.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return BETWEEN.sub(" ", bare).strip()


def same_spelling(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that differs in case, accents or one typing error alone; None where there is none, or several."""
    plain = {candidate: plain_spelling(candidate) for candidate in candidates if candidate != name}
    mine = plain_spelling(name)
    found = [candidate for candidate, theirs in plain.items() if theirs == mine]
    found = found or [candidate for candidate, theirs in plain.items() if _mistyped(mine, theirs)]
    return found[0] if len(found) == 1 else None


def _mistyped(one: str, other: str) -> bool:
    """Whether one letter was left out, added, replaced, or changed places with the next.

    The first letter makes another word too often (legal, ilegal), and so does another last one (direito, direita);
    numbers that differ are different.
    """
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < SHORTEST or len(longer) - len(shorter) > 1 or re.search(r"\d", shorter + longer):
        return False
    start = next((at for at, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    if not start:
        return False
    if len(shorter) < len(longer):
        return shorter[start:] == longer[start + 1 :]
    swapped = shorter[start : start + 2] == longer[start : start + 2][::-1]
    rest = start + 2 if swapped else start + 1
    return shorter[rest:] == longer[rest:] and (swapped or rest < len(shorter))
