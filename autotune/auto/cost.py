"""What a fine-tuning costs on this machine: `autotune plan` measures it in a process of its own, which memory may end."""

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.checks.findings import Severity
from autotune.checks.machine import memory_bytes
from autotune.config.overrides import key_of
from autotune.errors import ModelError
from autotune.runtime import child_process

OWN = ("check", "plan")
"""Sections that the measurement sets itself."""


class DoesNotFit(ModelError):
    """The run does not fit into memory."""


@dataclass(frozen=True)
class Cost:
    """Seconds and memory of a run."""

    training: float
    """Seconds of all steps, with the evaluations between them."""
    start: float
    """Seconds until the first step: a fresh process, rows, features, the model."""
    judging: float
    """Seconds to predict the rows that judge the run."""

    def seconds(self, folds: int | None, rungs: int) -> float:
        """Returns the seconds of a trial.

        Args:
            folds: number of its runs; None: one.
            rungs: how often each run is paused.
        """
        return (folds or 1) * (self.training + rungs * (self.start + self.judging))


def measure(words: Sequence[str], elapsed: Callable[[], float | None], plugins: Sequence[str] = ()) -> Cost:
    """Measures a run on this machine.

    Args:
        words: overrides that compose it.
        elapsed: the clock.
        plugins: files that register tasks.

    Raises:
        DoesNotFit: memory is not enough for it.
        ModelError: it is refused.
    """
    command = [
        *(f"--plugin={plugin}" for plugin in plugins),
        *(word for word in words if key_of(word).split(".")[0] not in OWN),
        "check=none",
        "check.format=json",
    ]
    began = elapsed() or 0.0
    done = child_process.run(["plan", *command])
    seconds = (elapsed() or 0.0) - began
    report = _report(done.output)
    if done.returncode == -signal.SIGKILL or "out of memory" in done.output:
        raise DoesNotFit("it does not fit into memory")
    if done.returncode or "plan" not in report:
        errors = [
            finding["what"] for finding in report.get("findings", ()) if finding["severity"] == Severity.error
        ]
        raise ModelError(errors[0] if errors else _last_error(done.output, done.returncode))
    plan = report["plan"]
    if plan["peak_memory_gb"] * 1e9 > memory_bytes():
        raise DoesNotFit("it does not fit into memory")
    evaluations = plan["seconds_per_evaluation"]
    return Cost(
        plan["steps"] * plan["seconds_per_step"] + plan["evaluations"] * evaluations.get("validation", 0.0),
        seconds,
        evaluations.get("validation", evaluations.get("test", 0.0)),
    )


def _report(output: str) -> dict[str, Any]:
    """Returns the JSON among the lines of a command; empty if there is none."""
    start = 0 if output.startswith("{\n") else output.find("\n{\n") + 1
    try:
        value = json.JSONDecoder().raw_decode(output, start)[0]
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _last_error(output: str, code: int) -> str:
    """Returns the error that a command has printed, in a line."""
    lines = output.strip().splitlines()
    last = next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "")
    return f"exit code {code}: {last.removeprefix('error: ')}"
