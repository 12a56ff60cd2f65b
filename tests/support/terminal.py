"""Command lines in a terminal."""

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

DEADLINE = 60.0
"""Seconds without any output after which a test gives up."""


class Terminal:
    """A process whose standard streams are a terminal.

    Args:
        arguments: of Python.
        cwd: its working folder.
        columns: width.
        env: more of its environment.
    """

    def __init__(
        self, *arguments: str, cwd: Path, columns: int = 100, env: Mapping[str, str] | None = None
    ) -> None:
        self._own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        names = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdin=other, stdout=other, stderr=other, cwd=cwd,
            env=names | {"TERM": "xterm"} | dict(env or {}), start_new_session=True,
            # Tests that were started in the background ignore it, and what they start would, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        os.close(other)
        self.output = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end inside of a letter

    def until(self, true: Callable[[str], bool]) -> None:
        """Reads until this holds for all of the output."""
        while not true(self.output):
            assert self._read(), self.output

    def ended(self) -> tuple[int, str]:
        """Waits for the end; returns the exit code and all output."""
        while self._read():
            pass
        os.close(self._own)
        return self.process.wait(), self.output

    def _read(self) -> bool:
        assert select.select([self._own], [], [], DEADLINE)[0], self.output
        try:
            content = os.read(self._own, 65536)
        except OSError:  # the process has ended
            return False
        self.output += self._decoder.decode(content)
        return bool(content)
