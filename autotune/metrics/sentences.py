"""Words and sentences, as the metrics of summaries count them; needs no library."""

import re
import unicodedata

WORD = re.compile(r"\w+")

SENTENCE_END = re.compile(
    r"""
    \n+
    | (?<=[.!?…]) ["'”’»)\]]*+ \s++ (?= \W*+ [^\W\d_a-zß-öø-ÿ] )  # no sentence begins with a digit or small letter
    """,
    re.VERBOSE,
)


def words(text: str) -> list[str]:
    r"""Returns the Unicode words of a text: NFC, lower case, `\w+`; no stemming.

    `não` is one word and `avó` is not `avô`. rouge_score's own tokenizer breaks words at every letter that is
    not a to z.
    """
    return WORD.findall(unicodedata.normalize("NFC", text).lower())


def sentences(text: str) -> list[str]:
    """Returns the non-empty sentences of a text, without the blanks and closing quotes between them.

    A sentence ends at a line break, and after `.`, `!`, `?` or `…` (closing quotes and brackets may follow) before
    blanks and a word that begins with neither a digit nor a small letter: `art. 5` and `etc. e` stay whole; `Sr. Silva`
    does not.
    """
    return [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]


def sentence_starts(text: str) -> list[int]:
    """Returns where each of the `sentences` of a text begins: 0 first, and never the end of the text."""
    return [0, *(match.end() for match in SENTENCE_END.finditer(text) if match.end() < len(text))]
