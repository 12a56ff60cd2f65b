"""Which trial wins, what its score is worth, and what else its predictions out of fold say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.auto.board import SEED, TRIVIAL, Board
from autotune.auto.record import Entry
from autotune.auto.trial import CHEAP, FULL, Trial
from autotune.config.auto import Goal
from autotune.config.columns import Kind
from autotune.config.overrides import key_of
from autotune.evaluation.paired import Difference
from autotune.evaluation.selection import Select, chance_of_best, corrected, halving
from autotune.metrics.accumulator import MetricState, Numbers
from autotune.metrics.calibration import (
    Floats,
    Ids,
    expected_calibration_error,
    fit_temperature,
    reliability,
    tempered,
)
from autotune.tasks.base import Prediction


@dataclass(frozen=True)
class Classified:
    """What a trial predicts for the judged rows, as arrays."""

    labels: list[str]
    probabilities: Floats
    """(rows, classes)."""
    gold: Ids
    positions: list[int]
    """Of the rows."""

    def error_of_confidence(self, temperature: float = 1.0) -> float:
        """Returns the expected calibration error at a temperature."""
        probabilities = tempered(self.probabilities, temperature)
        right = probabilities.argmax(axis=1) == self.gold
        return expected_calibration_error(reliability(probabilities.max(axis=1), right))


def ranking(board: Board, goal: Goal) -> list[Entry]:
    """Returns the trials that are trained to their end, in the order in which they should win.

    The best mean wins. With goal=small, so does a cheap model from which the best does not differ beyond chance.
    """
    objective = board.objective
    ranked = sorted(
        board.finished(),
        key=lambda entry: (objective.rank(entry.score or 0.0), entry.kind == CHEAP),
        reverse=True,
    )
    if goal is Goal.small and ranked and ranked[0].kind == FULL:
        tied = [
            entry for entry in ranked if entry.kind == CHEAP and board.gain(ranked[0].trial, entry.trial).interval[0] <= 0
        ]  # fmt: skip
        ranked = tied[:1] + [entry for entry in ranked if entry not in tied[:1]]
    return ranked


def choice(board: Board, winner: Entry, trials: Sequence[Trial]) -> dict[str, Any]:
    """Returns the score that chose the winner, corrected for the choice (`evaluation.selection`), as result.json has it."""
    names = {entry.trial for entry in board.entries if entry.kind != TRIVIAL and entry.score is not None}
    finished = board.finished()
    columns, select = _candidates(board, [trial for trial in trials if trial.name in names])
    empty, folds = board.judging.task.metric().empty, board.judging.all_folds
    figures = corrected(
        [_states(board, *column) for column in columns], empty, board.objective, SEED, select=select
    )
    states = [board.states(entry.trial, 1.0, folds) for entry in finished]
    chances = chance_of_best(states, empty, board.objective, SEED)
    # The winner need not be the candidate that halving chooses: its own score loses what choosing that one would cost.
    assert winner.score is not None and winner.interval is not None, "it is finished"
    optimism = figures.naive - figures.mean
    return {
        "rows": winner.rows,
        "score": winner.score,
        "corrected": winner.score - optimism,
        "interval": [end - optimism for end in winner.interval],
        "candidates": len(names),
        "chance_of_best": {entry.trial: chance for entry, chance in zip(finished, chances, strict=True)},
    }


def _candidates(board: Board, trials: Sequence[Trial]) -> tuple[list[tuple[str, float]], Select | None]:
    """Returns what is compared, trial and share of the schedule, and how the race chooses from it."""
    shares = {
        trial.name: [share for share in trial.rungs if board.scored(trial.name, share)] for trial in trials
    }
    columns = [(name, share) for name, of_trial in shares.items() for share in of_trial]
    full = [trial for trial in trials if trial.kind == FULL]
    if not full:
        return columns, None
    rungs = sorted({share for trial in full for share in shares[trial.name]})
    latest = [
        [columns.index((trial.name, _latest(shares[trial.name], rung))) for trial in full] for rung in rungs
    ]
    halve = halving(latest)
    cheap = np.array(
        [columns.index((trial.name, 1.0)) for trial in trials if trial.kind == CHEAP], dtype=np.int64
    )
    if not len(cheap):
        return columns, halve

    def select(scores: Numbers) -> NDArray[np.int64]:
        draws = np.arange(len(scores))
        best_full, best_cheap = halve(scores), cheap[scores[:, cheap].argmax(axis=1)]
        return np.where(scores[draws, best_full] > scores[draws, best_cheap], best_full, best_cheap)

    return columns, select


def _latest(shares: Sequence[float], rung: float) -> float:
    """Returns the share at which a trial was scored last at a rung."""
    return max((share for share in shares if share <= rung), default=shares[0])


def _states(board: Board, trial: str, share: float) -> list[MetricState]:
    """Returns the metric state of each judged row; one without rows where the trial has not predicted the row."""
    return board.judging.states(board.predictions(trial, share), board.judging.all_folds, missing=True)


def beside(board: Board, winner: Entry) -> list[dict[str, Any]]:
    """Returns the trivial methods, the best cheap model and the best fine-tuning beside the winner, on the same rows."""
    others = [entry for entry in board.entries if entry.kind == TRIVIAL]
    for kind in (CHEAP, FULL):
        of_kind = [entry for entry in board.finished() if entry.kind == kind and entry is not winner]
        best = board.objective.best(of_kind, lambda entry: entry.score or 0.0)
        others += [best] if best is not None else []
    return [
        {
            "trial": entry.trial,
            "score": entry.score,
            "interval": entry.interval,
            "difference": gain.value,
            "difference_interval": gain.interval,
        }
        for entry, gain in ((entry, board.gain(winner.trial, entry.trial)) for entry in others)
    ]


def rival(board: Board, winner: Entry) -> tuple[Entry, Difference] | None:
    """Returns the best trial of the other kind, and by how much the winner is better; None without one."""
    others = [entry for entry in board.finished() if entry.kind != winner.kind]
    best = board.objective.best(others, lambda entry: entry.score or 0.0)
    return None if best is None else (best, board.gain(winner.trial, best.trial))


def spread_of_seeds(board: Board, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """Returns how much the scores of trials differ that have other seeds only; None if there are no such trials."""
    scores = {entry.trial: entry.score for entry in board.finished() if entry.score is not None}

    def without_seed(trial: Trial) -> tuple[str, ...]:
        return tuple(sorted(word for word in trial.words if key_of(word) != "seed"))

    finished = sorted((trial for trial in trials if trial.name in scores), key=without_seed)
    groups = [[scores[trial.name] for trial in group] for _, group in groupby(finished, key=without_seed)]
    largest = max(groups, key=len, default=[])
    return {"count": len(largest), "standard_deviation": stdev(largest)} if len(largest) > 1 else None


def classified(board: Board, trial: str) -> Classified | None:
    """Returns the probabilities of classes that a trial predicts; None if it predicts none."""
    judging = board.judging
    kinds = {column.kind for column in judging.task.columns if column.target}
    labels = judging.task.labels()
    if kinds != {Kind.label} or labels is None:
        return None
    lines = board.predictions(trial, 1.0)
    positions = judging.positions(judging.all_folds)
    shares = [lines[position].get("probabilities") for position in positions]
    if not all(isinstance(of_row, dict) for of_row in shares):
        return None
    # A class whose rows are all in one fold is unknown to the model of that fold.
    probabilities = np.array(
        [[of_row.get(label, 0.0) for label in labels] for of_row in shares if of_row is not None]
    )
    numbers = {label: number for number, label in enumerate(labels)}
    gold = np.array(
        [numbers[judging.gold_rows[position][judging.target]] for position in positions], dtype=np.int64
    )
    return Classified(list(labels), probabilities, gold, positions)


def temperature_of(rows: Classified | None) -> dict[str, float] | None:
    """Returns the temperature that suits the predictions, and the calibration error before and after it; None if none
    makes it smaller."""
    temperature = fit_temperature(rows.probabilities, rows.gold) if rows is not None else None
    if rows is None or temperature is None:
        return None
    temperature = float(f"{temperature:.4g}")  # people read and type it
    before, after = rows.error_of_confidence(), rows.error_of_confidence(temperature)
    return {"temperature": temperature, "ece_before": before, "ece_after": after} if after < before else None


def tempered_predictions(board: Board, trial: str, temperature: float) -> Iterator[Prediction]:
    """Yields the predictions of a trial out of fold, with gold values, as its model makes them at a temperature."""
    rows, judging, lines = classified(board, trial), board.judging, board.predictions(trial)
    if rows is None:
        return
    for position, shares in zip(rows.positions, tempered(rows.probabilities, temperature), strict=True):
        gold = judging.gold_rows[position][judging.target]
        probabilities = dict(zip(rows.labels, map(float, shares), strict=True))
        yield {**lines[position], judging.target: gold, "probabilities": probabilities}
