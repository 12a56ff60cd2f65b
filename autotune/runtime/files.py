"""Files: written whole or not at all, locked, and what the system refuses in our words."""

import errno
import fcntl
import json
import os
import re
import shutil
import socket
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
"""What the names of temporary folders begin with."""
PRIVATE = 0o700
"""Mode of a new folder with what was learned or read: a cluster's disk is shared, data may be confidential."""
LOCK_TRIES = 10
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF)
"""What a file system answers that cannot fsync a folder: SMB, exFAT and many FUSE mounts."""


@contextmanager
def atomic_write(target: Path, *, elsewhere: str = RUNS) -> Iterator[IO[bytes]]:
    """A file to write that takes the target's place once all of it has reached the disk.

    A link stays, and what it leads to is replaced. Devices, pipes and this process's own streams are written into.

    Raises:
        ConfigError: what is there is a folder, a socket or a disk.
        DiskError: it cannot be written; the target is as it was.
    """
    with disk_errors(target, elsewhere=elsewhere):
        special = _special(target)
        if special is not None:
            with special:
                yield special
            return
        target = Path(os.path.realpath(target))
        beside = target.with_name(f".{target.name}.part")
        try:
            with beside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
            fsync_path(target.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _special(target: Path) -> IO[bytes] | None:
    """What can only be written into, opened; None for a file, or where there is nothing yet.

    Raises:
        ConfigError: it cannot be written into either, or nobody reads from the pipe.
        OSError: it cannot be opened.
    """
    own = _own_stream(target)
    if own is not None:
        return os.fdopen(os.dup(own), "wb")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        kind = "a folder" if stat.S_ISDIR(mode) else "a socket or a disk"
        raise ConfigError("what is there is not a file", where=str(target), found=kind, fix="another name")
    try:
        # Without this flag, opening a pipe waits for a reader, perhaps for ever.
        descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno != errno.ENXIO or not stat.S_ISFIFO(mode):
            raise
        fix = "start what reads from it first, or another name"
        raise ConfigError("nobody reads from this pipe", where=str(target), fix=fix) from error
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def refuse_ways_out(folder: Path) -> None:
    """Looks for files of a folder that are links to files elsewhere, or pipes and the like: who gave us the folder
    would choose what we write into.

    Raises:
        ConfigError: names the first.
    """
    home = folder.resolve()
    for root, _, names in os.walk(folder):
        for name in sorted(names):  # links to folders are none of these
            entry = Path(root, name)
            try:
                mode = entry.lstat().st_mode
            except FileNotFoundError:
                continue  # another process works here
            inside = stat.S_ISLNK(mode) and Path(os.path.realpath(entry)).is_relative_to(home)
            if not (inside or stat.S_ISREG(mode)):
                found = f"a link to {entry.readlink()}" if stat.S_ISLNK(mode) else "no file and no folder"
                raise ConfigError("the run folder holds what no run writes", where=str(entry), found=found,
                                  fix="remove it")  # fmt: skip


def _own_stream(path: Path) -> int | None:
    """The number of this process's descriptor that a name stands for: /dev/stdout, /dev/fd/63. Where that is connected
    with a file, opening the file from its start would lose what others have written."""
    streams = Path("/dev/fd").resolve()
    for _ in range(40):  # links, as many as the system follows
        path = path.absolute()
        path = path.parent.resolve() / path.name
        if path.parent == streams and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return None


@contextmanager
def disk_errors(path: Path, needed: int | None = None, *, elsewhere: str = RUNS) -> Iterator[None]:
    """Inside, an OSError becomes a DiskError.

    Args:
        path: what is being written, for the message.
        needed: bytes that it takes, likewise.
        elsewhere: override or argument that names another place, likewise.

    Raises:
        DiskError: the system refused.
    """
    try:
        yield
    except OSError as error:
        if elsewhere == RUNS and path.is_relative_to(tempfile.gettempdir()) and SCRATCH in str(path):
            elsewhere = "TMPDIR=FOLDER before the command"
        raise system_error(error, path, needed, elsewhere=elsewhere) from error


@contextmanager
def rust_disk_errors(path: Path, needed: int | None = None) -> Iterator[None]:
    """As `disk_errors`, around libraries written in Rust, which raise errors of their own for what the system says.

    Raises:
        DiskError: the system refused.
    """
    with disk_errors(path, needed):
        try:
            yield
        except Exception as error:
            said = re.search(r"\(os error (\d+)\)", str(error))
            if said is None:
                raise
            number = int(said[1])
            raise OSError(number, os.strerror(number)) from error


@contextmanager
def read_errors(path: Path | None = None, *, elsewhere: str = "dataset.path=FILE") -> Iterator[None]:
    """Inside, what the system refuses becomes a DiskError; a file that is missing stays a FileNotFoundError.

    Args:
        path: what is being read, for the message; None: what the error names.
        elsewhere: override or argument that names another place, likewise.

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
    """A folder for temporary files, removed when it is closed.

    Raises:
        DiskError: none can be made.
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


def acquire_lock(path: Path, *, make: bool = False) -> IO[str]:
    """Opens a lock file and holds it until it is closed; the system lets go of it when the process dies.

    Args:
        path: of the file.
        make: whether its folder is made where it is missing.

    Raises:
        ConfigError: another process holds it; which one is said.
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
            # Who held it may have renamed the folder while this process waited to lock: then this is the old folder's.
            if _is_still_at(file, path):
                break
        except BaseException:
            file.close()
            raise
        file.close()
    else:
        raise _held(path, "the folder is renamed again and again")
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {now()}")
    file.flush()
    return file


def _lock(file: IO[str], path: Path) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        file.seek(0)
        raise _held(path, file.read().strip() or None) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise DiskError(
            "the file system has no file locks, which keep two processes out of one run folder",
            where=str(path),
            found=error.strerror,
            fix="runs=FOLDER on a local disk; on NFS, a mount with lockd, or with local_lock=posix where one machine uses it",
        ) from error


def _held(path: Path, holder: str | None) -> ConfigError:
    return ConfigError(
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


def json_lines(path: Path) -> Iterator[Any]:
    """What the lines of a file hold; nothing where there is none."""
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def interleave_lines(parts: Sequence[Path], target: Path) -> None:
    """Puts the lines of files into one, each in turn, and removes the files.

    Args:
        parts: none has fewer lines than a later one, nor more than one line more.
        target: written whole or not at all.

    Raises:
        DiskError: it cannot be written.
    """
    with ExitStack() as stack, atomic_write(target) as file:
        for source in cycle([stack.enter_context(part.open("rb")) for part in parts]):
            line = source.readline()
            if not line:
                break
            file.write(line)
    for part in parts:
        part.unlink()


def deliver(made: Path, target: Path) -> None:
    """Puts the bytes of a finished file where the user wants them, on whatever disk or device that is; see `atomic_write`.

    Raises:
        DiskError: they cannot be written.
    """
    with made.open("rb") as source, atomic_write(target, elsewhere=OUTPUT) as file:
        shutil.copyfileobj(source, file, 1 << 20)


def follow_umask(*files: Path) -> None:
    """Gives files of one folder the mode that the user's umask, or the folder's own rules, have for new files:
    safetensors writes files that nobody else may read.

    Raises:
        OSError: the folder cannot be written.
    """
    for folder in {file.parent for file in files}:
        model = folder / ".mode.part"
        model.touch()
        mode = stat.S_IMODE(model.stat().st_mode)
        model.unlink()
        for file in files:
            if file.parent == folder and stat.S_IMODE(file.stat().st_mode) != mode:
                file.chmod(mode)


def free_name(path: Path) -> Path:
    """The path with `.old-1` behind it, or the next number that is free."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return aside


def now() -> str:
    """The time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def fsync_path(path: Path) -> None:
    """Makes what was written to a file, or renamed in a folder, last through a power cut.

    A folder is passed over where the file system cannot do that for folders: nothing better can be had there.
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
    """Makes a folder and everything in it last through a power cut."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            fsync_path(path)
    fsync_path(folder)


def make_folder(path: Path) -> None:
    """Makes a private folder and those above it, unless they are there."""
    made = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(PRIVATE, parents=True, exist_ok=True)
    for one in reversed(made):
        fsync_path(one.parent)


def replace_folder(partial: Path, folder: Path) -> None:
    """Puts a finished folder into place once all of it has reached the disk; whoever reads sees the old or the new."""
    fsync_tree(partial)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    fsync_path(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a file another name; where the file system has no hard links, a copy that has reached the disk."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
        fsync_path(target)
