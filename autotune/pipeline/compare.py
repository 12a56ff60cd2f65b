"""Compares finished runs on the same rows: scores, paired tests, settings, and the rows on which they differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from autotune.config.load import diff, to_dict
from autotune.config.schema import RunConfig
from autotune.errors import ConfigError, DataError, ModelError, listing
from autotune.evaluation.bootstrap import block_states
from autotune.evaluation.paired import RESAMPLES, Difference, differences, holm
from autotune.metrics.base import OfflineMetric
from autotune.models.saved_model import open_saved_model
from autotune.run.folder import RunFolder
from autotune.runtime.files import json_lines
from autotune.runtime.language import local, word
from autotune.runtime.table import Table
from autotune.tasks.base import Prediction, Task
from autotune.tasks.saved import task_of

SPLITS = ("test", "validation", "train")
"""Splits in order of preference; the first one that all runs have scored is compared."""
EXAMPLES = 5
"""Rows shown of those on which two runs differ most."""
SEED = 42
"""Seed of the resampling: the same comparison gives the same figures."""


@dataclass(frozen=True)
class FinishedRun:
    """A run whose predictions lie in its folder."""

    folder: Path
    config: RunConfig
    task: Task
    metrics: Mapping[str, Any]

    @cached_property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def predictions(self, split: str) -> Iterator[Prediction]:
        """Yields the predictions of a split, with the gold values of their rows."""
        yield from json_lines(self.folder / f"predictions_{split}.jsonl")


@dataclass(frozen=True)
class Changed:
    """Rows on which one run scores higher than the other."""

    first: int
    """Number of rows on which the first run scores higher."""
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
    runs: Sequence[FinishedRun]
    pairs: Sequence[Pair]

    @property
    def main(self) -> str:
        """Name of the metric that chooses checkpoints."""
        return self.runs[0].task.main_metric


def open_run(path: str) -> FinishedRun:
    """Opens a finished run, without the weights of its model.

    Raises:
        ModelError: there is no such run, or it is not finished.
    """
    folder = Path(path).expanduser()
    base, record, _ = open_saved_model(RunFolder.saved_model_path(folder))
    if not (folder / "metrics.json").is_file():
        raise ModelError("the run has no scores", where=str(folder), fix="give the folder of a finished run")
    config, task_class = task_of(record, base)
    task = task_class(config.task, base, record["facts"])
    return FinishedRun(folder, config, task, json.loads((folder / "metrics.json").read_text("utf-8")))


def compare(paths: Sequence[str], split: str | None) -> Comparison:
    """Compares the first run with each of the others.

    Args:
        paths: folders of two or more runs of the same task.
        split: split to compare; None: test, or else validation.

    Raises:
        ConfigError: the runs have different tasks, or no split that all have scored.
        DataError: the runs were scored on different rows.
        ModelError: see `open_run`.
    """
    runs = [open_run(path) for path in paths]
    first, *others = runs
    for run in others:
        if run.task.name != first.task.name:
            raise ConfigError(
                "runs of different tasks cannot be compared",
                where=str(run.folder),
                found=f"task={run.task.name}, beside task={first.task.name}",
            )
    split = split or _common_split(runs)
    for run in others:
        _refuse_other_rows(first, run, split)
    metric = first.task.metric()
    states = {
        run.folder: block_states(run.task, run.predictions(split), run.predictions(split)) for run in runs
    }
    tests = [differences(states[first.folder], states[run.folder], metric.empty, SEED) for run in others]
    corrected = {name: holm([test[name].p_randomization for test in tests]) for name in tests[0]}
    pairs = [
        Pair(
            run,
            test,
            {name: p_values[number] for name, p_values in corrected.items()},
            diff(to_dict(first.config), run.config),
            _changed_rows(first, run, split),
        )
        for number, (run, test) in enumerate(zip(others, tests, strict=True))
    ]
    rows = sum(1 for _ in first.predictions(split))
    return Comparison(split, rows, runs, pairs)


def scores_table(comparison: Comparison) -> Table:
    """Returns one row per run: every metric with its 95 % interval."""
    split = comparison.split
    names = [name for name, value in comparison.runs[0].metrics[split].items() if isinstance(value, float)]
    rows = []
    for run in comparison.runs:
        bounds = run.metrics.get("interval", {}).get(split, {})
        cells = [f"{run.metrics[split][name]:.4f}" + _shown(bounds.get(name)) for name in names]
        rows.append([run.name, *cells])
    title = local(f"scores on {split}, {comparison.rows} rows, with 95 % intervals")
    return Table([word("run"), *names], rows, title)


def differences_table(comparison: Comparison) -> Table:
    """Returns one row per metric and pair: the difference, its interval, and the p-values."""
    rows = []
    for pair in comparison.pairs:
        for name, difference in pair.differences.items():
            rows.append(
                [
                    f"{pair.run.name} − {comparison.runs[0].name}",
                    name,
                    f"{difference.value:+.4f}{_shown(difference.interval, sign='+')}",
                    f"{difference.p_bootstrap:.4f}",
                    f"{difference.p_randomization:.4f}",
                    f"{pair.corrected[name]:.4f}",
                ]
            )
    header = [
        word("difference"),
        word("metric"),
        word("value"),
        "p (bootstrap)",
        "p (randomization)",
        "p (Holm)",
    ]
    return Table(
        header, rows, local(f"paired tests on the same rows, {RESAMPLES} resamples, two-sided"), texts=2
    )


def settings_table(comparison: Comparison) -> Table:
    """Returns one row per key whose value differs between the runs."""
    first = comparison.runs[0]
    values: dict[str, dict[str, str]] = {}
    for pair in comparison.pairs:
        for change in pair.settings:
            key, _, change_text = change.partition(": ")
            old, _, new = change_text.partition(" -> ")
            values.setdefault(key, {first.name: old})[pair.run.name] = new
    rows = [
        [key, *(of_runs.get(run.name, of_runs[first.name]) for run in comparison.runs)]
        for key, of_runs in sorted(values.items())
    ]
    return Table([word("key"), *(run.name for run in comparison.runs)], rows, local("settings that differ"))


def changes_table(comparison: Comparison) -> Table:
    """Returns one row per pair: on how many rows each run scores higher."""
    first = comparison.runs[0].name
    rows = [
        [f"{pair.run.name}, {first}", str(pair.changed.second), str(pair.changed.first),
         str(comparison.rows - pair.changed.first - pair.changed.second)]
        for pair in comparison.pairs
    ]  # fmt: skip
    header = map(word, ("pair", "the first is better", "the second is better", "equal"))
    return Table(list(header), rows, local(f"rows by {comparison.main}"))


def _common_split(runs: Sequence[FinishedRun]) -> str:
    for split in SPLITS:
        if all(
            split in run.metrics and (run.folder / f"predictions_{split}.jsonl").is_file() for run in runs
        ):
            return split
    raise ConfigError(
        "the runs have no scored split in common",
        where="autotune compare",
        found=listing([run.name for run in runs]),
    )


def _refuse_other_rows(first: FinishedRun, run: FinishedRun, split: str) -> None:
    """Raises DataError unless two runs have predicted the same rows with the same gold values, in the same order."""
    targets = [column.role for column in first.task.columns if column.target]
    keys = ["id", *targets]
    nothing: Prediction = {}
    pairs = zip_longest(first.predictions(split), run.predictions(split), fillvalue=nothing)
    for number, (one, other) in enumerate(pairs):
        if [one.get(key) for key in keys] != [other.get(key) for key in keys]:
            raise DataError(
                "the runs were scored on different rows, so their scores cannot be compared",
                where=f"{split}, row {number}",
                found=f"{first.name}: id {one.get('id')}; {run.name}: id {other.get('id')}, or another gold value",
                fix="runs with the same test rows: the same dataset, dataset.seed and slices",
            )


def _changed_rows(first: FinishedRun, run: FinishedRun, split: str) -> Changed:
    """Returns the rows on which one of two runs scores higher in the main metric."""
    metric, counts = first.task.metric(), [0, 0]
    largest: list[tuple[float, int, Prediction, Prediction]] = []
    for number, (one, other) in enumerate(zip(first.predictions(split), run.predictions(split), strict=True)):
        difference = _row_score(run.task, metric, other) - _row_score(first.task, metric, one)
        if difference:
            counts[difference > 0] += 1
            largest = sorted([*largest, (-abs(difference), number, one, other)], key=lambda item: item[:2])[
                :EXAMPLES
            ]
    return Changed(counts[0], counts[1], [(one, other) for _, _, one, other in largest])


def _row_score(task: Task, metric: OfflineMetric[Any], prediction: Prediction) -> float:
    """Returns the main metric of one row alone."""
    state = metric.empty()
    state.add(*task.to_metric_inputs(prediction, prediction))
    value: float = state.values()[task.main_metric]
    return value


def _shown(bounds: Sequence[float] | None, sign: str = "") -> str:
    return "" if bounds is None else f" [{bounds[0]:{sign}.4f}, {bounds[1]:{sign}.4f}]"
