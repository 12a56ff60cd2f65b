"""tracking.json: which run of an experiment tracker a run folder is sent to, and what it has taken so far."""

from pathlib import Path

from autotune.config.enums import TrackerName
from autotune.errors import shell_words
from autotune.runtime.files import atomic_write
from autotune.runtime.records import Record, read_record

TRACKING = "tracking.json"


class TrackingState(Record):
    """Schema of tracking.json."""

    tracker: str
    run: str
    """Id of the run in the tracker."""
    step: int = 0
    """Last optimizer step that the tracker has."""
    evaluated: int = 0
    """Step of the last evaluation that it has."""


def read_state(folder: Path, tracker: TrackerName) -> TrackingState | None:
    """Returns what this tracker has of a run; None if nothing was sent to it yet, or another tracker was used last.

    Raises:
        ModelError: the file is damaged.
    """
    record = read_record(folder / TRACKING, TrackingState, fix=f"rm {shell_words(folder / TRACKING)}")
    return TrackingState(**record) if record and record["tracker"] == tracker else None


def write_state(folder: Path, state: TrackingState) -> None:
    """Writes tracking.json.

    Raises:
        DiskError: the folder cannot be written.
    """
    with atomic_write(folder / TRACKING) as file:
        file.write(state.model_dump_json().encode())
