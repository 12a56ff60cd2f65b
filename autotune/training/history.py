"""What a run that goes on reads back: the lines of history.jsonl, and state.json of a checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from autotune.errors import ConfigError
from autotune.runtime.records import Record, checked, read_lines


class StepRecord(Record):
    """A line of a step, as far as it is read back."""

    step: int
    loss: float | None
    grad_norm: float | None
    learning_rate: float


class ValidationRecord(Record):
    """A line of an evaluation."""

    step: int
    validation: dict[str, float | None]
    guessing: list[str] = []


class AnomalyRecord(Record):
    """A line of something that was probably not meant."""

    trouble: str
    step: int
    found: str
    advice: str


class StateRecord(Record):
    """Where training stood."""

    step: int
    last_eval_step: int
    best: float | None
    best_step: int
    evals_without_improvement: int
    section: int
    section_began: int
    seconds: float
    learned: bool = False


class Schedule(Record):
    """What the schedule of learning rates remembers."""

    last_epoch: int
    step_count: int = Field(alias="_step_count")
    last_lr: list[float] = Field(alias="_last_lr")


class Position(Record):
    """state.json."""

    standing: StateRecord
    budget: int
    history_bytes: int
    fingerprint: str
    labels: list[str] | None
    surroundings: dict[str, str | int]
    schedule: Schedule
    scaler: dict[str, Any] | None


def read_history(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of steps, evaluations and warnings; others are left out.

    Raises:
        ConfigError: a line is damaged.
    """
    fix = "correct or delete that line; resume=never begins again"
    for record in read_lines(path, fix=fix, kind=ConfigError):
        if "loss" in record:
            yield checked(record, StepRecord, path, fix=fix, kind=ConfigError)
        elif "validation" in record:
            yield checked(record, ValidationRecord, path, fix=fix, kind=ConfigError)
        elif "trouble" in record:
            checked(record, AnomalyRecord, path, fix=fix, kind=ConfigError)
            yield {name: record[name] for name in AnomalyRecord.model_fields}
