"""Keeps secrets out of everything that is printed or written: tokens of the Hub, and secrets of the environment.

A secret of the environment is the value of a variable whose name says so. It is found in a text as it is, in JSON, in a
URL and in base64.
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
"""Form of the Hub's tokens."""

SECRET_NAME = re.compile(r"token|key|secret|passw|passphrase|credential", re.IGNORECASE)
"""Parts of the names of variables that hold secrets."""

MIN_LENGTH, MIN_LENGTH_PLAIN = 8, 12
"""Minimal characters of a secret, and of one with only letters or only digits: `true`, `1` and `sentiment` occur everywhere,
and hiding them would reveal that they are secret values."""

HIDDEN = "hf_…"


def holds_token(text: str) -> bool:
    """Whether something in the text looks like a Hub token."""
    return TOKEN.search(text) is not None


def secrets() -> dict[str, str]:
    """Returns the names of variables by their secret values, longest value first."""
    names = {
        part: name
        for name, value in os.environ.items()
        if SECRET_NAME.search(name)
        for part in (value.strip(), *map(str.strip, value.splitlines()))
        if _is_secret(part)
    }
    return dict(sorted(names.items(), key=lambda pair: len(pair[0]), reverse=True))


def secret_in(text: str, names: Mapping[str, str] | None = None) -> str | None:
    """Returns the name of a variable whose secret value is in the text, in any encoding; None if there is none.

    Args:
        text: the text to search.
        names: result of `secrets`, to avoid computing it for each text; None: computed here.
    """
    names = secrets() if names is None else names
    return next(
        (name for secret, name in names.items() if any(form in text for form in _encodings(secret))), None
    )


def redactor() -> Callable[[str], str]:
    """Returns a function that removes secrets from texts: tokens of the Hub, and secrets now in the environment."""
    names = {form: name for secret, name in secrets().items() for form in _encodings(secret)}
    # Longest first: the pattern takes the first alternative that matches, and must not leave the rest of a longer one.
    forms = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def hide(text: str) -> str:
        if pattern is not None:
            text = pattern.sub(lambda match: _placeholder(names[match[0]]), text)
        return TOKEN.sub(HIDDEN, text)

    return hide


def redact(text: str) -> str:
    """Returns the text without secrets."""
    return redactor()(text)


def _placeholder(name: str) -> str:
    """Returns the text that replaces a secret."""
    return HIDDEN if name.startswith(("HF_", "HUGGING")) else f"[{name}]"


def _is_secret(value: str) -> bool:
    """Whether a value is long enough to be a secret, and not the path of a file (which may hold a secret)."""
    shortest = MIN_LENGTH_PLAIN if value.isalpha() or value.isdigit() else MIN_LENGTH
    if len(value) < shortest:
        return False
    return not (value.startswith(("/", "~")) and os.path.exists(os.path.expanduser(value)))  # noqa: PTH110, PTH111


@cache
def _encodings(secret: str) -> tuple[str, ...]:
    """Returns the forms in which a secret may appear in a text."""

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
    """A text stream that hides secrets; everything except writing is passed to the wrapped stream."""

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
