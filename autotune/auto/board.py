"""What all trials have scored so far, on the same rows; it survives a kill, because each trial's predictions are in a file."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from autotune.auto.judging import Judging, Predictions
from autotune.auto.ledger import Folds
from autotune.auto.record import Entry, SearchFolder, read_entries
from autotune.auto.trial import Trial
from autotune.evaluation.bootstrap import intervals
from autotune.evaluation.paired import Difference, differences
from autotune.metrics.accumulator import MetricState
from autotune.metrics.objective import Objective
from autotune.tasks.base import Prediction

SEED = 42
"""Seed of every resampling: the same predictions give the same decisions."""
TRIVIAL = "trivial"
"""Kind of a trial beside `trial.CHEAP` and `trial.FULL`: a method that learns next to nothing."""
LEADS, CONTINUES, FINISHED, DROPPED, FAILED = "leads", "continues", "finished", "dropped", "failed"


class Board:
    """The leaderboard of a search.

    Args:
        folder: the auto folder; what an earlier process has measured there is known already.
        judging: how trials are compared.
    """

    def __init__(self, folder: SearchFolder, judging: Judging) -> None:
        self._folder, self.judging = folder, judging
        self.entries: list[Entry] = []
        """In the order in which they were measured."""
        self._earlier = {
            (entry.trial, entry.share, folds_key(entry.folds)): entry for entry in read_entries(folder.path)
        }
        self._predictions: dict[tuple[str, float], Predictions] = {}

    @property
    def objective(self) -> Objective:
        """The figure that compares trials."""
        return self.judging.task.objective

    def known(self, trial: Trial, share: float, folds: Folds) -> Entry | None:
        """Returns what an earlier process has measured or decided; None if nothing."""
        return self._earlier.get((trial.name, share, folds_key(folds)))

    def saved(self, trial: Trial, share: float, folds: Folds) -> Predictions | None:
        """Returns the predictions of a trial that are in a file; None if it lacks some rows of the folds."""
        if (trial.name, share) not in self._predictions:
            lines = self._folder.predictions(trial.name, share)
            self._predictions[trial.name, share] = {line["row"]: line for line in lines}
        predictions = self._predictions[trial.name, share]
        return predictions if predictions.keys() >= set(self.judging.positions(folds)) else None

    def save(self, trial: Trial, share: float, predictions: Iterable[tuple[int, Prediction]]) -> None:
        """Adds predictions of a trial to those in its file."""
        new = {position: _without_texts(position, line) for position, line in predictions}
        merged = {**self._predictions.get((trial.name, share), {}), **new}
        self._folder.write_predictions(trial.name, share, (merged[row] for row in sorted(merged)))
        self._predictions[trial.name, share] = merged

    def add(
        self, trial: Trial, share: float, folds: Folds, *, seconds: float | None, run: str | None = None
    ) -> Entry:
        """Scores a trial, whose predictions are saved, and writes a line of the leaderboard."""
        states = self.states(trial.name, share, folds)
        metric = self.judging.task.metric()
        metric.merge(states)
        figures = metric.compute()
        entry = Entry(
            trial.name, trial.kind, share, _list(folds), len(states), float(figures[self.objective.metric]),
            intervals(states, metric.empty, SEED)[self.objective.metric], seconds, run,
        )  # fmt: skip
        earlier = self.known(trial, share, folds)
        if earlier is not None:
            entry.seconds = earlier.seconds
        if share == 1 and folds_key(folds) == folds_key(self.judging.all_folds):
            entry.fate = FINISHED
        return self._append(entry)

    def give_up(self, trial: Trial, share: float, folds: Folds, reason: Entry) -> Entry:
        """Writes a line for a trial that has failed, or that there is no time for."""
        return self._append(replace(reason, share=share, folds=_list(folds)))

    def last(self, trial: Trial) -> Entry:
        """Returns the latest line of a trial."""
        return next(entry for entry in reversed(self.entries) if entry.trial == trial.name)

    def collapsed(self, trial: Trial, share: float) -> bool:
        """Returns whether a trial predicts the same for all rows, though their gold values differ."""
        rows, target = self.judging.gold_rows, self.judging.target
        predictions = self._predictions[trial.name, share]
        first = next(iter(predictions))
        return len(predictions) > 1 and (
            any(rows[row][target] != rows[first][target] for row in predictions)
            and all(line["prediction"] == predictions[first]["prediction"] for line in predictions.values())
        )

    def drop(self, entry: Entry, because: str, fate: str = DROPPED) -> None:
        """Records that a trial that was scored does not continue."""
        entry.fate, entry.because = fate, because
        self._write()

    def _append(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        self._write()
        return entry

    def _write(self) -> None:
        if len(self.entries) < len(self._earlier):
            return  # the file has these lines and later ones, which a kill must not take
        leader = self.leader()
        for entry in self.entries:
            if entry.fate in (LEADS, FINISHED):
                entry.fate = LEADS if entry is leader else FINISHED
        self._folder.write_leaderboard(self.entries)

    def finished(self) -> list[Entry]:
        """Returns the lines of trials that are trained to their end and scored on all rows; each could be the winner."""
        return [entry for entry in self.entries if entry.fate in (LEADS, FINISHED) and entry.kind != TRIVIAL]

    def leader(self) -> Entry | None:
        """Returns the line with the best score of those; None if there is none yet."""
        return self.objective.best(self.finished(), lambda entry: entry.score or 0.0)

    def states(self, trial: str, share: float, folds: Folds) -> list[MetricState]:
        """Returns the metric state of each judged row of some folds."""
        return self.judging.states(self._predictions[trial, share], folds)

    def predictions(self, trial: str, share: float = 1.0) -> Predictions:
        """Returns the predictions of a trial, which was scored there."""
        return self._predictions[trial, share]

    def scored(self, trial: str, share: float) -> bool:
        """Returns whether a trial was scored at a share of its schedule."""
        return any(
            (entry.trial, entry.share) == (trial, share) and entry.score is not None for entry in self.entries
        )

    def gain(self, first: str, second: str) -> Difference:
        """Returns by how much the first trial is better than the second one, paired, both at the end of their schedule."""
        folds, objective = self.judging.all_folds, self.objective
        states = [self.states(name, 1.0, folds) for name in (second, first)]
        difference = differences(states[0], states[1], self.judging.task.metric().empty, SEED)[
            objective.metric
        ]
        return difference.gain(greater_is_better=objective.greater_is_better)


def _without_texts(position: int, line: Prediction) -> Prediction:
    """Returns what scores a prediction, with its row; texts stay in the data."""
    kept: Mapping[str, object] = {
        name: line[name] for name in ("id", "prediction", "probabilities") if name in line
    }
    return {"row": position, **kept}


def folds_key(folds: Folds) -> tuple[int, ...] | None:
    """Returns folds as part of a key."""
    return None if folds is None else tuple(folds)


def _list(folds: Folds) -> list[int] | None:
    return None if folds is None else list(folds)
