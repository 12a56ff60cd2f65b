"""Locks on files that are held by others: whether, and until when."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.runtime.files import disk_errors


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


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Holds the lock on a file, which is made if it is missing, inside the context; waits for who else holds it.

    Raises:
        DiskError: the file cannot be written, or the file system has no locks.
    """
    with disk_errors(path), path.open("ab") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield
