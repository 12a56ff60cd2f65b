"""Changes of Portuguese texts that leave their meaning: no accents, small letters, typos, social media, the other spelling.

Words are changed one by one, so rows of words keep their number and their tags. `assets/noise.toml` has the word lists.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.config.columns import Column, Kind
from autotune.data.cache import iter_rows

if TYPE_CHECKING:
    from datasets import Dataset

WORD = re.compile(r"(?<![@/\w])[^\W\d_]+")
"""Not the name of a user, nor a part of an address."""
PUNCTUATION = re.compile(r"[.,;:!?…\"“”()\[\]–—-]+(?=\s|$)|(?<!\S)[\"“”()\[\]–—-]+")
"""Marks at the end or the beginning of a word, which people leave out in messages."""
ACCENTS = dict.fromkeys(range(0x300, 0x370))
KEYBOARD = ("qwertyuiop", "asdfghjklç", "zxcvbnm")
"""Rows of letters of the Brazilian keyboard (ABNT2)."""
TYPO_SHARE, TYPO_LETTERS = 0.15, 4
"""Share of the words with at least so many letters that get a typo."""
REPEATED_SHARE = 0.1
"""Share of words whose last vowel is repeated: muitoooo."""
TO_PORTUGAL = (re.compile(r"ô(?=[mn][aeiouáéíóúâêãõ])"), "ó"), (re.compile(r"ê(?=[mn][aeiouáéíóúâêãõ])"), "é")
TO_BRAZIL = (re.compile(r"ó(?=[mn][aeiouâãõ])"), "ô"), (re.compile(r"é(?=[mn][aeiouâãõ])"), "ê")
"""econômico, gênero and económico, género."""
SAME_SPELLING = frozenset(("fêmea", "fêmeas", "estômago", "estômagos", "sêmola", "fêmeo"))
"""Words with ô or ê before m or n on both sides of the Atlantic."""

Change = Callable[[str, np.random.Generator], str]


@dataclass(frozen=True)
class Noise:
    """One kind of change."""

    name: str
    word: Change
    """Changes a word."""
    without_punctuation: bool = False
    """Whether texts lose their punctuation; rows of words keep it, since each of their words has a tag."""

    def text(self, text: str, generator: np.random.Generator) -> str:
        """Returns a text with its words changed."""
        changed = WORD.sub(lambda match: self.word(match.group(), generator), text)
        if self.without_punctuation:
            changed = " ".join(PUNCTUATION.sub(" ", changed).split())
        return unicodedata.normalize("NFC", changed) if changed.strip() else text

    def words(self, words: Iterable[str], generator: np.random.Generator) -> list[str]:
        """Returns words with each of them changed."""
        return [
            unicodedata.normalize("NFC", WORD.sub(lambda match: self.word(match.group(), generator), word))
            or word
            for word in words
        ]


def noises() -> tuple[Noise, ...]:
    """Returns all kinds of change."""
    return (
        Noise("without accents", lambda word, _: without_accents(word)),
        Noise("small letters", lambda word, _: word.lower()),
        Noise("typos", _typo),
        Noise("social media", _social, without_punctuation=True),
        Noise("spelling of Portugal or Brazil", lambda word, _: other_spelling(word)),
    )


def changed_rows(
    noise: Noise, rows: "Dataset", columns: Iterable[Column], seed: int
) -> Iterator[dict[str, Any] | None]:
    """Yields each row with its inputs changed, or None where the change changes nothing; gold values stay.

    Args:
        noise: kind of change.
        rows: rows with canonical columns.
        columns: columns of the task.
        seed: of the changes; a row's changes depend on its number, and not on the rows before it.
    """
    kinds = {
        column.role: column.kind
        for column in columns
        if not column.target and column.role in rows.column_names
    }
    for number, row in enumerate(iter_rows(rows)):
        generator = np.random.default_rng([seed, number])
        changed = {}
        for role, kind in kinds.items():
            if kind is Kind.text:
                changed[role] = noise.text(row[role], generator)
            elif kind is Kind.words:
                changed |= _words_of_row(row, role, noise.words(row[role], generator))
        yield {**row, **changed} if any(row[role] != value for role, value in changed.items()) else None


def _words_of_row(row: Mapping[str, Any], role: str, words: list[str]) -> dict[str, Any]:
    """Returns the columns of a row of words with others in their places: the words, the text and where they begin."""
    text, starts, end = "", [], 0
    for old, new, start in zip(row[role], words, row["starts"], strict=True):
        text += row["text"][end:start]
        starts.append(len(text))
        text += new
        end = start + len(old)
    return {role: words, "text": text + row["text"][end:], "starts": starts}


def without_accents(word: str) -> str:
    """Returns a word without accents: nao, voce, coracao."""
    return unicodedata.normalize("NFD", word).translate(ACCENTS) or word


def other_spelling(word: str) -> str:
    """Returns a word as it is written on the other side of the Atlantic; the word itself if that is the same."""
    lower = word.lower()
    if lower in _spellings():
        return _as_written(_spellings()[lower], word)
    if lower in SAME_SPELLING:
        return word
    for rules in (TO_PORTUGAL, TO_BRAZIL):
        changed = lower
        for pattern, letter in rules:
            changed = pattern.sub(letter, changed)
        if changed != lower:
            return _as_written(changed, word)
    return word


def _typo(word: str, generator: np.random.Generator) -> str:
    """Returns some words with one typo: a neighbouring key, a letter too much or missing, or two exchanged."""
    if len(word) < TYPO_LETTERS or generator.random() >= TYPO_SHARE:
        return word
    at, how = int(generator.integers(1, len(word) - 1)), int(generator.integers(4))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    if how == 0:
        near = _neighbours().get(letter.lower(), letter)
        key = near[int(generator.integers(len(near)))]
        return before + (key.upper() if letter.isupper() else key) + after
    if how == 1:
        return before + letter + letter + after
    return before + after if how == 2 else before + after[0] + letter + after[1:]


def _social(word: str, generator: np.random.Generator) -> str:
    """Returns a word as it is written in messages: shortened, or with a vowel repeated."""
    short = _lists()["social"].get(word.lower())
    if short is not None:
        return _as_written(short, word)
    if len(word) < TYPO_LETTERS or generator.random() >= REPEATED_SHARE or word[-1].lower() not in "aeiou":
        return word
    return word + word[-1] * int(generator.integers(2, 5))


def _as_written(new: str, old: str) -> str:
    """Returns a word in capitals as another one is."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


@cache
def _lists() -> dict[str, dict[str, str]]:
    text = package_files("autotune").joinpath("assets", "noise.toml").read_text("utf-8")
    lists: dict[str, dict[str, str]] = tomllib.loads(text)
    return lists


@cache
def _spellings() -> dict[str, str]:
    """Returns the list of spellings in both directions."""
    brazil = _lists()["spelling"]
    return {portugal: word for word, portugal in brazil.items()} | brazil


@cache
def _neighbours() -> dict[str, str]:
    """Returns the keys beside each letter."""
    near: dict[str, str] = {}
    for above, row in zip(("", *KEYBOARD), KEYBOARD, strict=False):
        for at, key in enumerate(row):
            near[key] = near.get(key, "") + row[max(0, at - 1) : at] + row[at + 1 : at + 2]
            for other in above[at : at + 2]:
                near[key] += other
                near[other] += key
    return near
