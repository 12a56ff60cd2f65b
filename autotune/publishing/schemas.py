"""What a push and the card read of the files of a finished run; other keys stand beside these."""

from typing import Annotated

from pydantic import Field

from autotune.runtime.records import Record

Interval = Annotated[list[float], Field(min_length=2, max_length=2)]


class Training(Record):
    """How training ended."""

    steps: int
    seconds: float
    best_step: int
    stopped_early: bool


class Unseen(Record):
    """The figures of rows whose texts train does not have."""

    rows: int


class Metrics(Record):
    """metrics.json; the figures of each split stand beside these keys."""

    baseline: Annotated[dict[str, dict[str, dict[str, float | None]]], Field(min_length=1)]
    interval: dict[str, dict[str, Interval]] = {}
    unseen: dict[str, Unseen] = {}
    recipe: dict[str, str]
    training: Training


class ClassFigures(Record):
    """The figures of one class; a plug-in may have others."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    support: int | None = None


class SplitFigures(Record):
    """The figures of the split that is the result."""

    per_class: dict[str, ClassFigures] = {}


class Lengths(Record):
    """How long the rows of a split are, as far as it is told."""

    rows_beyond: int = 0


class AllLengths(Record):
    """How long the rows are."""

    max_length: int | None = None
    splits: dict[str, Lengths] = {}


class Labels(Record):
    """How often each label occurs."""

    counts: dict[str, dict[str, int]] = {}


class Check(Record):
    """What the check found."""

    labels: Labels = Labels()
    lengths: AllLengths = AllLengths()


class Origin(Record):
    """Where the rows came from."""

    commit: str | None = None


class Data(Record):
    """data.json."""

    rows: dict[str, int]
    fingerprint: str
    source: Origin = Origin()
    check: Check = Check()


class Surroundings(Record):
    """environment.json."""

    device: str = ""


class Snapshot(Record):
    """snapshot.json beside the last weights."""

    step: int
    total: int
    figure: str | None = None
    value: float | None = None
    best_step: int | None = None
