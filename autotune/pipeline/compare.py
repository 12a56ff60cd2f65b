"""Compares finished runs on the same rows: scores, paired tests, settings, and the rows on which they differ."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from autotune.config.load import diff, to_dict
from autotune.config.schema import RunConfig
from autotune.config.sweep import SEED as SEED_KEY
from autotune.errors import AutotuneError, ConfigError, DataError, listing
from autotune.evaluation.bootstrap import Blocks, row_values
from autotune.evaluation.paired import Difference, differences, holm
from autotune.metrics.accumulator import MetricState
from autotune.metrics.objective import Objective
from autotune.models.saved_model import open_saved_model
from autotune.publishing.card.facts import Facts, read_facts
from autotune.reporting.counts import largest
from autotune.reporting.page import FIX
from autotune.run.saved import MODEL, no_such_run
from autotune.run.status import open_finished
from autotune.run.sweeps import SCORED
from autotune.runtime.records import damaged, read_lines
from autotune.tasks.base import Prediction, Task
from autotune.tasks.saved import load_cheap, task_of

EXAMPLES = 5
"""Rows shown of those on which two runs differ most."""
CHUNK = 1000
"""Rows that are scored together."""
SEED = 42
"""Seed of the resampling: the same comparison gives the same figures."""


@dataclass(frozen=True)
class FinishedRun:
    """A run whose predictions lie in its folder."""

    folder: Path
    name: str
    """Name of the folder, or its path where another run has the same name."""
    facts: Facts

    @property
    def config(self) -> RunConfig:
        """Its configuration."""
        return self.facts.config

    def fingerprint(self, split: str) -> str | None:
        """Returns the fingerprint of the rows of a split; None for a run of an older version."""
        fingerprint: str | None = self.facts.data.get("fingerprints", {}).get(split)
        return fingerprint

    def file(self, split: str) -> Path:
        """Returns the file of the predictions of a split."""
        return self.folder / f"predictions_{split}.jsonl"

    def predictions(self, split: str) -> Iterator[Prediction]:
        """Yields the predictions of a split, with the gold values of their rows."""
        yield from read_lines(self.file(split), fix=FIX)


@dataclass(frozen=True)
class Changed:
    """Rows on which one run scores better than the other."""

    first: int
    """Number of rows on which the first run scores better."""
    second: int
    examples: Sequence[tuple[Prediction, Prediction]]
    """Predictions of both runs for the rows with the largest differences."""


@dataclass(frozen=True)
class Pair:
    """The first run of a comparison beside another one."""

    run: FinishedRun
    differences: Mapping[str, Difference]
    corrected: Mapping[str, float]
    """p-value of each metric by approximate randomization, corrected for the number of comparisons (Holm 1979)."""
    settings: Sequence[str]
    """Keys with other values, as `key: first -> other`."""
    changed: Changed


@dataclass(frozen=True)
class Comparison:
    """Several runs on the same rows of one split."""

    split: str
    rows: int
    objective: Objective
    """The metric that chooses checkpoints, and its direction."""
    row_metric: str
    """Name of the metric by which single rows are compared."""
    target: str
    """Key of the gold value of a prediction."""
    runs: Sequence[FinishedRun]
    pairs: Sequence[Pair]

    @property
    def main(self) -> str:
        """Name of the metric that chooses checkpoints."""
        return self.objective.metric

    def seed_groups(self) -> list[list[FinishedRun]]:
        """Returns the runs in groups that differ in the seed alone; none if each run is a group of its own."""
        groups: list[list[FinishedRun]] = []
        for run in self.runs:
            for group in groups:
                changes = diff(to_dict(group[0].config), run.config)
                other_seed = run.config.seed not in [member.config.seed for member in group]
                if other_seed and all(change.startswith(f"{SEED_KEY}:") for change in changes):
                    group.append(run)
                    break
            else:
                groups.append([run])
        return groups if len(groups) < len(self.runs) else []


def open_runs(paths: Sequence[str]) -> list[FinishedRun]:
    """Opens finished runs, without their models.

    Raises:
        ConfigError: a folder has no run, or its configuration is damaged.
        ModelError: a run is missing, not finished, or a file is damaged.
    """
    folders = [Path(path).expanduser() for path in paths]
    names = Counter(folder.absolute().name for folder in folders)
    return [
        _open(folder, name if names[name := folder.absolute().name] == 1 else str(folder))
        for folder in folders
    ]


def _open(folder: Path, name: str) -> FinishedRun:
    if not folder.is_dir():
        raise no_such_run(folder)
    config, status = open_finished(folder)
    return FinishedRun(folder, name, read_facts(folder, config, status["command"]))


def compare(paths: Sequence[str], split: str | None) -> Comparison:
    """Compares the first run with each of the others; the predictions of each are read once.

    Args:
        paths: folders of two or more runs of the same task.
        split: split to compare; None: test, or else validation.

    Raises:
        ConfigError: the runs have different tasks, or no split that all have scored.
        DataError: the runs were scored on different rows.
        ModelError: see `open_runs`.
    """
    runs = open_runs(paths)
    first, *others = runs
    for run in others:
        if run.config.task.name != first.config.task.name:
            raise ConfigError(
                "runs of different tasks cannot be compared",
                where=str(run.folder),
                found=f"task={first.config.task.name} and task={run.config.task.name}",
            )
    split = _common_split(runs, split)
    task = task_of_run(first)
    scored = _Scored(runs, split, task)
    scored.read()
    # The rows themselves come first, because they say where they differ.
    for run in others:
        _refuse_other_data(first, run, split)
    empty = task.metric().empty
    tests = [differences(scored.blocks[0].states, blocks.states, empty, SEED) for blocks in scored.blocks[1:]]
    corrected = {name: holm([test[name].p_randomization for test in tests]) for name in tests[0]}
    pairs = [
        Pair(
            run,
            test,
            {name: p_values[number] for name, p_values in corrected.items()},
            diff(to_dict(first.config), run.config),
            scored.changed[number],
        )
        for number, (run, test) in enumerate(zip(others, tests, strict=True))
    ]
    row_metric = task.row_objective().metric
    return Comparison(split, scored.rows, task.objective, row_metric, scored.target, runs, pairs)


def task_of_run(run: FinishedRun) -> Task:
    """Returns the task of a run, by which all runs are scored."""
    if run.config.model.baseline is not None:
        return load_cheap(run.folder / MODEL)[1]
    base, record, _ = open_saved_model(run.folder / MODEL)
    config, task_class = task_of(record, base)
    return task_class(config.task, base, record["facts"])


class _Scored:
    """Scores the rows of several runs, in one pass over their predictions.

    Args:
        runs: the first one is the reference.
        split: split that is compared.
        task: scores the predictions.
    """

    def __init__(self, runs: Sequence[FinishedRun], split: str, task: Task) -> None:
        self._runs, self._split, self._task = runs, split, task
        self._metric = task.metric()
        self.target = next(column.role for column in task.columns if column.target)
        self.blocks = [Blocks(self._metric.empty) for _ in runs]
        self.changed = [Changed(0, 0, []) for _ in runs[1:]]
        self._largest: list[list[Any]] = [[] for _ in runs[1:]]
        self.rows = 0

    def read(self) -> None:
        """Reads and scores all predictions.

        Raises:
            DataError: the runs have predicted different rows, or know different labels.
            ModelError: a file is damaged.
        """
        nothing: Prediction = {}
        objective = self._task.row_objective()
        lines = zip_longest(*(run.predictions(self._split) for run in self._runs), fillvalue=nothing)
        while chunk := list(islice(lines, CHUNK)):
            states = [self._states(self.rows + number, rows) for number, rows in enumerate(chunk)]
            values = []
            for blocks, of_run in zip(self.blocks, zip(*states, strict=True), strict=True):
                values.append(objective.rank(1) * row_values(of_run, objective.metric))
                for state in of_run:
                    blocks.add_state(state)
            for number, of_other in enumerate(values[1:]):
                for row, difference in enumerate((of_other - values[0]).tolist()):
                    if difference:
                        self._note_change(number, difference, self.rows + row, chunk[row])
            self.rows += len(chunk)
        if not self.rows:
            raise damaged(self._runs[0].file(self._split), "it has no rows", FIX)

    def _states(self, number: int, rows: Sequence[Prediction]) -> list[MetricState]:
        """Returns the metric state of a row for each run."""
        self._refuse_other_row(number, rows)
        return [self._state(number, run, row) for run, row in zip(self._runs, rows, strict=True)]

    def _state(self, number: int, run: FinishedRun, row: Prediction) -> MetricState:
        state: MetricState = self._metric.empty()
        try:
            state.add(*self._task.to_metric_inputs(row, row))
        except (KeyError, TypeError, ValueError, AutotuneError) as error:
            where = f"{run.file(self._split)}, line {number + 1}"
            if "id" in row and self.target in row and "prediction" in row:
                raise DataError(
                    "the row cannot be scored by the task of the first run",
                    where=where,
                    found=str(getattr(error, "what", error)),
                    fix="runs with the same labels",
                ) from error
            raise damaged(
                run.file(self._split), f"line {number + 1} is not a row with its prediction", FIX
            ) from error
        return state

    def _note_change(self, other: int, difference: float, number: int, rows: Sequence[Prediction]) -> None:
        """Counts a row on which one of the other runs scores better or worse than the first."""
        changed = self.changed[other]
        self._largest[other] = largest(
            self._largest[other], (abs(difference), number, (rows[0], rows[other + 1])), EXAMPLES
        )
        self.changed[other] = Changed(
            changed.first + (difference < 0),
            changed.second + (difference > 0),
            [predictions for _, _, predictions in self._largest[other]],
        )

    def _refuse_other_row(self, number: int, rows: Sequence[Prediction]) -> None:
        keys = ("id", self.target)
        for run, row in zip(self._runs[1:], rows[1:], strict=True):
            if [row.get(key) for key in keys] != [rows[0].get(key) for key in keys]:
                raise _other_rows(
                    f"{self._split}, row {number}",
                    f"{self._runs[0].name}: id {rows[0].get('id')}; {run.name}: id {row.get('id')}, "
                    "or another gold value",
                )


def _common_split(runs: Sequence[FinishedRun], split: str | None) -> str:
    for candidate in SCORED if split is None else (split,):
        if all(candidate in run.facts.metrics and run.file(candidate).is_file() for run in runs):
            return candidate
    raise ConfigError(
        "the runs have no scored split in common",
        where="autotune compare",
        found=listing(
            [f"{run.name}: {listing([name for name in SCORED if run.file(name).is_file()])}" for run in runs]
        ),
    )


def _refuse_other_data(first: FinishedRun, run: FinishedRun, split: str) -> None:
    """Raises DataError if the fingerprints of two runs say that their rows differ, as in texts that have other contents."""
    known = first.fingerprint(split), run.fingerprint(split)
    if None not in known and known[0] != known[1]:
        raise _other_rows(split, f"fingerprints of the data: {first.name} {known[0]}, {run.name} {known[1]}")


def _other_rows(where: str, found: str) -> DataError:
    return DataError(
        "the runs were scored on different rows, so their scores cannot be compared",
        where=where,
        found=found,
        fix="runs with the same test rows: the same dataset, dataset.seed and slices",
    )
