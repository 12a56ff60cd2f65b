"""Where things are beside a run's folder: the tables that runs share, and the folder itself when somebody has moved it."""

import os
from pathlib import Path
from typing import IO

from autotune.errors import DiskError, format_override
from autotune.runtime.os_errors import user_name

CACHE = ".cache"


def cache_of(runs: Path) -> Path:
    """The folder of tables that a user's runs share: `.cache`, or one of the user's own where that is somebody else's
    who does not share it."""
    shared = runs / CACHE
    if not os.access(shared, os.F_OK) or os.access(shared, os.R_OK | os.W_OK | os.X_OK):
        return shared
    return runs / f"{CACHE}-{user_name(os.geteuid())}"


def moved(folder: Path, lock: IO[str] | None) -> DiskError | None:
    """The error for a run's folder that is no longer at its place; None where it is.

    Args:
        folder: of the run.
        lock: its lock file, which is closed where the folder is gone; None in a process that does not hold it.
    """
    if lock is None or os.access(folder, os.F_OK):
        return None
    try:
        # Linux knows where a file is that is open.
        now = Path(f"/proc/self/fd/{lock.fileno()}").readlink()
    except OSError:
        now = Path()
    there = now.parent if now.name and now.exists() else None
    lock.close()
    return DiskError(
        "the run folder was moved or removed while the run was at work",
        where=str(folder),
        found=f"it is now {there}" if there else None,
        fix=f"autotune {format_override('resume', str(there))}"
        if there
        else "move it back, then the same command",
    )


def config_folder() -> Path:
    """Our YAML files: inside the installed package, or beside it in a checkout.

    Raises:
        FileNotFoundError: in neither.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = [package / "configs", package.parent / "configs"]
    for folder in candidates:
        if (folder / "run.yaml").is_file():
            return folder
    raise FileNotFoundError(f"the installation is damaged: no run.yaml in {candidates[0]} or {candidates[1]}")
