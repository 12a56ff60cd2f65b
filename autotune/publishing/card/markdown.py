"""Text from data in Markdown: it is shown as it is, and neither becomes markup nor HTML."""

import re
from typing import Any

from autotune.config.secrets import redact

SPECIAL = re.compile(r"([\\`*_\[\]|~$>]|^\s*[-+#]|^\s*\d+(?=[.)]))")
"""What makes emphasis, code, links, tables and formulas anywhere; what makes lists and headings at the start."""
ENTITIES = {"&": "&amp;", "<": "&lt;"}


class SafeMarkdown(str):
    """Markdown of ours, which is not escaped again."""


def escaped(value: Any) -> str:
    """A value on one line, with every sign that Markdown or HTML would read as its own made harmless."""
    if isinstance(value, SafeMarkdown):
        return value
    text = re.sub(
        r"\s+", " ", redact(str(value))
    )  # before signs are escaped, which would hide a secret from us
    text = "".join(ENTITIES.get(sign, sign) for sign in text)
    # `&` and `;` of entities are no signs of Markdown, so the order of the two steps does not matter.
    return SPECIAL.sub(_harmless, text)


def _harmless(sign: re.Match[str]) -> str:
    """A sign with a backslash before it, or behind the number that it would make a list of."""
    return f"{sign[0]}\\" if sign[0].strip().isdigit() else f"\\{sign[0].strip()}"


def code(value: Any) -> SafeMarkdown:
    """A value in a code span, also inside a table."""
    text = " ".join(redact(str(value)).split()).replace("|", "\\|")
    fence = _fence(text, 1)
    blank = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return SafeMarkdown(f"{fence}{blank}{text}{blank}{fence}") if text else SafeMarkdown("—")


def block(text: str, language: str = "") -> SafeMarkdown:
    """Lines of code."""
    fence = _fence(text, 3)
    return SafeMarkdown(f"{fence}{language}\n{text.strip(chr(10))}\n{fence}")


def link(text: Any, address: str) -> SafeMarkdown:
    """A link whose address is ours."""
    return SafeMarkdown(f"[{escaped(text)}](<{address}>)")


def _fence(text: str, least: int) -> str:
    """More backticks than stand together anywhere in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1)
