"""Tracks which cache entries are in use, so that `autotune clean` keeps entries that another process uses.

The file .lock of a cache is never read. For each entry it uses, a process takes a shared lock on one byte of the file,
chosen by the hash of the entry's name; to remove an entry, it first takes an exclusive lock on that byte. The system
releases the locks of a process that dies.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from autotune.runtime import signals
from autotune.runtime.files import disk_errors, make_folder

LOCK = ".lock"
LOCK_OFFSETS = 1 << 62
"""Number of byte offsets used for locks; every system can lock them, whatever the length of the file."""
BUSY = (errno.EACCES, errno.EAGAIN)

_caches: dict[Path, IO[bytes]] | None = None
"""Lock files that this process has open, by cache; None outside `entries_in_use`."""


@contextmanager
def entries_in_use() -> Iterator[None]:
    """Context in which each entry passed to `hold` stays locked until the context ends."""
    global _caches
    if _caches is not None:
        yield
        return
    _caches = {}
    try:
        yield
    finally:
        # Closing a lock file releases all its locks, so the files stay open until here.
        for file in _caches.values():
            file.close()
        _caches = None


def hold(entry: Path) -> None:
    """Protects an entry, existing or about to be made, from removal by another process and updates its time of use.

    Errors are ignored: where locking fails, it fails for `clean` too, which then removes nothing.
    """
    with suppress(OSError):
        os.utime(entry)
    if _caches is None:
        return
    with suppress(OSError):
        if entry.parent not in _caches:
            _caches[entry.parent] = _open_lock_file(entry.parent)
        # Waits for a process that is removing this entry.
        fcntl.lockf(_caches[entry.parent], fcntl.LOCK_SH, 1, _lock_offset(entry.name))


@contextmanager
def build_once(entry: Path) -> Iterator[None]:
    """Waits while another process builds an entry, and keeps others from building it until the context ends. Without
    locks, and outside `entries_in_use`, several may build it; the last one replaces the others' equal entry.

    Args:
        entry: path of an entry that was passed to `hold`.

    Raises:
        Interrupted: the process was asked to stop while it waited.
    """
    lock = (_caches or {}).get(entry.parent)
    offset = _lock_offset(f"{entry.name} is built")
    if lock is not None:
        try:
            while not _try_lock(lock, offset):
                signals.sleep(signals.PAUSE)
        except OSError:
            lock = None
    try:
        yield
    finally:
        if lock is not None:
            fcntl.lockf(lock, fcntl.LOCK_UN, 1, offset)


@contextmanager
def open_lock_file(cache: Path) -> Iterator[IO[bytes]]:
    """Opens the lock file of a cache, for `try_lock_entry`.

    Raises:
        DiskError: the file cannot be opened.
    """
    with disk_errors(cache / LOCK):
        file = _open_lock_file(cache, exclusive=True)
    with file:
        yield file


@contextmanager
def try_lock_entry(lock: IO[bytes], name: str) -> Iterator[bool]:
    """Yields whether the entry was locked: no other process uses it, nor can until the context ends.

    Raises:
        OSError: the file system does not support locks.
    """
    if not _try_lock(lock, _lock_offset(name)):
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(lock, fcntl.LOCK_UN, 1, _lock_offset(name))


def _try_lock(lock: IO[bytes], offset: int) -> bool:
    """Takes the exclusive lock on a byte; returns False if another process has it.

    Raises:
        OSError: the file system has no locks, or the file may only be read.
    """
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
    except OSError as error:
        if error.errno not in BUSY:
            raise
        return False
    return True


def _open_lock_file(cache: Path, *, exclusive: bool = False) -> IO[bytes]:
    make_folder(cache)
    path = cache / LOCK
    try:
        return path.open("a+b")
    except PermissionError:
        # The cache belongs to another user: read access is enough for a shared lock.
        if exclusive:
            raise
        return path.open("rb")


def _lock_offset(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % LOCK_OFFSETS
