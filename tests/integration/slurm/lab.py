"""Jobs on the lab."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.forks import forks

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
LIMIT = 240.0
"""Seconds to wait for anything."""


@dataclass(frozen=True)
class Lab:
    """A cluster whose commands the environment finds."""

    environment: Mapping[str, str]

    def run(self, *words: object) -> str:
        """What a command of Slurm prints."""
        return subprocess.run(
            [*map(str, words)], capture_output=True, text=True, check=True, env=self.environment
        ).stdout

    def submit(self, folder: Path, *words: object) -> str:
        """Sends a run with autotune; returns the job id."""
        names = ("PATH", "SLURM_CONF", "OMP_NUM_THREADS")
        done = forks().start(
            "submit", "cluster=slurm", "slurm.gpus_per_node=0", *words, cwd=folder,
            **{name: self.environment[name] for name in names},
        ).ended()  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def job(self, job: str) -> dict[str, str]:
        """What scontrol knows of a job."""
        return dict(re.findall(r"(\w+)=(\S*)", self.run("scontrol", "--oneliner", "show", "job", job)))

    def until(self, true: Callable[[], bool], job: str) -> None:
        """Waits."""
        deadline = time.monotonic() + LIMIT
        while not true():
            assert time.monotonic() < deadline, self.job(job)
            time.sleep(0.2)

    def ended(self, job: str) -> dict[str, str]:
        """Waits for the end of a job."""

        def has_ended() -> bool:
            self.release(job)
            return self.job(job)["JobState"] in ENDED

        self.until(has_ended, job)
        return self.job(job)

    def reaches(self, job: str, run: Path, step: int) -> None:
        """Waits until a run has done so many steps."""
        history = run / "history.jsonl"

        def has_reached() -> bool:
            self.release(job)
            return any(json.loads(line).get("step", 0) >= step for line in lines(history))

        self.until(has_reached, job)

    def release(self, job: str) -> None:
        """Lets a job that was queued again start at once: Slurm holds it for two minutes."""
        known = self.job(job)
        if known["JobState"] == "PENDING" and known["Reason"] == "BeginTime":
            self.run("scontrol", "update", f"JobId={job}", "StartTime=now")


def lines(file: Path) -> list[str]:
    """Whole lines of a file that may not be there yet."""
    text = file.read_text() if file.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()
