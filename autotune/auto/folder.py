"""Reads an auto folder: what was decided, measured and found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.auto.schemas import (
    DECISIONS,
    LEADERBOARD,
    RESULT,
    SETTINGS,
    DecisionRecord,
    Measurement,
    Result,
)
from autotune.errors import ConfigError, ModelError, shell_words
from autotune.metrics.objective import Objective
from autotune.run.status import read_status
from autotune.runtime.parsing import Unreadable, read_bytes, text_of
from autotune.runtime.records import Record, damaged, fault_of, read_lines, read_record

BEST = "best"
"""Folder of the best model so far."""
FIX = "bring it back from a copy, or search again"
LEFT = ("dropped", "failed")
"""Fates of trials that did not reach the end of their schedule, in the order in which the leaderboard lists them."""


@dataclass(frozen=True)
class AutoFolder:
    """What the files of an auto folder say; values are as the schemas in `autotune.auto.schemas` have them."""

    path: Path
    settings: str
    """Text of auto.yaml."""
    decisions: list[dict[str, Any]]
    measurements: list[dict[str, Any]]
    """In the order of time."""
    result: dict[str, Any] | None
    """None while the search is not finished."""
    status: dict[str, Any]
    """Content of status.json; empty if there is none."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.absolute().name

    @property
    def best(self) -> str:
        """Path of the best model, quoted for the shell."""
        return shell_words(self.path / "best")

    @property
    def resume(self) -> str:
        """Command that continues the search."""
        return f"autotune auto {shell_words(f'resume={self.path}')}"

    @property
    def replay(self) -> str:
        """Command that repeats the decisions without a clock."""
        return f"autotune auto {shell_words(f'replay={self.path}')}"

    def leaderboard(self) -> list[dict[str, Any]]:
        """Returns the last measurement of each trial: of a finished search the winner's first and then the best."""
        last = {measurement["trial"]: measurement for measurement in self.measurements}
        if self.result is None:
            return list(last.values())
        objective = Objective(self.result["metric"], self.result["greater_is_better"])
        winner = self.result["winner"]["trial"]

        def place(measurement: dict[str, Any]) -> tuple[bool, int, float]:
            fate, score = measurement["fate"], measurement["score"]
            dropped = 1 + LEFT.index(fate) if fate in LEFT else 0
            return measurement["trial"] != winner, dropped, 0.0 if score is None else -objective.rank(score)

        # A trial that led until another one overtook it has finished.
        ended = [
            trial | {"fate": "finished"} if trial["fate"] == "leads" else trial for trial in last.values()
        ]
        return sorted(ended, key=place)


def is_auto(folder: Path) -> bool:
    """Returns whether `autotune auto` has made a folder."""
    return (folder / SETTINGS).is_file()


def run_of_best(path: Path) -> Path:
    """Returns the winner's run where a path is an auto folder or its best/, which is a copy of that run's model; else the path.

    Raises:
        ModelError: result.json is damaged.
    """
    folder = path.parent if path.name == BEST and is_auto(path.parent) else path
    result = read_record(folder / RESULT, Result, fix=FIX) if is_auto(folder) else None
    return path if result is None else folder / str(result["winner"]["run"])


def read_auto(folder: Path) -> AutoFolder:
    """Reads an auto folder, of a search that is finished or not.

    Raises:
        ConfigError: `autotune auto` has not made the folder, or status.json is damaged.
        ModelError: another file is damaged, or missing although the search is finished.
    """
    if not is_auto(folder):
        raise ConfigError("autotune auto has not made this folder", where=str(folder), found="no auto.yaml")
    fix = f"bring it back from a copy, or make it again: autotune auto {shell_words(f'resume={folder}')}"
    try:
        settings = text_of(read_bytes(folder / SETTINGS))
    except Unreadable as error:
        raise damaged(folder / SETTINGS, str(error), fix) from error
    result = read_record(folder / RESULT, Result, fix=fix)
    decisions = _read(folder / DECISIONS, DecisionRecord, fix)
    measurements = _read(folder / LEADERBOARD, Measurement, fix)
    for name, lines in ((DECISIONS, decisions), (LEADERBOARD, measurements)):
        if result is not None and not lines:
            raise ModelError(f"there is no {name}, or it is empty", where=str(folder / name), fix=fix)
    return AutoFolder(folder, settings, decisions, measurements, result, read_status(folder))


def _read(path: Path, schema: type[Record], fix: str) -> list[dict[str, Any]]:
    """Returns the lines of a file; none if there is no such file."""
    lines = []
    for number, line in enumerate(read_lines(path, fix=fix), start=1):
        if fault := fault_of(line, schema):
            raise damaged(path, f"line {number}: {fault}", fix)
        lines.append(
            {name: field.default for name, field in schema.model_fields.items() if name not in line} | line
        )
    return lines
