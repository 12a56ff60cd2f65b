"""Finds folders: the cache that runs share, a run folder that was moved during the run, and the YAML files."""

import os
from pathlib import Path
from typing import IO

from autotune.errors import DiskError, format_override
from autotune.runtime.os_errors import user_name

CACHE = ".cache"


def cache_of(runs: Path) -> Path:
    """Returns the cache folder that a user's runs share: `.cache`, or a folder with the user's name if `.cache` belongs to
    another user and is not accessible."""
    shared = runs / CACHE
    if not os.access(shared, os.F_OK) or os.access(shared, os.R_OK | os.W_OK | os.X_OK):
        return shared
    return runs / f"{CACHE}-{user_name(os.geteuid())}"


def moved(folder: Path, lock: IO[str] | None) -> DiskError | None:
    """Returns the error for a run folder that was moved or removed; None if it still exists.

    Args:
        folder: folder of the run.
        lock: its lock file, which is closed if the folder is gone; None in a process that does not hold it.
    """
    if lock is None or os.access(folder, os.F_OK):
        return None
    try:
        # Linux tracks the path of an open file through renames.
        lock_path = Path(f"/proc/self/fd/{lock.fileno()}").readlink()
    except OSError:
        lock_path = Path()
    new_folder = lock_path.parent if lock_path.name and lock_path.exists() else None
    lock.close()
    return DiskError(
        "the run folder was moved or removed during the run",
        where=str(folder),
        found=f"it is now {new_folder}" if new_folder else None,
        fix=f"autotune {format_override('resume', str(new_folder))}"
        if new_folder
        else "move it back, then the same command",
    )


def config_folder() -> Path:
    """Returns the folder of the YAML files: inside the installed package, or beside it in a checkout.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = [package / "configs", package.parent / "configs"]
    for folder in candidates:
        if (folder / "run.yaml").is_file():
            return folder
    raise FileNotFoundError(f"the installation is damaged: no run.yaml in {candidates[0]} or {candidates[1]}")
