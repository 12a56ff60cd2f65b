"""Text files in the encoding that they are in."""

import codecs
from pathlib import Path
from typing import TextIO

from autotune.config import DatasetConfig
from autotune.errors import DataError


def open_text(path: Path, config: DatasetConfig, notes: list[str]) -> TextIO:
    """A text file in `dataset.encoding`, else UTF-8 (a byte order mark is skipped), else cp1252, which is noted.

    Guessing among more encodings takes Portuguese for Polish or Chinese, so only these two are tried; UTF-16
    is read where its byte order mark leaves no doubt. Line ends stay as they are.

    Raises:
        DataError: the file is not text in the encoding that was given.
    """
    if config.encoding is not None:
        fault = _fault(path, config.encoding)
        if fault is not None:
            raise DataError(
                f"the file is not {config.encoding} text",
                where=str(path),
                found=fault,
                fix="dataset.encoding=null tries UTF-8, then cp1252 (Windows)",
            )
        name = codecs.lookup(config.encoding).name
        return path.open(encoding="utf-8-sig" if name == "utf-8" else name, newline="")
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return path.open(encoding="utf-16", newline="")
    if _fault(path, "utf-8") is None:
        return path.open(encoding="utf-8-sig", newline="")
    notes.append(
        f"{path.name} is not UTF-8 and was read as cp1252 (Windows); if accents look wrong: dataset.encoding=…"
    )
    return path.open(encoding="cp1252", errors="replace", newline="")


def _fault(path: Path, encoding: str) -> str | None:
    """What keeps the file from being text in an encoding."""
    try:
        with path.open(encoding=encoding) as file:
            while file.read(1 << 20):
                pass
    except (UnicodeError, LookupError) as error:
        return str(error)
    return None
