"""Files: written whole or not at all, locked, and what the system refuses in our words."""

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
from autotune.os_errors import REFUSALS, system_error

OUTPUT = "another name for the output"
PRIVATE = 0o700
"""Mode of a new folder with what was learned or read: a cluster's disk is shared, data may be confidential."""


@contextmanager
def replaced(target: Path, *, elsewhere: str = "runs=FOLDER") -> Iterator[IO[bytes]]:
    """A file to write that takes the target's place once all of it has reached the disk.

    Raises:
        DiskError: it cannot be written; the target is as it was.
    """
    beside = target.with_name(f".{target.name}.part")
    with writing(target, elsewhere=elsewhere):
        try:
            with beside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
            synced(target.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path, needed: int | None = None, *, elsewhere: str = "runs=FOLDER") -> Iterator[None]:
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
        raise system_error(error, path, needed, elsewhere=elsewhere) from error


@contextmanager
def saving(path: Path, needed: int | None = None) -> Iterator[None]:
    """As `writing`, around libraries written in Rust, which raise errors of their own for what the system says.

    Raises:
        DiskError: the system refused.
    """
    with writing(path, needed):
        try:
            yield
        except Exception as error:
            said = re.search(r"\(os error (\d+)\)", str(error))
            if said is None:
                raise
            number = int(said[1])
            raise OSError(number, os.strerror(number)) from error


@contextmanager
def reading(path: Path | None = None, *, elsewhere: str = "dataset.path=FILE") -> Iterator[None]:
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
        return tempfile.TemporaryDirectory(prefix="autotune-")
    except OSError as error:
        raise DiskError(
            "no folder for temporary files can be written",
            where="TMPDIR",
            found=error.strerror or str(error),
            fix="TMPDIR=FOLDER before the command, a folder that can be written and has room",
        ) from error


def locked(path: Path) -> IO[str]:
    """Opens a lock file and holds it until it is closed; the system lets go of it when the process dies.

    Raises:
        ConfigError: another process holds it; which one is said.
    """
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise ConfigError(
            "another process works in this folder",
            where=str(path.parent),
            found=holder or None,
            fix="wait for it or stop it; name=ANOTHER runs beside it",
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {now()}")
    file.flush()
    return file


def json_lines(path: Path) -> Iterator[Any]:
    """What the lines of a file hold; nothing where there is none."""
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def lines_in_turns(parts: Sequence[Path], target: Path) -> None:
    """Puts the lines of files into one, each in turn, and removes the files.

    Args:
        parts: none has fewer lines than a later one, nor more than one line more.
        target: written whole or not at all.

    Raises:
        DiskError: it cannot be written.
    """
    with ExitStack() as stack, replaced(target) as file:
        for source in cycle([stack.enter_context(part.open("rb")) for part in parts]):
            line = source.readline()
            if not line:
                break
            file.write(line)
    for part in parts:
        part.unlink()


def deliver(made: Path, target: Path) -> None:
    """Puts the bytes of a finished file where the user wants them, on whatever disk or device that is; see `replaced`.

    Raises:
        DiskError: they cannot be written.
    """
    with made.open("rb") as source, replaced(target, elsewhere=OUTPUT) as file:
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


def synced(path: Path) -> None:
    """Makes what was written to a file, or renamed in a folder, last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
