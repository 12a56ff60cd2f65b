"""The language in which people are addressed: English, or Portuguese by AUTOTUNE_LANG or the locale.

Code composes its messages in English, and log.txt and JSON get them so. Only where a message is shown to a person it
is translated: the English templates of `assets/messages/pt.toml` are compared with its text, and the values that fill
their places go into the Portuguese sentence. A message without a template is shown in English, so none is ever lost.
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
"""Tables of the catalogue for one field of a message, or for the inside of one; in other texts they may fit data."""
MORE = re.compile(r", and (\d+) more$")
"""How `errors.listing` ends a list that it cuts."""


class Pieces(str):
    """A line made of messages, each of which is translated by itself; as a string, the line in English."""

    parts: tuple[str, ...]

    def __new__(cls, *parts: str) -> Self:
        """Joins the messages and what is between them."""
        line = super().__new__(cls, "".join(parts))
        line.parts = parts
        return line


def check_language() -> None:
    """To be called before the work.

    Raises:
        ConfigError: AUTOTUNE_LANG names a language that autotune does not speak.
    """
    wished = os.environ.get(VARIABLE, "")
    if wished and not KNOWN.fullmatch(wished):
        raise ConfigError(
            "autotune does not speak this language",
            where=f"the environment variable {VARIABLE}",
            found=wished,
            fix="AUTOTUNE_LANG=pt, or AUTOTUNE_LANG=en",
        )


def local(text: str) -> str:
    """A message in the user's language."""
    return _translated(text) if _is_portuguese() else text


def word(text: str) -> str:
    """A label of a table, the name of a column or the like, in the user's language."""
    return _catalogue().words.get(text, text) if _is_portuguese() else text


def shown(what: str, where: str | None = None, found: str | None = None, fix: str | None = None) -> str:
    """A message with its details below, as errors and findings have them, in the user's language."""
    if not _is_portuguese():
        return format_error(what, [("where", where), ("found", found), ("fix", fix)])
    details = (("where", where, "places"), ("found", found, ""), ("fix", fix, "fixes"))
    return format_error(
        _translated(what),
        [
            (word(name), value if value is None else _translated(value, field))
            for name, value, field in details
        ],
    )


@dataclass(frozen=True)
class Template:
    """A sentence with places for values, in English and in Portuguese.

    Args:
        english: `{name}` is a place; what fills `{name:said}` is a message or a word itself, and translated, too.
        portuguese: with the same names.
    """

    english: str
    portuguese: str

    @cached_property
    def chunks(self) -> list[str]:
        """The text around the places: one more than there are places."""
        chunks = [""]
        for text, name, _, _ in Formatter().parse(self.english):
            chunks[-1] += text
            if name is not None:
                chunks.append("")
        return chunks

    @cached_property
    def places(self) -> dict[str, bool]:
        """Names of the places, and whether what fills them is translated."""
        return {
            name: form == "said" for _, name, form, _ in Formatter().parse(self.english) if name is not None
        }

    def values(self, text: str) -> dict[str, str] | None:
        """What fills the places in a text; None where the text is not made of this template."""
        first, last = self.chunks[0], self.chunks[-1]
        if len(self.chunks) == 1:
            return {} if text == first else None
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return None
        at, end, filled = len(first), len(text) - len(last), []
        for chunk in self.chunks[1:-1]:
            there = text.find(chunk, at, end)
            if there < 0:
                return None
            filled.append(text[at:there])
            at = there + len(chunk)
        return dict(zip(self.places, [*filled, text[at:end]], strict=True))


@dataclass(frozen=True)
class Catalogue:
    """What is known of the other language."""

    words: Mapping[str, str]
    templates: Mapping[str, Sequence[Template]]
    """Those of messages together with those of a field, by field; "" for none. The ones with most text come first, for
    those with little fit more."""


@cache
def _catalogue() -> Catalogue:
    tables = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    words = tables.pop("words")
    fields = {"": {}} | {name: tables.pop(name) for name in FIELDS}
    messages = {english: other for table in tables.values() for english, other in table.items()}
    templates = {
        field: sorted(
            (Template(english, other) for english, other in (messages | own).items()),
            key=lambda template: -sum(map(len, template.chunks)),
        )
        for field, own in fields.items()
    }
    return Catalogue(words, templates)


def _is_portuguese() -> bool:
    wished = os.environ.get(VARIABLE, "")
    if not KNOWN.fullmatch(wished):
        wished = next((os.environ[name] for name in LOCALE if os.environ.get(name)), "")
    return wished.lower().startswith("pt")


def _translated(text: str, field: str = "") -> str:
    """A text of a field in Portuguese."""
    if isinstance(text, Pieces):
        return _joined(text)
    catalogue = _catalogue()
    if field == "pieces" and text in catalogue.words:
        return catalogue.words[text]
    for template in catalogue.templates[field]:
        values = template.values(text)
        if values is not None:
            return template.portuguese.format_map({
                name: _translated(value, "pieces") if template.places[name] else _rest(value)
                for name, value in values.items()
            })  # fmt: skip
    if "\n" in text:
        return "\n".join(_translated(line, field) for line in text.split("\n"))
    return _rest(text)


def _joined(line: Pieces) -> str:
    """Parts of blanks get longer or shorter, so that what is behind them stays in its column."""
    joined, ahead = "", 0
    for part in line.parts:
        if len(part) > 1 and part.isspace() and joined:
            joined += " " * max(1, len(part) - ahead)
            ahead = 0
        else:
            other = _translated(part, "pieces")
            joined, ahead = joined + other, ahead + len(other) - len(part)
    return joined


def _rest(text: str) -> str:
    return MORE.sub(r", e mais \1", text)
