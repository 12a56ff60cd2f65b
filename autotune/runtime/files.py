"""Files: atomic writes, and translation of what the operating system refuses."""

import errno
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import IO, Any

from autotune.errors import ConfigError, DiskError
from autotune.runtime.os_errors import REFUSALS, system_error

OUTPUT, RUNS = "another name for the output", "runs=FOLDER"
SCRATCH = "autotune-"
"""Prefix of the names of temporary folders."""
PRIVATE = 0o700
"""Mode of a new folder for weights or data: a cluster's disk is shared, and data may be confidential."""
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF)
"""Errors of a file system that cannot fsync a folder: SMB, exFAT and many FUSE mounts."""


@contextmanager
def atomic_write(target: Path, *, elsewhere: str = RUNS) -> Iterator[IO[bytes]]:
    """Opens a file for writing that replaces the target once all of it is on the disk.

    A link is kept, and the file it leads to is replaced. Devices, pipes and this process's own streams are written
    directly.

    Raises:
        ConfigError: the target is a folder, a socket or a disk.
        DiskError: the file cannot be written; the target is unchanged.
    """
    with disk_errors(target, elsewhere=elsewhere):
        special = _open_special(target)
        if special is not None:
            with special:
                yield special
            return
        # In the folder of the file itself: `os.replace` is atomic only within one file system.
        target = Path(os.path.realpath(target))
        temporary = target.with_name(f".{target.name}.part")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                # Before the rename: after a power cut, the new name must not lead to an empty file.
                os.fsync(file.fileno())
            os.replace(temporary, target)
            fsync_path(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _open_special(target: Path) -> IO[bytes] | None:
    """Opens a device, a pipe or an own stream for writing; returns None for a regular file or a missing one.

    Raises:
        ConfigError: the target cannot be written into, or nobody reads from the pipe.
        OSError: the target cannot be opened.
    """
    descriptor = own_descriptor(target)
    if descriptor is not None:
        return os.fdopen(os.dup(descriptor), "wb")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        file_type = "a folder" if stat.S_ISDIR(mode) else "a socket or a disk"
        raise ConfigError("the path is not a file", where=str(target), found=file_type, fix="another name")
    try:
        # Without O_NONBLOCK, opening a pipe waits for a reader, perhaps forever.
        descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno != errno.ENXIO or not stat.S_ISFIFO(mode):
            raise
        fix = "start what reads from it first, or another name"
        raise ConfigError("no process reads from this pipe", where=str(target), fix=fix) from error
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def refuse_ways_out(folder: Path) -> None:
    """Checks that a folder holds no links to files elsewhere, pipes or the like, through which whoever made the folder
    would choose what the run writes into.

    Raises:
        ConfigError: the first such file.
    """
    home = folder.resolve()
    for root, _, names in os.walk(folder):
        for name in sorted(names):  # without links to folders, which `os.walk` lists as folders
            entry = Path(root, name)
            try:
                mode = entry.lstat().st_mode
            except FileNotFoundError:
                continue  # removed meanwhile by another process
            inside = stat.S_ISLNK(mode) and Path(os.path.realpath(entry)).is_relative_to(home)
            if not (inside or stat.S_ISREG(mode)):
                found = f"a link to {entry.readlink()}" if stat.S_ISLNK(mode) else "not a file or folder"
                raise ConfigError("the run folder holds something that no run writes", where=str(entry), found=found,
                                  fix="remove it")  # fmt: skip


def own_descriptor(path: Path) -> int | None:
    """Returns this process's file descriptor that a path names: /dev/stdout, /dev/fd/63. If it is connected to a file,
    opening that file again from its start would overwrite what others have written."""
    descriptors = Path("/dev/fd").resolve()
    for _ in range(40):  # as many links as the system follows
        path = path.absolute()
        path = path.parent.resolve() / path.name
        if path.parent == descriptors and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return None


@contextmanager
def disk_errors(path: Path, needed: int | None = None, *, elsewhere: str = RUNS) -> Iterator[None]:
    """Turns an OSError inside the context into a DiskError.

    Args:
        path: path that is written, for the message.
        needed: bytes to write, for the message.
        elsewhere: override or argument that names another place, for the message.

    Raises:
        DiskError: the system refused.
    """
    try:
        yield
    except OSError as error:
        if elsewhere == RUNS and str(path).startswith(str(Path(tempfile.gettempdir(), SCRATCH))):
            elsewhere = "TMPDIR=FOLDER before the command"
        raise system_error(error, path, needed, elsewhere=elsewhere) from error


@contextmanager
def rust_disk_errors(path: Path, needed: int | None = None) -> Iterator[None]:
    """Does the same as `disk_errors` around libraries written in Rust, whose errors are not OSErrors.

    Raises:
        DiskError: the system refused.
    """
    with disk_errors(path, needed):
        try:
            yield
        except Exception as error:
            match = re.search(r"\(os error (\d+)\)", str(error))
            if match is None:
                raise
            number = int(match[1])
            raise OSError(number, os.strerror(number)) from error


@contextmanager
def read_errors(path: Path | None = None, *, elsewhere: str = "dataset.path=FILE") -> Iterator[None]:
    """Turns an OSError inside the context into a DiskError; for a missing file, FileNotFoundError is kept.

    Args:
        path: path that is read, for the message; None for the path in the error.
        elsewhere: override or argument that names another place, for the message.

    Raises:
        DiskError: the system refused.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise system_error(error, path, doing="read", elsewhere=elsewhere) from error


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Makes a folder for temporary files that is removed when it is closed.

    Raises:
        DiskError: it cannot be made.
    """
    try:
        return tempfile.TemporaryDirectory(prefix=SCRATCH)
    except OSError as error:
        raise DiskError(
            "no folder for temporary files can be written",
            where="TMPDIR",
            found=error.strerror or str(error),
            fix="TMPDIR=FOLDER before the command, a folder that can be written and has room",
        ) from error


def json_lines(path: Path) -> Iterator[Any]:
    """Yields the JSON values of the lines of a file; nothing if there is no such file."""
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def interleave_lines(parts: Sequence[Path], target: Path) -> None:
    """Merges files line by line, one line of each in turn, and removes them.

    Args:
        parts: files of which none has fewer lines than a later one, nor more than one line more.
        target: file to write, whole or not at all.

    Raises:
        DiskError: the target cannot be written.
    """
    with ExitStack() as stack, atomic_write(target) as file:
        for source in cycle([stack.enter_context(part.open("rb")) for part in parts]):
            line = source.readline()
            if not line:  # by the condition on `parts`, the later ones have no more lines either
                break
            file.write(line)
    for part in parts:
        part.unlink()


def deliver(finished: Path, target: Path) -> None:
    """Copies a finished file to where the user wants it, on any disk or device; see `atomic_write`.

    Raises:
        DiskError: the target cannot be written.
    """
    with finished.open("rb") as source, atomic_write(target, elsewhere=OUTPUT) as file:
        shutil.copyfileobj(source, file, 1 << 20)


def follow_umask(*files: Path) -> None:
    """Gives files the mode that new files get from the user's umask or the rules of their folder: safetensors writes
    files that nobody else may read.

    Raises:
        OSError: the folder cannot be written.
    """
    for folder in {file.parent for file in files}:
        # The umask can be read only by changing it, and a folder may have default ACLs: make a file and look at it.
        sample = folder / ".mode.part"
        sample.touch()
        mode = stat.S_IMODE(sample.stat().st_mode)
        sample.unlink()
        for file in files:
            if file.parent == folder and stat.S_IMODE(file.stat().st_mode) != mode:
                file.chmod(mode)


def free_name(path: Path) -> Path:
    """Returns the path with the suffix `.old-1`, or the next free number."""
    number = 1
    while (candidate := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return candidate


def now() -> str:
    """Returns the time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def fsync_path(path: Path) -> None:
    """Flushes a file, or the names in a folder, to the disk, so that they survive a power cut.

    Ignores a file system that cannot flush folders: there is no other way.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Flushes a folder and everything in it to the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            fsync_path(path)
    fsync_path(folder)


def make_folder(path: Path) -> None:
    """Makes a private folder and the missing ones above it, unless it exists."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(PRIVATE, parents=True, exist_ok=True)
    for folder in reversed(missing):
        fsync_path(folder.parent)


def replace_folder(partial: Path, folder: Path) -> None:
    """Puts a finished folder into place once all of it is on the disk; readers see the old one or the new one."""
    fsync_tree(partial)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    # A folder that is not empty cannot be replaced by a rename, so the old one is renamed first.
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    fsync_path(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a file another name; if the file system has no hard links, copies it to the disk."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
        fsync_path(target)
