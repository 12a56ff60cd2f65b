"""Decides whether two names are spellings of one name. Similarity alone is not enough: positivo is close to negativo."""

import re
import unicodedata
from collections.abc import Iterable

MIN_LETTERS = 5
"""Shorter names are not checked for typing errors: too many other names differ in one letter."""
SEPARATORS = re.compile(r"[\s_-]+")


def plain_spelling(name: str) -> str:
    """Returns the name without case and accents, with one blank between its words."""
    decomposed = unicodedata.normalize("NFD", name.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return SEPARATORS.sub(" ", bare).strip()


def same_spelling(name: str, candidates: Iterable[str]) -> str | None:
    """Returns the only candidate that differs just in case, accents or one typing error; None if none or several do."""
    plain = {candidate: plain_spelling(candidate) for candidate in candidates if candidate != name}
    target = plain_spelling(name)
    matches = [candidate for candidate, spelling in plain.items() if spelling == target]
    matches = matches or [
        candidate for candidate, spelling in plain.items() if _differ_by_one_typo(target, spelling)
    ]
    return matches[0] if len(matches) == 1 else None


def _differ_by_one_typo(first: str, second: str) -> bool:
    """Whether one letter was left out, added, replaced, or swapped with the next.

    A different first letter (legal, ilegal) or a replaced last one (direito, direita) does not count: it often makes
    another word. Nor does any difference between names with digits.
    """
    shorter, longer = sorted((first, second), key=len)
    if len(shorter) < MIN_LETTERS or len(longer) - len(shorter) > 1 or re.search(r"\d", shorter + longer):
        return False
    start = next(
        (
            position
            for position, (left, right) in enumerate(zip(shorter, longer, strict=False))
            if left != right
        ),
        len(shorter),
    )
    if not start:
        return False
    if len(shorter) < len(longer):
        return shorter[start:] == longer[start + 1 :]
    swapped = shorter[start : start + 2] == longer[start : start + 2][::-1]
    rest = start + 2 if swapped else start + 1
    return shorter[rest:] == longer[rest:] and (swapped or rest < len(shorter))
