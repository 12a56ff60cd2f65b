"""log.txt: what autotune's loggers say, with times and without tokens."""

import logging
from pathlib import Path

from autotune.files import writing
from autotune.redaction import redact


class RunLog(logging.FileHandler):
    """Listens to autotune's loggers until it is closed.

    Args:
        path: is appended to.

    Raises:
        DiskError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        with writing(path):
            super().__init__(path, encoding="utf-8")
        self.setFormatter(_Redacting("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
        logging.getLogger("autotune").addHandler(self)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk is told by what the run writes next, not by every line of the log."""

    def close(self) -> None:
        """Listens no more."""
        logging.getLogger("autotune").removeHandler(self)
        super().close()


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
