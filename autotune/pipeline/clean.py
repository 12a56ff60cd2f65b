"""`autotune clean`: what the cache of a runs folder holds, and its removal.

The cache holds what can be made again: tables of rows and of features, tiny models, unpacked bundles, and what a
process that died has left of one. Run folders are never touched.
"""

import logging
import re
import shutil
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from autotune.data.cache_use import LOCK, open_lock_file, try_lock_entry
from autotune.errors import ConfigError, DiskError
from autotune.runtime.files import read_errors
from autotune.runtime.locks import NO_LOCKS
from autotune.runtime.os_errors import is_refusal
from autotune.runtime.places import cache_of

logger = logging.getLogger(__name__)

ENTRY = re.compile(
    r"(?P<table>(?P<rows>rows|features)-[0-9a-f]{24}\.arrow)"
    r"|\.(?P<part>(rows|features)-[0-9a-f]{24}\.arrow)\.\d+\.part"
    r"|(?P<folder>(?P<tiny>tiny)-[a-z0-9]+-[0-9a-f]{16}|bundle-[0-9a-f]{24})(?P<unfinished>\.\w+)?"
)
"""Names in a cache: tables, and folders of tiny models; what a process that writes has not finished ends differently."""
KINDS = {
    "rows": "tables of rows",
    "features": "tables of features",
    "tiny": "tiny models",
    "bundle": "unpacked bundles",
    "part": "unfinished files",
}
DAY = 86400


@dataclass(frozen=True)
class Entry:
    """A file or folder of the cache."""

    path: Path
    kind: str
    """Key of KINDS."""
    name: str
    """By which processes hold it."""
    size: int
    """Bytes."""
    used: float
    """When it was used last, in seconds since 1970."""


def clean(runs: str, older_than: float, *, dry_run: bool) -> int:
    """Removes entries of a cache and says what was freed; returns the exit code.

    Args:
        runs: the folder of runs.
        older_than: days; what was used since then stays.
        dry_run: whether only to say what would be removed.

    Raises:
        ConfigError: there is no such folder.
        DiskError: the system refused to remove some of them; all others are gone.
    """
    folder = Path(runs).expanduser()
    cache = cache_of(folder)
    with read_errors(cache):
        if not folder.is_dir():
            raise ConfigError("there is no such folder of runs", where=runs, fix="autotune clean FOLDER")
        entries, others = find_entries(cache)
    _list(cache, entries, others)
    old = [entry for entry in entries if entry.used <= datetime.now(UTC).timestamp() - older_than * DAY]
    if len(old) < len(entries):
        logger.info("%d entries were used in the last %g days and stay", len(entries) - len(old), older_than)
    if not old:
        return 0
    busy, refused = _remove(cache, old, dry_run=dry_run)
    kept = {entry.path for entry in busy} | refused.keys()
    gone = [entry for entry in old if entry.path not in kept]
    if busy:
        logger.info("%d entries are in use by another process and stay", len(busy))
    freed = megabytes(sum(entry.size for entry in gone))
    if dry_run:
        logger.info("%d entries would be removed, %s", len(gone), freed)
    else:
        logger.info("%d entries were removed, %s freed", len(gone), freed)
    if refused:
        path, error = next(iter(refused.items()))
        raise DiskError(
            f"{len(refused)} entries of the cache cannot be removed",
            where=str(path),
            found=error.strerror or str(error),
            fix="ask the owner of the cache; everything else was removed",
        )
    return 0


def find_entries(cache: Path) -> tuple[list[Entry], int]:
    """The entries of a cache, by name, and how many other things are in it; links are not followed."""
    entries, others = [], 0
    for path in sorted(cache.iterdir()) if cache.is_dir() else []:
        match, state = ENTRY.fullmatch(path.name), path.lstat()
        fitting = stat.S_ISDIR if match and match["folder"] else stat.S_ISREG
        if match is None or not fitting(state.st_mode):
            others += path.name != LOCK
            continue
        unfinished = match["part"] or match["unfinished"]
        entry_kind = "part" if unfinished else match["rows"] or match["tiny"] or "bundle"
        files = [path, *path.rglob("*")] if match["folder"] else [path]
        size = sum(file.lstat().st_size for file in files if not file.is_dir())
        name = match["table"] or match["part"] or match["folder"]
        entries.append(Entry(path, entry_kind, name, size, state.st_mtime))
    return entries, others


def megabytes(size: int) -> str:
    """A size in words."""
    return f"{size / 1e6:,.1f} MB"


def _list(cache: Path, entries: Sequence[Entry], others: int) -> None:
    total = megabytes(sum(entry.size for entry in entries))
    logger.info("the cache %s: %d entries, %s", cache, len(entries), total)
    numbers, sizes = Counter(entry.kind for entry in entries), Counter[str]()
    for entry in entries:
        sizes[entry.kind] += entry.size
    for kind, words in KINDS.items():
        if numbers[kind]:
            logger.info("  cached %s: %d, %s", words, numbers[kind], megabytes(sizes[kind]))
    if others:
        logger.info("  files that autotune did not make, never removed: %d", others)


def _remove(
    cache: Path, entries: Sequence[Entry], *, dry_run: bool
) -> tuple[list[Entry], dict[Path, OSError]]:
    """Removes entries; those that are in use are returned, and those that the system refused to remove."""
    busy: list[Entry] = []
    refused: dict[Path, OSError] = {}
    with open_lock_file(cache) as lock:
        for entry in entries:
            try:
                with try_lock_entry(lock, entry.name) as free:
                    if not free:
                        busy.append(entry)
                    elif not dry_run:
                        _delete(entry)
            except OSError as error:
                if not is_refusal(error) and error.errno not in NO_LOCKS:
                    raise
                refused[entry.path] = error
    return busy, refused


def _delete(entry: Entry) -> None:
    try:
        if entry.path.is_dir():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink()
    except FileNotFoundError:
        pass  # another process has removed it
