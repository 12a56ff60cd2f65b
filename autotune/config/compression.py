"""Compressed text files: gzip, bzip2 and xz, read as they are and never unpacked without a limit."""

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
UNPACKED, RATIO = 100_000_000, 100
"""A file of more bytes than this, packed more than RATIO times, is a bomb rather than data: text is packed some
five to ten times."""


def suffix_of(path: Path) -> str:
    """The suffix that says the form, in lower case: .csv of train.csv.gz."""
    return _bare(path).suffix.lower()


def stem_of(path: Path) -> str:
    """The name without suffixes: train of train.csv.gz."""
    return _bare(path).stem


def is_packed(path: Path) -> bool:
    """Whether the name says that the file is compressed in a way that is read."""
    return path.suffix.lower() in OPENERS


def _bare(path: Path) -> Path:
    return path.with_suffix("") if is_packed(path) else path


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked.

    Raises:
        OSError: it cannot be opened.
    """
    opener = OPENERS.get(path.suffix.lower())
    if opener is None:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Limited(path, opener(path))))


class _Limited(io.RawIOBase):
    """Reads of a compressed file, up to a limit.

    Raises:
        DataError: there is more than a text has, or the file is damaged.
    """

    def __init__(self, path: Path, inner: Any) -> None:
        self.path, self.inner = path, inner
        self.most = max(UNPACKED, RATIO * path.stat().st_size)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always, by reading again from the start."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a position in the unpacked bytes."""
        position: int = self.inner.seek(offset, whence)
        return position

    def tell(self) -> int:
        """The position in the unpacked bytes."""
        position: int = self.inner.tell()
        return position

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer."""
        try:
            block = self.inner.read(len(buffer))
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise DataError(
                "the compressed file is damaged",
                where=str(self.path),
                found=str(error) or type(error).__name__,
                fix="it was cut off, or is something else: copy or download it again",
            ) from error
        if self.inner.tell() > self.most:
            raise DataError(
                "the compressed file would unpack to far more than a text has",
                where=str(self.path),
                found=f"more than {self.most / 1e6:,.0f} MB in a file of {self.path.stat().st_size / 1e6:.1f} MB",
                fix="unpack it yourself, if you know where it comes from",
            )
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Closes the file."""
        self.inner.close()
        super().close()
