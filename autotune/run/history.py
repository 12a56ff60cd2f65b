"""history.jsonl: a JSON object a line, appended while training goes, and cut back where it is resumed."""

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
    """A record as it is written."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def append(history: Path, record: Mapping[str, Any]) -> None:
    """Adds a line.

    Raises:
        DiskError: it cannot be written.
    """
    with disk_errors(history), history.open("a", encoding="utf-8") as file:
        file.write(redact(line(record)))


def size(history: Path) -> int:
    """Bytes; 0 where there is none yet."""
    return history.stat().st_size if history.exists() else 0


def cut_back(history: Path, wanted: int) -> None:
    """Removes what was written after a checkpoint. One that has lost lines before it keeps its whole lines.

    Args:
        history: may not exist.
        wanted: its size when the checkpoint was written.
    """
    held = size(history)
    if held > wanted:
        os.truncate(history, wanted)
    elif held < wanted:
        whole = history.read_bytes().rfind(b"\n") + 1 if held else 0
        if whole < held:
            os.truncate(history, whole)
        logger.warning(
            "%s has %d bytes, and the checkpoint knows of %d: lines of steps that were done are lost, as in a copy that "
            "was cut off; training continues from the checkpoint, and its result is the same",
            history, held, wanted,
        )  # fmt: skip
