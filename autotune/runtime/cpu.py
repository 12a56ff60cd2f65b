"""Reads the CPU's physical cores and cache size."""

import os
from pathlib import Path

SYSTEM = Path("/sys/devices/system/cpu")
QUOTA = Path("/sys/fs/cgroup/cpu.max")
UNITS = {"K": 1 << 10, "M": 1 << 20}


def physical_cores(
    allowed: frozenset[int] | None = None, *, system: Path = SYSTEM, quota: Path = QUOTA
) -> int:
    """Counts the physical cores that this process may use: two threads of one core multiply matrices no faster than one.

    Args:
        allowed: numbers of the logical CPUs; None for those that the scheduler allows.
        system: the kernel's folder of CPUs.
        quota: file with the control group's quota of CPU time, `max 100000` or `200000 100000`.
    """
    if allowed is None:
        has_affinity = hasattr(os, "sched_getaffinity")
        allowed = frozenset(os.sched_getaffinity(0) if has_affinity else range(os.cpu_count() or 1))
    siblings = {
        _read(system / f"cpu{number}" / "topology" / "thread_siblings_list") or str(number)
        for number in allowed
    }
    share, _, period = _read(quota).partition(" ")
    limit = max(1, round(int(share) / int(period))) if share.isdecimal() else len(siblings)
    return min(len(siblings), limit)


def cache_bytes(*, system: Path = SYSTEM) -> int:
    """Returns the size of the largest cache of the first CPU; 0 if the system does not report it."""
    sizes = [_read(file) for file in (system / "cpu0" / "cache").glob("index*/size")]
    return max((int(size[:-1]) * UNITS[size[-1]] for size in sizes if size[-1:] in UNITS), default=0)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""  # not Linux, or a sandbox that hides it
