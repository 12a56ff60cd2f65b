"""log.txt: what autotune's loggers say, with times and without tokens."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from autotune.config.secrets import redact
from autotune.runtime.files import disk_errors

logger = logging.getLogger(__name__)


class RunLog(logging.FileHandler):
    """Listens to autotune's loggers until it is closed.

    Args:
        path: is appended to.

    Raises:
        DiskError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        with disk_errors(path):
            super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(_Redacting("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
        logging.getLogger("autotune").addHandler(self)

    def handleError(self, record: logging.LogRecord) -> None:
        """A log that cannot be written ends no training: it is said once, and the run goes on without a log."""
        self.close()
        logger.warning("%s cannot be written any more (%s)", self.baseFilename, sys.exception())

    def close(self) -> None:
        """Listens no more."""
        logging.getLogger("autotune").removeHandler(self)
        # Lines that could not be written are tried again here, and were told before.
        with suppress(OSError):
            super().close()


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
