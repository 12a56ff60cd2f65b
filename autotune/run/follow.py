"""Reads a file that another process appends to, and cuts back when the run resumes."""

from pathlib import Path

from autotune.runtime.parsing import MAX_BYTES


class Follower:
    """Reads the complete lines of a growing file.

    Args:
        path: the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restarted = False
        """Whether the last `read` began at the start again, because what had been read before is no longer in the file."""
        self._offset, self._last = 0, b""

    def read(self) -> list[bytes]:
        """Returns the lines that were completed since the last call. The end of a half-written line comes with a later call."""
        self.restarted = False
        try:
            with self.path.open("rb") as file:
                # The size alone does not tell: a file that was cut back may have grown beyond it again.
                file.seek(self._offset - len(self._last))
                if file.read(len(self._last)) != self._last:
                    self.restarted, self._offset, self._last = True, 0, b""
                    file.seek(0)
                content = file.read(MAX_BYTES)
        except FileNotFoundError:
            self.restarted, self._offset, self._last = bool(self._offset), 0, b""
            return []
        lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
        if lines:
            self._offset, self._last = self._offset + sum(map(len, lines)), lines[-1]
        return lines
