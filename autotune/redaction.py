"""Keeps Hub tokens out of everything that is printed or written."""

import os
import re
from typing import Any

TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}")
"""What the Hub's tokens look like."""

HIDDEN = "hf_…"


def holds_token(text: str) -> bool:
    """Whether something in the text looks like a Hub token."""
    return TOKEN.search(text) is not None


def redact(text: str) -> str:
    """The text without tokens: what looks like one, and the one in the environment whatever it looks like."""
    own = os.environ.get("HF_TOKEN", "")
    if len(own) >= 8:
        text = text.replace(own, HIDDEN)
    return TOKEN.sub(HIDDEN, text)


class RedactedStream:
    """A text stream that hides tokens; everything but writing is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text without tokens."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes lines without tokens."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
