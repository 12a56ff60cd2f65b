"""A run of a sweep: its record, and what its run folder says about it at any time."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from autotune.errors import AutotuneError
from autotune.run.data_record import read_training
from autotune.run.history import planned_steps
from autotune.run.status import LOCK, read_status
from autotune.run.sweeps import SCORED
from autotune.runtime.locks import is_locked
from autotune.runtime.parsing import Unreadable, parse_json, read_lines, text_of
from autotune.runtime.records import Record, damaged, read_record

HISTORY_FIX = "the command that began the run, which repairs it"


class MemberState(StrEnum):
    """The state of a run of a sweep."""

    pending = "pending"
    """It has not begun."""
    running = "running"
    killed = "killed"
    """It was running, and no process holds the lock of its folder any more; the same command resumes it."""
    interrupted = "interrupted"
    failed = "failed"
    finished = "finished"
    damaged = "damaged"
    """A file of the run folder cannot be read."""


class SweepMember(Record):
    """Schema of a line of members.jsonl: a run of a sweep."""

    run: str
    """Run folder, relative to the folder of runs."""
    overrides: dict[str, str]
    """The overrides in which the runs of the sweep differ."""
    words: list[str]
    """Flags and overrides that train this run alone."""
    epochs: float | None
    """Passes over the data; None for a stream, which has `max_steps`, and where the rows decide."""
    max_steps: int | None
    state: Annotated[MemberState, Field(strict=False)] = MemberState.pending
    reason: str | None = None
    """Why it failed or was interrupted."""
    step: int = 0
    """Optimizer steps done."""
    steps: int | None = None
    """Optimizer steps of the whole run; None until they are known."""
    main: str | None = None
    """Name of the main metric; None until the run is finished."""
    scores: dict[str, dict[str, float]] = {}
    """Metrics by split, the split that is the result first; of an unfinished run, its newest evaluation."""

    def updated(self, runs: Path, reason: str | None = None) -> Self:
        """Returns the record with what the run folder says now.

        Args:
            runs: folder of runs.
            reason: why the run failed, if it has failed just now; counts if it has no folder.
        """
        run = runs / self.run
        try:
            status = read_status(run)
            if not status:
                return self if reason is None else self._with(state=MemberState.failed, reason=reason)
            state = present_state(run, status)
            facts = _result(run) if state is MemberState.finished else self._progress(run)
            return self._with(state=state, reason=status.get("reason"), **facts)
        except (AutotuneError, PermissionError) as error:  # the folder may be another user's
            return self._with(state=MemberState.damaged, reason=str(error))

    def _with(self, **facts: Any) -> Self:
        return self.model_copy(update=facts)

    def _progress(self, run: Path) -> dict[str, Any]:
        """Returns the steps of an unfinished run, and its newest evaluation."""
        step, epoch = 0, 0.0
        validation: dict[str, float | None] = {}
        for line in _newest_lines(run / "history.jsonl"):
            step, epoch = max(step, line.step), line.epoch or epoch
            validation = line.validation or validation
        return {
            "step": step,
            "steps": read_training(run).get("steps")
            or planned_steps(step, epoch, self.epochs, self.max_steps),
            "scores": {"validation": _numbers(validation)} if validation else {},
        }


def present_state(run: Path, status: Mapping[str, Any]) -> MemberState:
    """Returns the state of a run that has begun, from its status.json and from whether a process holds its folder."""
    state = MemberState(status["state"])
    return MemberState.killed if state is MemberState.running and not is_locked(run / LOCK) else state


class _Metrics(Record):
    """The part of metrics.json that a sweep shows; there is also a key per split."""

    main: str | None = None
    training: "_Training"


class _Training(Record):
    steps: int


class _Line(Record):
    """The part of a line of history.jsonl that a sweep shows."""

    step: int = 0
    epoch: float | None = None
    validation: dict[str, float | None] | None = None


def _result(run: Path) -> dict[str, Any]:
    """Returns the steps and scores of a finished run."""
    fix = "resume=never, which trains the run again"
    metrics = read_record(run / "metrics.json", _Metrics, fix=fix, nan=True, needed=True) or {}
    scores = {split: _numbers(metrics[split]) for split in SCORED if isinstance(metrics.get(split), dict)}
    # Older versions did not write `main`; the main metric came first.
    first = next((name for values in scores.values() for name in values), None)
    steps = metrics["training"]["steps"]
    return {"step": steps, "steps": steps, "main": metrics.get("main") or first, "scores": scores}


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """Returns the metrics among the values of a split, without tables by class."""
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _newest_lines(history: Path) -> list[_Line]:
    """Returns the newest step and the newest evaluation of a history, the older of the two first.

    Only these are parsed. The last line counts if it is complete: another process may be writing it.
    """
    newest: dict[bool, bytes] = {}
    try:
        for line in read_lines(history):
            if line.endswith(b"\n") and b'"epoch"' in line:
                evaluates = b'"validation"' in line
                newest.pop(evaluates, None)
                newest[evaluates] = line
        return [_Line.model_validate(parse_json(text_of(line), nan=True)) for line in newest.values()]
    except FileNotFoundError:
        return []
    except (Unreadable, ValueError) as error:  # of pydantic
        raise damaged(history, str(error), HISTORY_FIX) from error
