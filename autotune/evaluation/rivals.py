"""The model beside methods without a neural network: their scores, and whether it is better than the best of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from autotune.data.cache import iter_rows
from autotune.evaluation.bootstrap import RESAMPLES, block_states
from autotune.evaluation.paired import Difference, differences
from autotune.metrics.accumulator import MetricState
from autotune.tasks.base import Baseline, Scores, Task

if TYPE_CHECKING:
    from datasets import Dataset

TIE = 0.0005
"""Scores that differ by no more than this are called equal: half of what is seen of a score in per mille. Of errors, which
are in the unit of the data, it is the share of the baseline's error."""
LEVEL = 0.05
"""Above this p-value a difference may be chance."""
BETTER, CHANCE, EQUAL, NOT_BETTER = "better", "better by chance at most", "equal", "not better"


@dataclass(frozen=True)
class Against:
    """The model against the best baseline, on the same rows."""

    name: str
    """Name of the baseline."""
    value: float
    """Its main score."""
    difference: float
    """By how much the model's main score is better than that one; negative if it is worse."""
    interval: list[float]
    """95 % interval of the difference, by paired bootstrap."""
    p_randomization: float
    """Share of random exchanges of their answers that differ at least as much."""
    verdict: str
    """better: beyond chance; else one of `CHANCE`, `EQUAL` and `NOT_BETTER`."""


@dataclass(frozen=True)
class Rivals:
    """Scores of the methods that need no neural network."""

    scores: Mapping[str, Scores]
    """By name, the most trivial first."""
    bounds: Mapping[str, Scores]
    """Those that use the gold values: upper bounds."""
    notes: Mapping[str, str]
    """What should be known about some of them, by name."""
    against: Against | None
    """None without any baseline."""

    def as_dict(self, split: str) -> dict[str, Any]:
        """Returns their part of metrics.json."""
        return {
            "baseline": {split: {name: scores.values for name, scores in self.scores.items()}},
            **(
                {"upper_bound": {split: {name: scores.values for name, scores in self.bounds.items()}}}
                if self.bounds
                else {}
            ),
            "baseline_notes": dict(self.notes),
            **({"against_baseline": {split: asdict(self.against)}} if self.against else {}),
        }


def rivals(
    task: Task, rows: "Dataset", model: Sequence[MetricState], baselines: Iterable[Baseline], seed: int
) -> Rivals:
    """Scores baselines and compares the model with the best of them.

    Args:
        task: scores the predictions.
        rows: rows of the split, with gold values.
        model: metric states of the model, see `block_states`.
        baselines: from `task.baselines`.
        seed: of the resampling.
    """
    objective = task.objective
    scores: dict[str, Scores] = {}
    bounds: dict[str, Scores] = {}
    notes: dict[str, str] = {}
    best: tuple[str, list[MetricState]] | None = None
    for baseline in baselines:
        states = block_states(task, iter_rows(rows), baseline.predictions)
        metric = task.metric()
        metric.merge(states)
        figures = Scores.of(metric, objective)
        note = baseline.note() if callable(baseline.note) else baseline.note
        if note is not None:
            notes[baseline.name] = note
        if baseline.is_bound:
            bounds[baseline.name] = figures
            continue
        if best is None or objective.better(figures.best, scores[best[0]].best):
            best = baseline.name, states
        scores[baseline.name] = figures
    if best is None:
        return Rivals(scores, bounds, notes, None)
    name, states = best
    difference = differences(states, model, task.metric().empty, seed, RESAMPLES)[objective.metric]
    gain, value = difference.gain(greater_is_better=objective.greater_is_better), scores[name].best
    # Errors are in the unit of the data, all other figures go from 0 or -1 to 1.
    tie = TIE if objective.greater_is_better else TIE * value
    against = Against(name, value, gain.value, gain.interval, gain.p_randomization, _verdict(gain, tie))
    return Rivals(scores, bounds, notes, against)


def _verdict(gain: Difference, tie: float) -> str:
    if abs(gain.value) <= tie:
        return EQUAL
    if gain.value < 0:
        return NOT_BETTER
    return BETTER if gain.interval[0] > 0 and gain.p_randomization <= LEVEL else CHANCE
