"""How much a score falls when the same texts are written otherwise: without accents, with typos and so on."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.data.cache import cached_table, iter_rows
from autotune.data.noise import changed_rows, noises
from autotune.evaluation.bootstrap import RESAMPLES, block_states
from autotune.evaluation.paired import differences
from autotune.metrics.accumulator import MetricState
from autotune.runtime.files import json_lines
from autotune.tasks.base import Prediction, Scores, Task

if TYPE_CHECKING:
    from datasets import Dataset

ROBUSTNESS = "robustness.json"
"""Name of the file in the run folder."""
SEED = 42
"""Seed of the changes and of the resampling: every run is measured on the same texts."""


@dataclass(frozen=True)
class NoiseScore:
    """The score on rows that were changed in one way."""

    name: str
    changed: int
    """Rows that the change changes; the others keep their predictions."""
    score: float
    difference: float
    """This score less that on the unchanged rows."""
    interval: list[float]
    """95 % interval of the difference, by paired bootstrap."""
    p_randomization: float


@dataclass(frozen=True)
class Robustness:
    """The scores of changed rows."""

    split: str
    rows: int
    metric: str
    score: float
    """On the unchanged rows."""
    noises: list[NoiseScore]

    def as_dict(self) -> dict[str, Any]:
        """Returns the content of robustness.json."""
        return asdict(self)


def robustness(
    task: Task,
    split: str,
    rows: "Dataset",
    predictions: Path,
    predict: "Callable[[Dataset], Iterable[Prediction]]",
    cache: Path,
) -> Robustness:
    """Scores a split again for each kind of change.

    Args:
        task: scores the predictions.
        split: name of the split.
        rows: its rows, with gold values.
        predictions: file with a prediction per row, in order.
        predict: returns the predictions of other rows, in order.
        cache: folder for tables.
    """
    states = block_states(task, iter_rows(rows), json_lines(predictions))
    scores: list[NoiseScore] = []
    for noise in noises():
        changed = partial(changed_rows, noise, rows, task.columns, SEED)
        is_changed = [row is not None for row in changed()]
        states_of_changed = states
        if any(is_changed):
            table = cached_table(
                cache, f"noise-{len(scores)}", partial(_only_changed, changed), rows.features
            )
            answers = _merged(is_changed, json_lines(predictions), iter(predict(table)))
            states_of_changed = block_states(task, iter_rows(rows), answers)
        difference = differences(states, states_of_changed, task.metric().empty, SEED, RESAMPLES)
        of_main = difference[task.main_metric]
        scores.append(
            NoiseScore(
                noise.name,
                sum(is_changed),
                _main_score(task, states_of_changed),
                of_main.value,
                of_main.interval,
                of_main.p_randomization,
            )
        )
    return Robustness(split, len(rows), task.main_metric, _main_score(task, states), scores)


def _only_changed(changed: Callable[[], Iterator[dict[str, Any] | None]]) -> Iterator[dict[str, Any]]:
    return (row for row in changed() if row is not None)


def _main_score(task: Task, states: Iterable[MetricState]) -> float:
    metric = task.metric()
    metric.merge(states)
    return Scores.of(metric, task.objective).best


def _merged(
    is_changed: list[bool], predictions: Iterable[Prediction], changed: Iterator[Prediction]
) -> Iterator[Prediction]:
    """Yields the new prediction of each changed row, and the old one of each other row."""
    for prediction, change in zip(predictions, is_changed, strict=True):
        yield next(changed) if change else prediction
