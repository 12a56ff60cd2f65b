"""Reads compressed text files (gzip, bzip2, xz) directly, and never unpacks more than a limit."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from autotune.errors import DataError

OPENERS: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
MAX_UNPACKED_BYTES, MAX_COMPRESSION_RATIO = 100_000_000, 100
"""A file that unpacks to more than this many bytes and to more than this many times its size is treated as a zip bomb:
text shrinks to about a fifth or a tenth."""


def suffix_of(path: Path) -> str:
    """Returns the suffix that tells the format, in lower case: .csv for train.csv.gz."""
    return _without_compression(path).suffix.lower()


def stem_of(path: Path) -> str:
    """Returns the name without suffixes: train for train.csv.gz."""
    return _without_compression(path).stem


def is_compressed(path: Path) -> bool:
    """Whether the file has the suffix of a supported compression."""
    return path.suffix.lower() in OPENERS


def _without_compression(path: Path) -> Path:
    return path.with_suffix("") if is_compressed(path) else path


def open_bytes(path: Path) -> BinaryIO:
    """Opens a file for reading its bytes, decompressed.

    Raises:
        OSError: the file cannot be opened.
    """
    opener = OPENERS.get(path.suffix.lower())
    if opener is None:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Limited(path, opener(path))))


class _Limited(io.RawIOBase):
    """A decompressing stream with a limit on its bytes.

    Raises:
        DataError: the file unpacks to more than the limit, or is damaged.
    """

    def __init__(self, path: Path, inner: Any) -> None:
        self.path, self.inner = path, inner
        self.max_bytes = max(MAX_UNPACKED_BYTES, MAX_COMPRESSION_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True; seeking back reads again from the start."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a position in the decompressed bytes and returns it."""
        position: int = self.inner.seek(offset, whence)
        return position

    def tell(self) -> int:
        """Returns the position in the decompressed bytes."""
        position: int = self.inner.tell()
        return position

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer and returns the number of bytes read."""
        try:
            block = self.inner.read(len(buffer))
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise DataError(
                "the compressed file is damaged",
                where=str(self.path),
                found=str(error) or type(error).__name__,
                fix="it was cut off, or is something else: copy or download it again",
            ) from error
        if self.inner.tell() > self.max_bytes:
            raise DataError(
                "the compressed file would unpack to far more than a text has",
                where=str(self.path),
                found=f"more than {self.max_bytes / 1e6:,.0f} MB in a file of {self.path.stat().st_size / 1e6:.1f} MB",
                fix="unpack it yourself, if you know where it comes from",
            )
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Closes the file."""
        self.inner.close()
        super().close()
