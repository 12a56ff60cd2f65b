"""Copies rows from a pipe into a temporary file: `-`, /dev/stdin, <(…), a named pipe."""

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
WARN_AFTER_SECONDS = 2.0
"""Seconds without data after which a warning is logged that the process is waiting."""

_spooled: dict[tuple[int, int], Path] = {}
"""Copies of the content of pipes, by device and inode: a pipe can be read only once, its copy several times."""
_folders: list[Any] = []
"""Temporary folders of these files, removed when the process ends."""


def is_pipe(path: Path) -> bool:
    """Whether a path is standard input or another stream that can be read only once.

    Raises:
        DataError: the path is a device or a socket, which has no rows.
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
        or (stat.S_ISSOCK(mode) and _is_kernel_path(path))
        or (stat.S_ISCHR(mode) and _is_terminal(path))
    ):
        return True
    raise DataError(
        "it is a device or a socket, and has no rows", where=str(path), fix="a file, a folder or a pipe"
    )


def spooled(path: Path) -> Path:
    """Returns the file with the content of a pipe; reads the pipe on the first call.

    Raises:
        DataError: standard input is closed, or several processes would share a pipe.
        DiskError: the pipe cannot be read, or the disk is full.
        Interrupted: the process was asked to stop while waiting.
    """
    if launcher.world_size() > 1:
        raise DataError(
            "several processes cannot read from one pipe",
            where=str(path),
            fix="write the rows into a file first",
        )
    if str(path) == STDIN and sys.__stdin__ is None:
        raise DataError("standard input is closed", where=STDIN, fix="… | autotune …, or a file")
    # Non-blocking: opening a named pipe would otherwise wait for a writer, without a warning, and a
    # signal would not end the wait.
    descriptor = 0 if str(path) == STDIN else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        inode = (status.st_dev, status.st_ino)
        if inode not in _spooled:
            folder = scratch()
            _folders.append(folder)
            target = Path(folder.name, f"rows{path.suffix}")
            with disk_errors(target, elsewhere="TMPDIR=FOLDER"), target.open("wb") as file:
                file.writelines(_blocks(descriptor, path))
            _spooled[inode] = target
        return _spooled[inode]
    finally:
        if descriptor:
            os.close(descriptor)


def with_pipe_name(error: AutotuneError, spool: Path, path: Path) -> AutotuneError:
    """Returns the same error, with the name of the pipe instead of the temporary file."""
    fields = {
        name: value and value.replace(str(spool), str(path)).replace(spool.name, path.name)
        for name, value in (("where", error.where), ("found", error.found), ("fix", error.fix))
    }
    return type(error)(error.what, **fields)


def _blocks(descriptor: int, path: Path) -> Iterator[bytes]:
    """Yields the content of a pipe until the writer closes it."""
    warned = False
    while True:
        signals.raise_if_stopped()
        if not _is_readable(descriptor):
            if not warned:
                name = "standard input" if str(path) == STDIN else path
                logger.warning("waiting for rows from %s: nothing comes from it yet (Ctrl-C ends)", name)
            warned = True
            continue
        block = os.read(descriptor, BLOCK)
        if not block:
            return
        warned = True  # once data have come, pauses are normal
        yield block


def _is_readable(descriptor: int) -> bool:
    """Whether data can be read or the other end has been closed; waits at most WARN_AFTER_SECONDS."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(WARN_AFTER_SECONDS * 1000))


def _is_kernel_path(path: Path) -> bool:
    return str(path.absolute()).startswith(("/dev/", "/proc/"))


def _is_terminal(path: Path) -> bool:
    return _is_kernel_path(path) and str(path).endswith(("/stdin", "/fd/0")) and os.isatty(0)
