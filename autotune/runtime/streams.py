"""Standard output and standard error in any state: closed, full, or in an encoding that lacks characters."""

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from autotune.errors import DiskError

REPLACEMENTS: Mapping[str, str] = {
    "…": "...", "–": "-", "—": "-", "→": "->", "←": "<-", "·": "-", "•": "-", "×": "x", "≤": "<=", "≥": ">=", "±": "+-",
    "“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " ", "█": "#",
}  # fmt: skip
"""Replacements of characters that an encoding lacks."""
ERROR_HANDLER = "autotune.plain"
"""Name under which `_replace_characters` is registered as an error handler of codecs."""
NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Stream:
    """A standard stream to which any text can be written; everything except writing is passed on to the stream.

    Args:
        stream: Python's stream; None if it was closed when the process started.
        name: name for messages.
        needed: whether the text is the result that the user asked for. If so, a stream that cannot be written is an
            error; if not, its text is lost.
    """

    def __init__(self, stream: TextIO | None, name: str, *, needed: bool) -> None:
        self._stream: Any = stream or io.StringIO()
        self._name, self._needed = name, needed
        self._closed = stream is None
        self.lost = self._closed
        """Whether the stream is known not to accept text."""

    def write(self, text: str) -> int:
        """Writes a text.

        Raises:
            DiskError: the stream cannot be written, and the text is needed.
            BrokenPipeError: the reader of the pipe has exited, and the text is needed.
        """
        try:
            if self._closed:
                raise OSError(errno.EBADF, "it is closed")
            self._stream.write(fitting(text, getattr(self._stream, "encoding", None)))
        except (OSError, ValueError) as error:  # a ValueError: it was closed by our own process
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flushes the stream.

        Raises:
            DiskError: see `write`.
            BrokenPipeError: see `write`.
        """
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    def mute(self) -> None:
        """Discards all further text, also the buffered text that Python flushes at exit and that would fail again."""
        try:
            number = self._stream.fileno()
        except (AttributeError, OSError, ValueError):
            return  # a stream without a descriptor cannot fail
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)

    def _lose(self, error: OSError | ValueError) -> None:
        self.lost = True
        self.mute()
        if not self._needed:
            return
        if isinstance(error, BrokenPipeError):
            raise error
        raise _write_error(self._name, getattr(error, "strerror", None) or str(error)) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def need_stdout() -> None:
    """Checks standard output before the work whose result it takes.

    Raises:
        DiskError: standard output cannot be written.
    """
    if getattr(sys.stdout, "lost", False):
        raise _write_error("standard output", "it is closed, or could not be written before")


def open_descriptors() -> None:
    """Opens closed standard streams on the null device; otherwise the next file opened would get their number, and
    libraries would print into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)


def append_output(path: Path) -> None:
    """Lets standard output and standard error of this process, also those of libraries in C, go to the end of a file.

    Raises:
        OSError: the file cannot be opened.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(number, 1)
    os.dup2(number, 2)
    os.close(number)


def discard_output() -> TextIO:
    """Discards what this process prints from now on, also what libraries in C print; returns the standard output of before."""
    sys.stdout.flush()
    before = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
    return before


def fitting(text: str, encoding: str | None) -> str:
    """Returns the text with characters that an encoding lacks replaced by similar ones, or by `\\u` and a number."""
    if encoding is None:
        return text
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, ERROR_HANDLER).decode(encoding)
    except LookupError:
        return text
    return text


def print_json(text: str) -> None:
    """Prints JSON on standard output, escaped if the encoding lacks some of its characters: the value is the same."""
    encoding = getattr(sys.stdout, "encoding", None)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        text = NOT_ASCII.sub(lambda match: _escape(match[0]), text)
    sys.stdout.write(text)


def _write_error(name: str, reason: str) -> DiskError:
    return DiskError(
        f"cannot write {name}: {reason}",
        where=name,
        fix="send it where it can be written: > FILE, or a pipe; predict and evaluate: -o FILE",
    )


def _escape(characters: str) -> str:
    """Escapes characters as JSON does: two halves (surrogates) for a code point above FFFF."""
    units = characters.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))


def _replace_characters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    replacements = (REPLACEMENTS.get(character) or _escape(character) for character in missing)
    return "".join(replacements), error.end


codecs.register_error(ERROR_HANDLER, _replace_characters)
