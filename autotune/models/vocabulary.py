"""Chooses the tokens of a multilingual vocabulary that a run keeps: all that its texts, and texts like them, could use.

How a tokenizer cuts a text depends only on the tokens that occur in the text as strings: Unigram chooses among them,
WordPiece takes the longest, BPE merges nothing else. So a text keeps its tokens if all of these are kept, used or not. Kept are

- the tokens written in letters of the run's language, and all without letters (digits, punctuation, emoji);
- the tokens that are part of any other word of the run's texts;
- single characters and bytes, so that no text has more unknown parts than before; special and added tokens.

Other methods keep the tokens that a corpus uses (Abdaoui et al. 2020, "Load What You Need"; Ushio et al. 2023, "Vocabulary
Trimming"). They save more, and change the tokens of texts that the corpus does not resemble.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

LETTERS = {"pt": ascii_lowercase + "áàâãçéêíóôõúüªº"}
"""Letters of a language, for small data sets that lack some; other languages have the letters of their texts."""
MIN_COUNT, MIN_SHARE = 10, 1e-4
"""How often a letter must occur, and its share of all letters, to count as a letter of the language."""
MIN_SCRIPT_SHARE = 0.01
"""Share of letters from which a script without capitals (Chinese, Arabic, Thai) counts: its letters are too many, or too
dependent on each other, to tell languages apart by."""
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""Token for a byte of a character that a SentencePiece vocabulary lacks."""
SPACE = "▁"
"""Blank in SentencePiece vocabularies."""

Normalize = Callable[[str], str]


@dataclass(frozen=True)
class Spelling:
    """How the tokens of a vocabulary spell texts.

    Args:
        model: section `model` of tokenizer.json.
        byte_level: whether tokens are made of bytes, each written as a letter.
    """

    model: dict[str, Any]
    byte_level: bool

    @cached_property
    def _letter_of_byte(self) -> dict[int, str]:
        return dict(bytes_to_unicode())

    @cached_property
    def _byte_of_letter(self) -> dict[str, int]:
        return {letter: byte for byte, letter in self._letter_of_byte.items()}

    def tokens(self) -> list[tuple[int, str]]:
        """Returns the tokens of the vocabulary with their ids, without added ones."""
        vocab = self.model["vocab"]
        if isinstance(vocab, dict):
            return [(number, token) for token, number in vocab.items()]
        return [(number, token) for number, (token, _) in enumerate(vocab)]

    def unknown(self) -> list[int]:
        """Returns the id of the token for what has no token; empty if the vocabulary has none."""
        if "unk_id" in self.model:
            return [] if self.model["unk_id"] is None else [self.model["unk_id"]]
        number = self.model["vocab"].get(self.model["unk_token"])
        return [] if number is None else [number]

    def without_mark(self, token: str) -> str:
        """Returns a token without the mark that says where in a word it may be."""
        if self.model["type"] == "WordPiece":
            return token.removeprefix(self.model["continuing_subword_prefix"])
        return token.lstrip(self.blank)

    @cached_property
    def blank(self) -> str:
        """How a blank is written."""
        return self._letter_of_byte[ord(" ")] if self.byte_level else SPACE

    def read(self, token: str) -> str:
        """Returns the characters of a token; bytes that are only part of a character are left out."""
        if not self.byte_level:
            return token
        numbers = [self._byte_of_letter.get(letter) for letter in token]
        if None in numbers:  # an added token, which is written as it is
            return token
        return bytes(number for number in numbers if number is not None).decode("utf-8", "ignore")

    def write(self, word: str) -> str:
        """Returns a word as the vocabulary spells it."""
        return "".join(self._letter_of_byte[byte] for byte in word.encode()) if self.byte_level else word


