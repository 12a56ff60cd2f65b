"""history.jsonl: one JSON object per line, appended during training and truncated when a run resumes."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotune.config.secrets import redact
from autotune.runtime.files import disk_errors

logger = logging.getLogger(__name__)


def line(record: Mapping[str, Any]) -> str:
    """Returns a record as a line of JSON."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def append(history: Path, record: Mapping[str, Any]) -> None:
    """Appends a record as a line, with secrets redacted.

    Raises:
        DiskError: the file cannot be written.
    """
    with disk_errors(history), history.open("a", encoding="utf-8") as file:
        file.write(redact(line(record)))


def size(history: Path) -> int:
    """Returns the size of the file in bytes; 0 if it does not exist yet."""
    return history.stat().st_size if history.exists() else 0


def cut_back(history: Path, expected: int) -> None:
    """Removes what was written after a checkpoint. A file that has lost lines keeps its complete lines.

    Args:
        history: path of the file, which need not exist.
        expected: its size in bytes when the checkpoint was written.
    """
    actual = size(history)
    if actual > expected:
        os.truncate(history, expected)
    elif actual < expected:
        complete = history.read_bytes().rfind(b"\n") + 1 if actual else 0
        if complete < actual:
            os.truncate(history, complete)
        logger.warning(
            "%s has %d bytes, and the checkpoint recorded %d: lines of completed steps are missing, as in a truncated "
            "copy; training continues from the checkpoint, and its result is the same",
            history, actual, expected,
        )  # fmt: skip
