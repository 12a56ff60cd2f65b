"""Names and schemas of the files of an auto folder that its report reads."""

from typing import Annotated, Any, Literal

from pydantic import Field

from autotune.runtime.records import Record

SETTINGS, DECISIONS, LEADERBOARD, RESULT = "auto.yaml", "decisions.jsonl", "leaderboard.jsonl", "result.json"
"""Settings and trials; what was decided; every measurement; the winner and its figures. Only a finished folder has the last."""

Interval = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Lower and upper end."""


class DecisionRecord(Record):
    """A line of decisions.jsonl."""

    id: str
    value: Any
    because: str
    source: str
    alternatives: list[str] = []
    override: str | None = None


class Measurement(Record):
    """A line of leaderboard.jsonl: a trial was scored."""

    trial: str
    kind: Literal["trivial", "cheap", "full"]
    fate: Literal["leads", "continues", "finished", "dropped", "failed"]
    because: str | None = None
    seconds: float | None = None
    """Since the start; None where no clock decides."""
    run: str | None = None
    share: float = 1.0
    """Share of its schedule that the trial has done."""
    folds: list[int] | None = None
    rows: int = 0
    score: float | None
    """None for a trial that failed."""
    interval: Interval | None = None


class Winner(Record):
    """The trial that won."""

    trial: str
    kind: str
    run: str | None
    overrides: list[str]


class HeldOutScore(Record):
    """The winner on the test rows, which nothing else has seen."""

    rows: int
    score: float
    interval: Interval
    learned: bool = False
    """Whether it was then trained once more, with these rows."""


class Chosen(Record):
    """The figure that chose the winner, and what remains of it without the luck of having been chosen."""

    rows: int
    score: float
    corrected: float
    interval: Interval
    """Of the corrected score."""
    candidates: int
    chance_of_best: dict[str, float]


class Beside(Record):
    """Another trial on the rows that chose the winner."""

    trial: str
    score: float
    interval: Interval | None
    difference: float
    """By how much the winner is better."""
    difference_interval: Interval


class Seeds(Record):
    """The winner's configuration with several seeds."""

    count: int
    standard_deviation: float


class Calibration(Record):
    """The temperature of the saved model."""

    temperature: float
    ece_before: float
    ece_after: float


class Coverage(Record):
    """How many rows can be decided with at most a share of errors."""

    error: float
    threshold: float
    coverage: float


class MoreLabels(Record):
    """What more labeled rows would bring."""

    factor: float
    gain: float
    interval: Interval


class SuspectLabels(Record):
    """Rows whose label looks wrong."""

    rows: int
    file: str


class Time(Record):
    """Seconds of the budget."""

    asked: float | None
    used: float | None


class Result(Record):
    """Schema of result.json."""

    data: str
    task: str
    metric: str
    greater_is_better: bool
    winner: Winner
    test: HeldOutScore | None
    chosen: Chosen
    beside: list[Beside]
    seeds: Seeds | None
    calibration: Calibration | None
    coverage: list[Coverage] | None
    more_labels: MoreLabels | None
    suspects: SuspectLabels | None
    time: Time
    commands: dict[str, str]
