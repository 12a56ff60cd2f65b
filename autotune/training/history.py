"""Schemas of what a resumed run reads back: the lines of history.jsonl, and state.json of a checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from autotune.errors import ConfigError
from autotune.runtime.records import Record, checked, read_lines


class StepRecord(Record):
    """A line of a step, with the keys that are read back."""

    step: int
    loss: float | None
    grad_norm: float | None
    learning_rate: float


class ValidationRecord(Record):
    """A line of an evaluation."""

    step: int
    validation: dict[str, float | None]
    guessing: list[str] = []
    greater_is_better: bool = True


class AnomalyRecord(Record):
    """A line of an anomaly; see `guards.Anomaly`."""

    trouble: str
    step: int
    found: str
    advice: str


class StateRecord(Record):
    """Position of the run; see `state.TrainerState`."""

    step: int
    last_eval_step: int
    last_score: float | None = None
    best: float | None
    best_step: int
    evals_without_improvement: int
    section: int
    section_began: int
    seconds: float
    learned: bool = False


class Schedule(Record):
    """State of the learning rate schedule."""

    last_epoch: int
    step_count: int = Field(alias="_step_count")
    last_lr: list[float] = Field(alias="_last_lr")


class Position(Record):
    """Contents of state.json."""

    standing: StateRecord
    budget: int
    history_bytes: int
    fingerprint: str
    labels: list[str] | None
    surroundings: dict[str, str | int]
    schedule: Schedule
    scaler: dict[str, Any] | None


def read_history(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines of steps, evaluations and anomalies; skips others.

    Raises:
        ConfigError: a line is damaged.
    """
    fix = "correct or delete that line; resume=never starts over"
    for record in read_lines(path, fix=fix, error_type=ConfigError):
        if "loss" in record:
            yield checked(record, StepRecord, path, fix=fix, error_type=ConfigError)
        elif "validation" in record:
            yield checked(record, ValidationRecord, path, fix=fix, error_type=ConfigError)
        elif "trouble" in record:
            checked(record, AnomalyRecord, path, fix=fix, error_type=ConfigError)
            yield {name: record[name] for name in AnomalyRecord.model_fields}
