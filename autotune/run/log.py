"""log.txt: the messages of autotune's loggers, with timestamps and with secrets redacted."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from autotune.config.secrets import redact
from autotune.runtime.files import disk_errors

logger = logging.getLogger(__name__)


class RunLog(logging.FileHandler):
    """Writes the messages of autotune's loggers to a file until it is closed.

    Args:
        path: path of the file, to which messages are appended.

    Raises:
        DiskError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        with disk_errors(path):
            super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(_Redacting("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
        logging.getLogger("autotune").addHandler(self)

    def handleError(self, record: logging.LogRecord) -> None:
        """Closes the log and warns once if it cannot be written; training continues without a log."""
        self.close()
        logger.warning("%s cannot be written any more (%s)", self.baseFilename, sys.exception())

    def close(self) -> None:
        """Stops listening and closes the file."""
        logging.getLogger("autotune").removeHandler(self)
        # Closing flushes again the lines that could not be written; `handleError` has already reported that.
        with suppress(OSError):
            super().close()


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
