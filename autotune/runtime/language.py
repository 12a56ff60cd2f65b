"""Translates what the user sees: English, or Portuguese by AUTOTUNE_LANG or the locale.

Code composes its messages in English, and log.txt and JSON contain them in English. A message is translated only when it
is shown: its text is matched against the English templates of `assets/messages/pt.toml`, and the values at their
placeholders are filled into the Portuguese sentence. A message without a template is shown in English, so none is lost.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from string import Formatter
from typing import Self

from autotune.errors import ConfigError, format_error

VARIABLE = "AUTOTUNE_LANG"
LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
KNOWN = re.compile(r"(pt|en)(?:[_-][a-z]{2,3})?(?:[.@].*)?", re.IGNORECASE)
CATALOGUE = Path(__file__).parents[1] / "assets" / "messages" / "pt.toml"
FIELDS = ("places", "fixes", "pieces")
"""Tables of the catalogue that apply to one field or part of a message; elsewhere they could match the user's data."""
MORE = re.compile(r", and (\d+) more$")
"""End of a list that `errors.listing` has shortened."""


class Pieces(str):
    """A line of several messages, each translated by itself; as a string, the line in English."""

    parts: tuple[str, ...]

    def __new__(cls, *parts: str) -> Self:
        """Joins the messages and the texts between them."""
        line = super().__new__(cls, "".join(parts))
        line.parts = parts
        return line


def check_language() -> None:
    """Checks the configured language before the work.

    Raises:
        ConfigError: AUTOTUNE_LANG names a language that autotune does not support.
    """
    language = os.environ.get(VARIABLE, "")
    if language and not KNOWN.fullmatch(language):
        raise ConfigError(
            "autotune has no messages in this language",
            where=f"the environment variable {VARIABLE}",
            found=language,
            fix="AUTOTUNE_LANG=pt, or AUTOTUNE_LANG=en",
        )


def local(text: str) -> str:
    """Returns a message in the user's language."""
    return _translate(text) if _is_portuguese() else text


def portuguese(text: str) -> str:
    """Returns a message or a word in Portuguese, whatever the user's language is; in English if it has no translation."""
    return _catalogue().words.get(text) or _translate(text)


def language() -> str:
    """Returns the user's language: pt or en."""
    return "pt" if _is_portuguese() else "en"


def word(text: str) -> str:
    """Returns a single word, as a label of a table or the name of a column, in the user's language."""
    return _catalogue().words.get(text, text) if _is_portuguese() else text


def shown(what: str, where: str | None = None, found: str | None = None, fix: str | None = None) -> str:
    """Returns an error or a finding with its details below, in the user's language."""
    if not _is_portuguese():
        return format_error(what, [("where", where), ("found", found), ("fix", fix)])
    details = (("where", where, "places"), ("found", found, ""), ("fix", fix, "fixes"))
    return format_error(
        _translate(what),
        [
            (word(name), value if value is None else _translate(value, field))
            for name, value, field in details
        ],
    )


@dataclass(frozen=True)
class Template:
    """A sentence with placeholders, in English and in Portuguese.

    Args:
        english: English sentence; `{name}` is a placeholder. The value of `{name:said}` is itself a message or a word,
            and is translated, too.
        portuguese: Portuguese sentence with the same names.
    """

    english: str
    portuguese: str

    @cached_property
    def chunks(self) -> list[str]:
        """Texts around the placeholders: one more than there are placeholders."""
        chunks = [""]
        for text, name, _, _ in Formatter().parse(self.english):
            chunks[-1] += text
            if name is not None:
                chunks.append("")
        return chunks

    @cached_property
    def places(self) -> dict[str, bool]:
        """Names of the placeholders, and whether their values are translated."""
        return {
            name: form == "said" for _, name, form, _ in Formatter().parse(self.english) if name is not None
        }

    def values(self, text: str) -> dict[str, str] | None:
        """Returns the values of the placeholders in a text; None if the text does not match the template."""
        first, last = self.chunks[0], self.chunks[-1]
        if len(self.chunks) == 1:
            return {} if text == first else None
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return None
        start, end, values = len(first), len(text) - len(last), []
        for chunk in self.chunks[1:-1]:
            index = text.find(chunk, start, end)
            if index < 0:
                return None
            values.append(text[start:index])
            start = index + len(chunk)
        return dict(zip(self.places, [*values, text[start:end]], strict=True))


@dataclass(frozen=True)
class Catalogue:
    """Portuguese translations of words and messages."""

    words: Mapping[str, str]
    templates: Mapping[str, Sequence[Template]]
    """For each field ("" for none), its templates and those of all messages. The ones with the most text come first,
    because those with little text match more messages."""


@cache
def _catalogue() -> Catalogue:
    tables = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    words = tables.pop("words")
    fields = {"": {}} | {name: tables.pop(name) for name in FIELDS}
    messages = {english: portuguese for table in tables.values() for english, portuguese in table.items()}
    templates = {
        field: sorted(
            (Template(english, portuguese) for english, portuguese in (messages | field_messages).items()),
            key=lambda template: -sum(map(len, template.chunks)),
        )
        for field, field_messages in fields.items()
    }
    return Catalogue(words, templates)


def _is_portuguese() -> bool:
    language = os.environ.get(VARIABLE, "")
    if not KNOWN.fullmatch(language):
        language = next((os.environ[name] for name in LOCALE if os.environ.get(name)), "")
    return language.lower().startswith("pt")


def _translate(text: str, field: str = "") -> str:
    """Returns a text of a field in Portuguese."""
    if isinstance(text, Pieces):
        return _translate_pieces(text)
    catalogue = _catalogue()
    if field == "pieces" and text in catalogue.words:
        return catalogue.words[text]
    for template in catalogue.templates[field]:
        values = template.values(text)
        if values is not None:
            return template.portuguese.format_map({
                name: _translate(value, "pieces") if template.places[name] else _translate_ending(value)
                for name, value in values.items()
            })  # fmt: skip
    if "\n" in text:
        return "\n".join(_translate(line, field) for line in text.split("\n"))
    return _translate_ending(text)


def _translate_pieces(line: Pieces) -> str:
    """Translates each part; lengthens or shortens the blanks between them, so the columns of a table stay aligned."""
    translated, surplus = "", 0
    for part in line.parts:
        if len(part) > 1 and part.isspace() and translated:
            translated += " " * max(1, len(part) - surplus)
            surplus = 0
        else:
            portuguese = _translate(part, "pieces")
            translated, surplus = translated + portuguese, surplus + len(portuguese) - len(part)
    return translated


def _translate_ending(text: str) -> str:
    return MORE.sub(r", e mais \1", text)
