"""Rows that come through a pipe, read once into a temporary file: `-`, /dev/stdin, <(…), a named pipe."""

import logging
import os
import select
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError, DataError
from autotune.runtime import launcher, signals
from autotune.runtime.files import disk_errors, scratch

logger = logging.getLogger(__name__)

STDIN = "-"
"""Name of standard input."""
BLOCK = 1 << 20
SECONDS = 2.0
"""After this time without a row, a warning says that somebody has to write."""

_spooled: dict[tuple[int, int], Path] = {}
"""Files with what came through a pipe, by its device and inode: it comes once, and may be read more than once."""
_folders: list[Any] = []
"""Of these files, removed when the process ends."""


def is_pipe(path: Path) -> bool:
    """Whether a path is standard input, or something that rows come through once.

    Raises:
        DataError: it is a device or the like, which has no rows.
    """
    if str(path) == STDIN:
        return True
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return False
    if (
        stat.S_ISFIFO(mode)
        or (stat.S_ISSOCK(mode) and _is_own(path))
        or (stat.S_ISCHR(mode) and _is_terminal(path))
    ):
        return True
    raise DataError(
        "it is a device or a socket, and has no rows", where=str(path), fix="a file, a folder or a pipe"
    )


def spooled(path: Path) -> Path:
    """The file with all that comes through a pipe.

    Raises:
        DataError: standard input is closed; several processes would share a pipe.
        DiskError: the pipe cannot be read, or there is no room for the file.
        Interrupted: the process was asked to leave while it waited.
    """
    if launcher.world_size() > 1:
        raise DataError(
            "several processes cannot read from one pipe",
            where=str(path),
            fix="write the rows into a file first",
        )
    if str(path) == STDIN and sys.__stdin__ is None:
        raise DataError("standard input is closed", where=STDIN, fix="… | autotune …, or a file")
    descriptor = 0 if str(path) == STDIN else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        about = os.fstat(descriptor)
        known = (about.st_dev, about.st_ino)
        if known not in _spooled:
            folder = scratch()
            _folders.append(folder)
            target = Path(folder.name, f"rows{path.suffix}")
            with disk_errors(target, elsewhere="TMPDIR=FOLDER"), target.open("wb") as file:
                file.writelines(_blocks(descriptor, path))
            _spooled[known] = target
        return _spooled[known]
    finally:
        if descriptor:
            os.close(descriptor)


def renamed(error: AutotuneError, spool: Path, path: Path) -> AutotuneError:
    """The same error, with the pipe in the place of the temporary file."""
    parts = {
        name: value and value.replace(str(spool), str(path)).replace(spool.name, path.name)
        for name, value in (("where", error.where), ("found", error.found), ("fix", error.fix))
    }
    return type(error)(error.what, **parts)


def _blocks(descriptor: int, path: Path) -> Iterator[bytes]:
    """What comes, until whoever writes has closed the pipe."""
    said = False
    while True:
        signals.raise_if_stopped()
        if not _comes(descriptor):
            if not said:
                name = "standard input" if str(path) == STDIN else path
                logger.warning("waiting for rows from %s: nothing comes from it yet (Ctrl-C ends)", name)
            said = True
            continue
        block = os.read(descriptor, BLOCK)
        if not block:
            return
        said = True
        yield block


def _comes(descriptor: int) -> bool:
    """Whether something can be read, or the other end has been closed, after a while at the most."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(SECONDS * 1000))


def _is_own(path: Path) -> bool:
    return str(path.absolute()).startswith(("/dev/", "/proc/"))


def _is_terminal(path: Path) -> bool:
    return _is_own(path) and str(path).endswith(("/stdin", "/fd/0")) and os.isatty(0)
