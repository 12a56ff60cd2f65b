"""The language of texts, by the most frequent words of Portuguese, English and Spanish."""

import re
from collections import Counter
from collections.abc import Sequence

from autotune.auto.vocabulary import words

TEXTS = 200
"""Texts that are looked at."""
MIN_SHARE = 0.15
"""Share of words that must be frequent words of the language: it is 0.2 to 0.4 in running text."""
UNKNOWN = "und"
"""Language tag of texts in another language (ISO 639-2: undetermined)."""
EUROPEAN = re.compile(
    r"\b(autocarro|comboio|telemóvel|telemóveis|pequeno-almoço|casa de banho|frigorífico|ecrã|equipa|facto|contacto|registo|"
    r"planeamento|câmara municipal|estou a \w+r|est(á|ás|amos|ão|ava|avam) a \w+r|connosco|bué|giro|fixe|deliberou|euros?|"
    r"mil e \w+ euros|tu és|de acordo com o disposto)\b"
)
BRAZILIAN = re.compile(
    r"\b(ônibus|trem|celular|banheiro|geladeira|time|fato|contato|registro|planejamento|prefeitura|vocês?|reais|"
    r"est(ou|á|amos|ão|ava|avam) \w+ndo|a gente|legal|né|pra|tô|tá)\b"
)
"""Words and forms of one of the two Portugueses."""


def language_of(texts: Sequence[str]) -> tuple[str, float]:
    """Returns the language tag of texts, and the share of them that are in it.

    Args:
        texts: at most `TEXTS` of them, spread over all, are looked at.

    Returns:
        pt, pt-PT, en, es or `UNKNOWN`, and a share from 0 to 1.
    """
    chosen = texts[:: max(1, len(texts) // TEXTS)][:TEXTS]
    joined = "\n".join(chosen).lower()
    votes = Counter(filter(None, map(_language, chosen)))
    name = _language(joined)
    if name is None:
        return UNKNOWN, 1.0
    share = votes[name] / votes.total() if votes else 1.0
    if name == "pt":
        european, brazilian = len(EUROPEAN.findall(joined)), len(BRAZILIAN.findall(joined))
        name = "pt-PT" if european >= 3 and european > 2 * brazilian else name
    return name, share


def _language(text: str) -> str | None:
    """Returns the language whose frequent words are most of a text; None if they are too few or equally many."""
    text_words = re.findall(r"[^\W\d_]+", text.lower())
    hits = {
        name: sum(map(set(frequent).__contains__, text_words))
        for name, frequent in words("languages").items()
    }
    best, second, *_ = sorted(hits.values(), reverse=True)
    if best < max(1, MIN_SHARE * len(text_words)) or best == second:
        return None
    return max(hits, key=lambda name: hits[name])
