"""Writing that is whole or not at all, and the system's refusals in our words."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from autotune.errors import DiskError


@contextmanager
def replaced(target: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the target's place once all of it has reached the disk.

    Raises:
        DiskError: it cannot be written; the target is as it was.
    """
    beside = target.with_name(f".{target.name}.part")
    with writing(target):
        try:
            with beside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
            _sync_folder(target.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, an OSError becomes a DiskError.

    Args:
        path: what is being written, for the message.

    Raises:
        DiskError: the system refused.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> DiskError:
    """What the system said, with the room that is left."""
    folder = next((parent for parent in (path, *path.parents) if parent.is_dir()), Path("/"))
    free = shutil.disk_usage(folder).free
    return DiskError(
        f"cannot write: {error.strerror or error}",
        where=str(path),
        found=f"{free / 1e9:.1f} GB free",
        fix="runs=FOLDER puts run folders where there is room and the right to write",
    )


def _sync_folder(folder: Path) -> None:
    """Makes a renaming last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
