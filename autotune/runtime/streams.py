"""Standard output and standard error, in whatever state they are: closed, full, or in an encoding that lacks characters."""

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from autotune.errors import DiskError

SIGNS: Mapping[str, str] = {
    "…": "...", "–": "-", "—": "-", "→": "->", "←": "<-", "·": "-", "•": "-", "×": "x", "≤": "<=", "≥": ">=", "±": "+-",
    "“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " ", "█": "#",
}  # fmt: skip
"""What is written in the place of signs that an encoding lacks."""
PLAIN = "autotune.plain"
"""Name of our handler of characters that an encoding lacks."""
NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Stream:
    """A standard stream that every text can be written to; everything but writing is the stream's own.

    Args:
        stream: of Python; None where it was closed when the process began.
        name: for messages.
        needed: whether what is written is the result that was asked for. If so, a stream that takes nothing is an
            error; if not, its text is lost.
    """

    def __init__(self, stream: TextIO | None, name: str, *, needed: bool) -> None:
        self._stream: Any = stream or io.StringIO()
        self._name, self._needed = name, needed
        self._closed = stream is None
        self.lost = self._closed
        """Whether it takes nothing, as far as is known."""

    def write(self, text: str) -> int:
        """Writes a text.

        Raises:
            DiskError: the stream takes nothing, and what is written is needed.
            BrokenPipeError: whoever read it has gone, likewise.
        """
        try:
            if self._closed:
                raise OSError(errno.EBADF, "it is closed")
            self._stream.write(fitting(text, getattr(self._stream, "encoding", None)))
        except (OSError, ValueError) as error:  # a ValueError: it was closed by our own process
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Hands over what was written.

        Raises:
            DiskError: see `write`.
            BrokenPipeError: see `write`.
        """
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    def mute(self) -> None:
        """What is still written, or flushed when the process ends, goes nowhere."""
        try:
            number = self._stream.fileno()
        except (AttributeError, OSError, ValueError):
            return  # there is nothing behind it that could fail
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)

    def _lose(self, error: OSError | ValueError) -> None:
        self.lost = True
        self.mute()
        if not self._needed:
            return
        if isinstance(error, BrokenPipeError):
            raise error
        raise _refusal(self._name, getattr(error, "strerror", None) or str(error)) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def need_stdout() -> None:
    """To be called before the work where standard output takes the result.

    Raises:
        DiskError: it takes nothing.
    """
    if getattr(sys.stdout, "lost", False):
        raise _refusal("standard output", "it is closed, or could not be written before")


def open_descriptors() -> None:
    """Opens standard streams that were closed to nowhere, so that no file of ours gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)


def fitting(text: str, encoding: str | None) -> str:
    """The text with other signs, or `\\u` and a number, for the characters that an encoding lacks."""
    if encoding is None:
        return text
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, PLAIN).decode(encoding)
    except LookupError:
        return text
    return text


def print_json(text: str) -> None:
    """Prints JSON on standard output, which stays the same JSON in an encoding that lacks some of its characters."""
    encoding = getattr(sys.stdout, "encoding", None)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        text = NOT_ASCII.sub(lambda found: _escaped(found[0]), text)
    sys.stdout.write(text)


def _refusal(name: str, why: str) -> DiskError:
    return DiskError(
        f"cannot write {name}: {why}",
        where=name,
        fix="send it where it can be written: > FILE, or a pipe; predict and evaluate: -o FILE",
    )


def _escaped(characters: str) -> str:
    """As JSON and Python write what is not ASCII: two halves for what has a number above FFFF."""
    units = characters.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    signs = (SIGNS.get(character) or _escaped(character) for character in lacking)
    return "".join(signs), error.end


codecs.register_error(PLAIN, _plain)
