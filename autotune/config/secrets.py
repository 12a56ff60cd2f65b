"""Keeps secrets out of everything that is printed or written: the Hub's tokens, and what the environment holds of others.

A secret of the environment is the value of a variable whose name says so, in the forms in which it could stand in a text:
as it is, in JSON, in a URL, in base64.
"""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

TOKEN = re.compile(r"(?:hf|api_org)_[A-Za-z0-9]{16,}")
"""What the Hub's tokens look like."""

NAME = re.compile(r"token|key|secret|passw|passphrase|credential", re.IGNORECASE)
"""What the names of variables say that hold secrets."""

SHORTEST, SHORTEST_PLAIN = 8, 12
"""Characters from which a value is a secret, and from which it is one where it is only letters or only digits: `true`, `1`
and `sentiment` stand everywhere, and hiding them would tell that they are hidden."""

HIDDEN = "hf_…"


def holds_token(text: str) -> bool:
    """Whether something in the text looks like a Hub token."""
    return TOKEN.search(text) is not None


def secrets() -> dict[str, str]:
    """Names of variables by their secret values, those of long values first."""
    found = {
        part: name
        for name, value in os.environ.items()
        if NAME.search(name)
        for part in (value.strip(), *map(str.strip, value.splitlines()))
        if _is_secret(part)
    }
    return dict(sorted(found.items(), key=lambda pair: len(pair[0]), reverse=True))


def secret_in(text: str, known: Mapping[str, str] | None = None) -> str | None:
    """The name of a variable whose secret value is in the text, in one form or another.

    Args:
        text: where it may be.
        known: what `secrets` gave, for many texts; None: it is asked.
    """
    known = secrets() if known is None else known
    return next((name for secret, name in known.items() if any(f in text for f in _forms(secret))), None)


def redactor() -> Callable[[str], str]:
    """A function that takes secrets out of texts: what looks like a token, and what is in the environment now."""
    names = {form: name for secret, name in secrets().items() for form in _forms(secret)}
    forms = sorted(names, key=len, reverse=True)
    own = re.compile("|".join(map(re.escape, forms))) if forms else None

    def hide(text: str) -> str:
        if own is not None:
            text = own.sub(lambda found: _hidden(names[found[0]]), text)
        return TOKEN.sub(HIDDEN, text)

    return hide


def redact(text: str) -> str:
    """The text without secrets."""
    return redactor()(text)


def _hidden(name: str) -> str:
    """What takes the place of a secret."""
    return HIDDEN if name.startswith(("HF_", "HUGGING")) else f"[{name}]"


def _is_secret(value: str) -> bool:
    """Long enough to be one, and not the path of a file that may hold one."""
    shortest = SHORTEST_PLAIN if value.isalpha() or value.isdigit() else SHORTEST
    if len(value) < shortest:
        return False
    return not (value.startswith(("/", "~")) and os.path.exists(os.path.expanduser(value)))  # noqa: PTH110, PTH111


@cache
def _forms(secret: str) -> tuple[str, ...]:
    """How a secret could stand in a text."""

    def forms() -> Iterator[str]:
        yield secret
        yield json.dumps(secret)[1:-1]
        yield json.dumps(secret, ensure_ascii=False)[1:-1]
        yield quote(secret, safe="")
        yield quote_plus(secret)
        encoded = secret.encode("utf-8", "surrogateescape")
        yield base64.b64encode(encoded).decode().rstrip("=")
        yield base64.urlsafe_b64encode(encoded).decode().rstrip("=")

    return tuple(dict.fromkeys(forms()))


class RedactedStream:
    """A text stream that hides secrets; everything but writing is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._hide = redactor()

    def write(self, text: str) -> int:
        """Writes the text without secrets."""
        self._stream.write(self._hide(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes lines without secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
