"""Runs a command and measures what it took."""

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

POLL = 0.1
"""Seconds between two looks at the files that are waited for."""
PR_SET_CHILD_SUBREAPER = 36
"""Of Linux's prctl(2): processes that a command leaves behind become children of this one, so they are counted."""


@dataclass(frozen=True)
class Usage:
    """A command that has ended."""

    returncode: int
    seconds: float
    cpu_seconds: float
    """Of all its processes."""
    memory_mb: float
    """Peak of its largest process."""
    seen: dict[str, float] = field(default_factory=dict)
    """Seconds until each of the files was there that were waited for."""


def execute(
    command: Sequence[str],
    log: Path,
    *,
    threads: int = 1,
    watch: Sequence[Path] = (),
    limit: float | None = None,
) -> Usage:
    """Runs a command to its end.

    Args:
        command: its words.
        log: file for all that it prints.
        threads: of each of its processes.
        watch: files whose first appearance is timed.
        limit: seconds after which it is killed; None: never.
    """
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "AUTOTUNE_LANG": "en",
    }
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    seen: dict[str, float] = {}
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, process_group=0
        )
        try:
            while True:
                pid, code, usage = os.wait4(process.pid, os.WNOHANG)
                seconds = time.monotonic() - started
                seen |= {
                    str(path): round(seconds, 1) for path in watch if str(path) not in seen and path.exists()
                }
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(code)
                    usages = [usage, *_left_behind(process.pid)]
                    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
                    memory = max(usage.ru_maxrss for usage in usages) / 1024
                    return Usage(process.returncode, seconds, cpu, memory, seen)
                if limit is not None and seconds > limit:
                    os.killpg(process.pid, signal.SIGKILL)
                time.sleep(POLL)
        finally:
            if process.returncode is None:  # interrupted
                os.killpg(process.pid, signal.SIGKILL)


def _left_behind(group: int) -> list[resource.struct_rusage]:
    """Waits for the processes that a command has left behind in its process group, and returns what they took.

    autotune forks its runs from a server, which outlives it for a moment.
    """
    usages = []
    while True:
        try:
            usages.append(os.wait4(-group, 0)[2])
        except ChildProcessError:
            return usages
