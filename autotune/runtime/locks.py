"""Locks on files, which the system releases when their process dies."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from autotune.errors import DiskError, LockedError
from autotune.runtime.files import disk_errors, make_folder, now

LOCK_TRIES = 10
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
"""Errors of a file system without file locks."""
LOCKED = (errno.EAGAIN, errno.EACCES)
"""Errors for a file that another process has locked."""
HOLDER_SECONDS = 1.0
"""Time that the holder of a lock has to write who it is; another process may look between its lock and its line."""


def acquire_lock(path: Path, *, make: bool = False) -> IO[str]:
    """Opens a lock file and holds the lock until the file is closed; the system releases it when the process dies.

    Args:
        path: path of the file.
        make: whether to make its folder if it is missing.

    Raises:
        LockedError: another process, which is named, holds the lock.
        DiskError: the file system has no locks.
    """
    for _ in range(LOCK_TRIES):
        if make:
            make_folder(path.parent)
        try:
            file = path.open("a+", encoding="utf-8")
        except FileNotFoundError:  # the folder was renamed since it was made
            if make:
                continue
            raise
        try:
            _lock(file, path)
            # The previous holder may have renamed the folder between open and lock: then this locks the old folder.
            if _is_still_at(file, path):
                break
        except BaseException:
            file.close()
            raise
        file.close()
    else:
        raise _lock_error(path, "the folder is renamed again and again")
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {now()}")
    file.flush()
    return file


def _lock(file: IO[str], path: Path) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in LOCKED:
            raise _lock_error(path, _lock_holder(file)) from error
        if error.errno not in NO_LOCKS:
            raise
        raise DiskError(
            "the file system has no file locks, which keep two processes out of one run folder",
            where=str(path),
            found=error.strerror,
            fix="runs=FOLDER on a local disk; on NFS, a mount with lockd, or with local_lock=posix where one machine uses it",
        ) from error


def _lock_holder(file: IO[str]) -> str | None:
    """Returns the line that the holder of a lock has written into its file; None if it has not."""
    deadline = time.monotonic() + HOLDER_SECONDS
    while True:
        file.seek(0)
        holder = file.read().strip()
        if holder or time.monotonic() > deadline:
            return holder or None
        time.sleep(0.01)


def _lock_error(path: Path, holder: str | None) -> LockedError:
    return LockedError(
        "another process works in this folder",
        where=str(path.parent),
        found=holder,
        fix="wait for it or stop it; name=ANOTHER runs beside it",
    )


def _is_still_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock that `acquire_lock` has taken."""
    try:
        with path.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # closing the file releases it
    except (BlockingIOError, PermissionError):
        return True
    except OSError:  # there is no such file, or the file system has no locks
        return False
    return False


def wait_for_lock(
    path: Path,
    *,
    sleep: Callable[[float], None] = time.sleep,
    pause: float = 0.01,
    on_wait: Callable[[str | None], None] = lambda _: None,
) -> IO[str]:
    """Does what `acquire_lock` does, but waits for the process that holds the lock.

    Args:
        path: path of the file.
        sleep: waits for a number of seconds; may raise to end the waiting.
        pause: seconds between two tries.
        on_wait: called with the name of the holder before the first pause.

    Raises:
        DiskError: the file cannot be written, or the file system has no locks.
    """
    waiting = False
    while True:
        try:
            with disk_errors(path):
                return acquire_lock(path)
        except LockedError as error:
            if not waiting:
                on_wait(error.found)
            waiting = True
            sleep(pause)
