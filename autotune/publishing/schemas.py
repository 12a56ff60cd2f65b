"""Schemas of what the push and the card read from the files of a finished run; other keys are allowed."""

from typing import Annotated

from pydantic import Field

from autotune.run.data_record import Training as PlannedTraining
from autotune.runtime.records import Record

Interval = Annotated[list[float], Field(min_length=2, max_length=2)]


class Training(Record):
    """Summary of the training."""

    steps: int
    seconds: float
    best_step: int
    stopped_early: bool
    kept: str = "best"


class Unseen(Record):
    """Scores on the rows whose texts do not occur in train."""

    rows: int


class Quality(Record):
    """How far the probabilities of a split can be believed."""

    ece: float
    accuracy_at_coverage: dict[str, float] = {}
    before: dict[str, float] = {}


class Calibration(Record):
    """Figures of the probabilities of a classifier."""

    temperature: float | None = None
    threshold: float | None = None
    thresholds: dict[str, float] | None = None
    splits: dict[str, Quality]


class Against(Record):
    """The model against the best baseline."""

    name: str
    value: float
    difference: float
    interval: Interval
    verdict: str


class SliceScore(Record):
    """The score of a part of the rows."""

    by: str
    name: str
    rows: int
    metric: str
    score: float
    interval: Interval
    few: bool


class Metrics(Record):
    """Schema of metrics.json, which also has one key per split with its scores."""

    baseline: Annotated[dict[str, dict[str, dict[str, float | None]]], Field(min_length=1)]
    upper_bound: dict[str, dict[str, dict[str, float | None]]] = {}
    baseline_notes: dict[str, str] = {}
    against_baseline: dict[str, Against] = {}
    slices: dict[str, list[SliceScore]] = {}
    interval: dict[str, dict[str, Interval]] = {}
    unseen: dict[str, Unseen] = {}
    calibration: Calibration | None = None
    recipe: dict[str, str]
    training: Training


class SelectionRecord(Record):
    """Schema of selection.json: the score of the winner of a search, on rows that its models had not learned from."""

    metric: str
    score: float
    """Corrected for choosing the best candidate."""
    interval: Interval
    rows: int
    folds: int | None
    """Number of folds that the rows were in; None: they are those of validation."""
    candidates: int
    beside: dict[str, float]
    """Scores of others on the same rows, by name."""
    learned: bool = False
    """Whether the rows are those of test, from which the model then learned, too."""


class NoiseRecord(Record):
    """The score on changed rows."""

    name: str
    changed: int
    score: float
    difference: float
    interval: Interval


class RobustnessRecord(Record):
    """Schema of robustness.json."""

    split: str
    rows: int
    metric: str
    score: float
    noises: list[NoiseRecord]


class ClassScores(Record):
    """Scores of one class; a plug-in may have others."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    support: int | None = None


class SplitScores(Record):
    """Scores on the split that is the run's result."""

    per_class: dict[str, ClassScores] = {}


class Lengths(Record):
    """Row lengths of a split; only the part that the card shows."""

    rows_beyond: int = 0


class AllLengths(Record):
    """Row lengths of all splits."""

    max_length: int | None = None
    splits: dict[str, Lengths] = {}


class Labels(Record):
    """Number of occurrences of each label, by split."""

    counts: dict[str, dict[str, int]] = {}


class Check(Record):
    """Results of the data check."""

    labels: Labels = Labels()
    lengths: AllLengths = AllLengths()


class Origin(Record):
    """Source of the rows."""

    commit: str | None = None


class Data(Record):
    """Schema of data.json."""

    rows: dict[str, int]
    fingerprint: str
    source: Origin = Origin()
    check: Check = Check()
    training: PlannedTraining | None = None


class EnvironmentRecord(Record):
    """Schema of environment.json."""

    device: str = ""


class Snapshot(Record):
    """Schema of snapshot.json, which describes the last weights."""

    step: int
    total: int
    figure: str | None = None
    value: float | None = None
    best_step: int | None = None