def choose_tokens(
    spelling: Spelling, normalize: Normalize, texts: Callable[[], Iterable[str]], language: str
) -> tuple[set[int], list[str]]:
    """Chooses the tokens that are kept, besides special and added ones.

    Args:
        spelling: the vocabulary.
        normalize: what the tokenizer does to a text before it is cut.
        texts: returns all texts of the run.
        language: language tag of the texts (BCP 47).

    Returns:
        The ids, and the words of the texts that have other letters.
    """
    counts: Counter[str] = Counter()
    for text in _forms(texts()):
        counts.update(text)
    is_common = _common_characters(counts, normalize, language)
    kept: set[int] = set()
    rare: dict[str, list[int]] = {}
    for number, token in spelling.tokens():
        bare = spelling.without_mark(token)
        characters = spelling.read(bare)
        # A token with a blank or line break in it would not be part of any word.
        spans_words = spelling.blank in bare or any(map(str.isspace, characters))
        if len(characters) <= 1 or spans_words or BYTE.fullmatch(token) or all(map(is_common, characters)):
            kept.add(number)
        else:
            rare.setdefault(bare, []).append(number)
    if spelling.model["type"] == "Unigram":
        # The score of an unknown character depends on the lowest score of all tokens.
        scores = [score for _, score in spelling.model["vocab"]]
        kept.add(scores.index(min(scores)))
    kept.update(spelling.unknown())
    words = _other_words(_forms(texts()), {c for c in counts if all(map(is_common, normalize(c)))})
    longest = max(map(len, rare), default=0)
    for word in words:
        for part in re.split(rf"[\s{SPACE}]+", normalize(word)):
            for substring in _substrings(spelling.write(part), longest):
                kept.update(rare.get(substring, ()))
    return kept, words


def _common_characters(counts: Counter[str], normalize: Normalize, language: str) -> Callable[[str], bool]:
    """Returns whether a character is a letter of the language, or not a letter.

    Args:
        counts: how often each character occurs in the texts.
        normalize: what the tokenizer does to a text.
        language: language tag of the texts.
    """
    letters: Counter[str] = Counter()
    for character, count in counts.items():
        for letter in filter(_is_letter, normalize(character)):
            letters[letter] += count
    total = letters.total()
    common = {letter for letter, count in letters.items() if count >= max(MIN_COUNT, MIN_SHARE * total)}
    if any(letter.isascii() for letter in common):
        common |= set(ascii_lowercase)
    common |= set(normalize(LETTERS.get(language.partition("-")[0].lower(), "")))
    common |= {variant for letter in common for variant in (*letter.lower(), *letter.upper())}
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        if not _has_case(letter):
            scripts[_script(letter)] += count
    common_scripts = {script for script, count in scripts.items() if count >= MIN_SCRIPT_SHARE * total}
    answers: dict[str, bool] = {}

    def is_common(character: str) -> bool:
        answer = answers.get(character)
        if answer is None:
            answer = answers[character] = (
                not _is_letter(character)
                or character in common
                or (not _has_case(character) and _script(character) in common_scripts)
            )
        return answer

    return is_common


def _is_letter(character: str) -> bool:
    """Returns whether a character is a letter or a mark on one."""
    return unicodedata.category(character)[0] in "LM"


def _has_case(letter: str) -> bool:
    return unicodedata.category(letter) in ("Lu", "Ll", "Lt")


def _script(letter: str) -> str:
    """Returns the script of a letter, which is the first word of its Unicode name: CJK, HIRAGANA, ARABIC."""
    return unicodedata.name(letter, "").partition(" ")[0]


def _other_words(texts: Iterable[str], common: set[str]) -> list[str]:
    """Returns the distinct words with other than common characters, sorted."""
    words: set[str] = set()
    for text in texts:
        if not common.issuperset(text):
            words.update(word for word in text.split() if not common.issuperset(word))
    return sorted(words)


def _forms(texts: Iterable[str]) -> Iterator[str]:
    """Yields each text as it is and, if it is not composed (ã as a letter and a tilde), as many tokenizers make it."""
    for text in texts:
        yield text
        if not unicodedata.is_normalized("NFC", text):
            yield unicodedata.normalize("NFC", text)


def _substrings(text: str, longest: int) -> Iterator[str]:
    for start in range(len(text)):
        for end in range(start + 1, min(start + longest, len(text)) + 1):
            yield text[start:end]
