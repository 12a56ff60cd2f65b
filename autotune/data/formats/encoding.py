"""Opening text files in their encoding, and reading their lines."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from autotune.config.compression import open_bytes
from autotune.config.schema import DatasetConfig
from autotune.errors import DataError
from autotune.runtime.files import read_errors

LONGEST_LINE = 50_000_000
"""Longest line, in characters; a file with a longer one is in another format, and reading it could exhaust memory."""
COMPRESSION_MAGIC = {
    b"\x1f\x8b": "gzip: gunzip FILE",
    b"BZh": "bzip2: bunzip2 FILE",
    b"\xfd7zXZ": "xz: unxz FILE",
    b"PK\x03\x04": "zip (or .xlsx): unzip FILE",
    b"\x28\xb5\x2f\xfd": "Zstandard: unzstd FILE",
}
"""First bytes of compressed files, with the method and the command that unpacks FILE."""


def open_text(path: Path, config: DatasetConfig, notes: list[str]) -> TextIO:
    """Opens a text file in `dataset.encoding`, else UTF-8 (a byte order mark is skipped), else cp1252, which is noted.

    Guessing among more encodings takes Portuguese for Polish or Chinese, so only these two are tried; UTF-16
    is read if its byte order mark identifies it. Line ends are kept.

    Raises:
        DataError: the file is compressed, holds NUL bytes, or is not text in `dataset.encoding`.
        DiskError: the file cannot be read.
    """
    with read_errors(path):
        return _open(path, config, notes)


def lines(file: TextIO, path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines of a file with their numbers, from 1.

    Raises:
        DataError: a line has more than `LONGEST_LINE` characters.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise DataError(
                f"the line has more than {LONGEST_LINE:,} characters",
                where=f"{path}:{number}",
                found=f"{line[:80]} …",
                fix="one row per line; dataset.format=json for a JSON list on one line",
            )
        yield number, line


def _open(path: Path, config: DatasetConfig, notes: list[str]) -> TextIO:
    with open_bytes(path) as binary:
        head = binary.read(6)
    packed = next((advice for mark, advice in COMPRESSION_MAGIC.items() if head.startswith(mark)), None)
    if packed is not None:
        method, _, command = packed.partition(": ")
        fix = f"{command.replace('FILE', path.name)}, then give the file that comes out"
        raise DataError(f"the file is compressed with {method}", where=str(path), fix=fix)
    if config.encoding is not None:
        problem = _decoding_error(path, config.encoding)
        if problem is not None:
            raise DataError(
                f"the file is not {config.encoding} text",
                where=str(path),
                found=problem,
                fix="dataset.encoding=null tries UTF-8, then cp1252 (Windows)",
            )
        name = codecs.lookup(config.encoding).name
        return _text(path, "utf-8-sig" if name == "utf-8" else name)
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        problem = _decoding_error(path, "utf-16")
        if problem is not None:
            raise DataError(
                "the file is damaged UTF-16", where=str(path), found=problem, fix="save it as UTF-8"
            )
        return _text(path, "utf-16")
    if _decoding_error(path, "utf-8") is None:
        return _text(path, "utf-8-sig")
    _decoding_error(path, "latin-1")  # accepts any byte, so this refuses only NUL bytes
    notes.append(
        f"{path.name} is not UTF-8 and was read as cp1252 (Windows); if accents look wrong: dataset.encoding=…"
    )
    return _text(path, "cp1252", errors="replace")


def _text(path: Path, encoding: str, *, errors: str = "strict", newline: str | None = "") -> TextIO:
    """Opens a file as text, unpacked if it is compressed."""
    file = open_bytes(path)
    try:
        return io.TextIOWrapper(file, encoding, errors, newline)
    except LookupError:
        file.close()  # without a wrapper nothing else closes it
        raise


def _decoding_error(path: Path, encoding: str) -> str | None:
    """Returns why a file is not text in an encoding; None if it is. Decodes the whole file.

    Raises:
        DataError: the file holds NUL bytes, which no text contains.
    """
    number = 1
    try:
        with _text(path, encoding, newline=None) as file:
            while block := file.read(1 << 20):
                at = block.find("\0")
                if at >= 0:
                    raise DataError(
                        "the file holds NUL bytes: it is damaged, not text, or UTF-16",
                        where=f"{path}:{number + block.count(chr(10), 0, at)}",
                        fix="save it as UTF-8 (Excel: CSV UTF-8), or dataset.encoding=utf-16",
                    )
                number += block.count("\n")
    except (UnicodeError, LookupError) as error:
        return str(error)
    return None
