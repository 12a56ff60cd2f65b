"""Which entries of the cache are in use: what `autotune clean` leaves to other processes.

The file .lock of a cache is never read. A process locks one byte of it for each entry that it uses, by the hash of the
entry's name, shared; who removes an entry locks that byte for itself first. The system frees the locks of a process
that dies.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from autotune.runtime.files import disk_errors, make_folder

LOCK = ".lock"
PLACES = 1 << 62
"""Offsets that every system locks, however long the file is."""
BUSY = (errno.EACCES, errno.EAGAIN)

_caches: dict[Path, IO[bytes]] | None = None
"""The lock files that this process has open; None outside of `entries_in_use`."""


@contextmanager
def entries_in_use() -> Iterator[None]:
    """Inside, entries of a cache are held from the moment when `hold` names them to the end."""
    global _caches
    if _caches is not None:
        yield
        return
    _caches = {}
    try:
        yield
    finally:
        for file in _caches.values():
            file.close()
        _caches = None


def hold(entry: Path) -> None:
    """Keeps an entry, there already or to be made, from being removed by another process; it counts as used now.

    Where nobody can lock, `clean` cannot either, and removes nothing.
    """
    with suppress(OSError):
        os.utime(entry)
    if _caches is None:
        return
    with suppress(OSError):
        if entry.parent not in _caches:
            _caches[entry.parent] = _opened(entry.parent)
        # Waits for a process that is removing this entry.
        fcntl.lockf(_caches[entry.parent], fcntl.LOCK_SH, 1, _place(entry.name))


@contextmanager
def removing(cache: Path) -> Iterator[IO[bytes]]:
    """The lock file of a cache, for `taken`.

    Raises:
        DiskError: the system refuses.
    """
    with disk_errors(cache / LOCK):
        file = _opened(cache, for_itself=True)
    with file:
        yield file


@contextmanager
def taken(lock: IO[bytes], name: str) -> Iterator[bool]:
    """Whether no other process uses the entry of this name, nor will before the end.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
    except OSError as error:
        if error.errno not in BUSY:
            raise
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(lock, fcntl.LOCK_UN, 1, _place(name))


def _opened(cache: Path, *, for_itself: bool = False) -> IO[bytes]:
    make_folder(cache)
    path = cache / LOCK
    try:
        return path.open("a+b")
    except PermissionError:
        # Of a cache that somebody else shares: reading is enough for a shared lock.
        if for_itself:
            raise
        return path.open("rb")


def _place(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % PLACES
