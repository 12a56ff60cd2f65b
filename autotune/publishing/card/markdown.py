"""Escapes text from data for Markdown, so it is shown literally and never becomes markup or HTML."""

import re
from typing import Any

from autotune.config.secrets import redact

SPECIAL = re.compile(r"([\\`*_\[\]|~$>]|^\s*[-+#]|^\s*\d+(?=[.)]))")
"""Characters that start emphasis, code, links, tables or formulas anywhere, or lists and headings at the start."""
ENTITIES = {"&": "&amp;", "<": "&lt;"}


class SafeMarkdown(str):
    """Markdown that is safe already and must not be escaped again."""


def escaped(value: Any) -> str:
    """Returns a value as one line, with all special characters of Markdown and HTML escaped."""
    if isinstance(value, SafeMarkdown):
        return value
    # Redact first: escaping could change a secret so that it is not recognized.
    text = re.sub(r"\s+", " ", redact(str(value)))
    text = "".join(ENTITIES.get(character, character) for character in text)
    # `&` and `;` of entities are not special in Markdown, so the order of the two steps does not matter.
    return SPECIAL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    """Puts a backslash before a special character, or after a number that would start a list."""
    return f"{match[0]}\\" if match[0].strip().isdigit() else f"\\{match[0].strip()}"


def code(value: Any) -> SafeMarkdown:
    """Returns a value as a code span that is also valid inside a table."""
    text = " ".join(redact(str(value)).split()).replace("|", "\\|")
    fence = _fence(text, 1)
    blank = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return SafeMarkdown(f"{fence}{blank}{text}{blank}{fence}") if text else SafeMarkdown("—")


def block(text: str, language: str = "") -> SafeMarkdown:
    """Returns a fenced code block."""
    fence = _fence(text, 3)
    return SafeMarkdown(f"{fence}{language}\n{text.strip(chr(10))}\n{fence}")


def link(text: Any, address: str) -> SafeMarkdown:
    """Returns a link; the address must be trusted, as it is not escaped."""
    return SafeMarkdown(f"[{escaped(text)}](<{address}>)")


def _fence(text: str, minimum: int) -> str:
    """Returns a fence of backticks that is longer than any sequence of backticks in the text."""
    longest = max((len(backticks) for backticks in re.findall(r"`+", text)), default=0)
    return "`" * max(minimum, longest + 1)
