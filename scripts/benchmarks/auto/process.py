"""Runs a command and measures what it took."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

POLL = 0.1
"""Seconds between two looks at the files that are waited for."""


@dataclass(frozen=True)
class Usage:
    """A command that has ended."""

    returncode: int
    seconds: float
    cpu_seconds: float
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
    seen: dict[str, float] = {}
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        while True:
            pid, code, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = time.monotonic() - started
            seen |= {
                str(path): round(seconds, 1) for path in watch if str(path) not in seen and path.exists()
            }
            if pid:
                process.returncode = os.waitstatus_to_exitcode(code)
                return Usage(
                    process.returncode, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, seen
                )
            if limit is not None and seconds > limit:
                process.kill()
            time.sleep(POLL)
