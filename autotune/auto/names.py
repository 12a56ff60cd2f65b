"""What the name of a column says about it, without case and accents."""

import re

from autotune.auto.vocabulary import words
from autotune.data.columns import SYNONYMS, plain_name

ROLE, SYNONYM, PART, OTHER = 3, 2, 1, -2
"""Points of a name: the role itself, a synonym, a synonym as a part (overall_rating), a word for something else."""
PAIRS = (
    ("premise", "hypothesis"), ("premissa", "hipotese"), ("sentence1", "sentence2"), ("sentenca1", "sentenca2"),
    ("frase1", "frase2"), ("texto1", "texto2"), ("text1", "text2"), ("question1", "question2"), ("pergunta1", "pergunta2"),
    ("text", "text_pair"), ("sentence_a", "sentence_b"), ("premise", "hyp"), ("question", "sentence"),
)  # fmt: skip
"""Names of the two texts of a pair."""


def words_of(name: str) -> list[str]:
    """Returns the words of a name: overall, rating of overallRating or overall_rating."""
    return re.findall(r"[^\W\d_]+", plain_name(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)))


def points(name: str, role: str) -> int:
    """Returns how much a name speaks for a role: `ROLE`, `SYNONYM`, `PART`, 0 or `OTHER`."""
    plain, parts = plain_name(name.strip()), words_of(name)
    something_else = words("words")["something_else"]
    synonyms = {*words("synonyms").get(role, ()), *SYNONYMS.get(role, ())}
    if plain == role:
        return ROLE
    if plain in synonyms:
        return SYNONYM
    if is_title(name):
        return 0
    if {*synonyms, role} & set(parts) and parts[-1] not in something_else:
        return PART
    return OTHER if set(something_else) & set(parts) else 0


def group_rank(name: str) -> int | None:
    """Returns how close a tie the name states, 0 for the closest; None if rows with the same value do not belong together."""
    groups = words("words")["groups"]
    return min((groups.index(part) for part in words_of(name) if part in groups), default=None)


def is_title(name: str) -> bool:
    """Whether the name is that of a text above another one."""
    return not set(words("words")["titles"]).isdisjoint(words_of(name))
