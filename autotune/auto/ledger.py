"""The time of a search. The only module of this room that reads the clock; its twins need none."""

import math
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from autotune.auto.trial import Trial
from autotune.config.auto import AutoConfig
from autotune.config.overrides import key_of

Folds = Sequence[int] | None
"""Numbers of folds; None: one validation split judges."""


class Budget(Protocol):
    """Decides what there is time for."""

    def elapsed(self) -> float | None:
        """Returns the seconds since the start; None where no clock decides."""

    def left(self) -> float:
        """Returns the seconds that are left for trials; infinity without a clock."""

    def fits(self, trial: Trial, share: float, folds: Folds) -> bool:
        """Returns whether a trial can be trained up to a share of its schedule, and its final run after that."""

    def expired(self) -> bool:
        """Returns whether the trial that is being trained must stop."""

    def over(self) -> bool:
        """Returns whether the final run must stop, too."""

    @contextmanager
    def spending(self, trial: Trial, share: float, folds: Folds) -> Iterator[None]:
        """Counts what happens inside as the cost of training a trial up to a share of its schedule."""

    def reached(self, trial: Trial, share: float, folds: Folds) -> None:
        """Notes that a trial is trained up to a share, in whatever process."""


class Ledger:
    """Keeps the time of a search.

    Args:
        seconds: for everything.
        reserve: share of it that is kept for verification and report of the final run.
        folds: number of folds that choose; None: one validation split does, and the winner's run is the final one.
        spent: seconds that earlier processes of the same search have taken.
    """

    def __init__(self, seconds: float, reserve: float, folds: int | None, *, spent: float = 0.0) -> None:
        self._seconds, self._reserve, self._folds = seconds, reserve, folds
        self._began = time.monotonic() - spent
        self._done: dict[tuple[str, int | None], float] = {}
        """Share of the schedule by trial and fold."""
        self._costs: dict[str, tuple[float, float]] = {}
        """Expected and real seconds so far, by base model."""
        self._final = 0.0
        """Seconds that the final run of the trial in training would take."""

    def elapsed(self) -> float:
        """Returns the seconds since the start, those of earlier processes included."""
        return time.monotonic() - self._began

    def left(self) -> float:
        """Returns the seconds that are left for trials and the final run."""
        return self._seconds * (1 - self._reserve) - self.elapsed()

    def fits(self, trial: Trial, share: float, folds: Folds) -> bool:
        """Returns whether a trial can be trained up to a share of its schedule, and its final run after that."""
        return self.cost(trial, share, folds) + self._final_cost(trial) <= self.left()

    def expired(self) -> bool:
        """Returns whether the trial in training must stop, so that the winner can still be trained on all rows."""
        return self.left() < self._final

    def over(self) -> bool:
        """Returns whether all of the time is used, the reserve included."""
        return self.elapsed() > self._seconds

    @contextmanager
    def spending(self, trial: Trial, share: float, folds: Folds) -> Iterator[None]:
        """Counts what happens inside as the cost of training a trial up to a share of its schedule.

        The costs of later trials with the same base model are corrected by what this one really took.
        """
        expected, began = self._expected(trial, share, folds), self.elapsed()
        self._final = self._final_cost(trial)
        try:
            yield
        finally:
            self._final = 0.0
        before = self._costs.get(_model(trial), (0.0, 0.0))
        self._costs[_model(trial)] = before[0] + expected, before[1] + self.elapsed() - began
        self.reached(trial, share, folds)

    def reached(self, trial: Trial, share: float, folds: Folds) -> None:
        """Notes that a trial is trained up to a share, in whatever process."""
        for fold in folds or (None,):
            self._done[trial.name, fold] = max(share, self._done.get((trial.name, fold), 0.0))

    def cost(self, trial: Trial, share: float, folds: Folds) -> float:
        """Returns the seconds that training a trial up to a share takes, from where it is now."""
        return self._expected(trial, share, folds) * self._correction(trial)

    def _expected(self, trial: Trial, share: float, folds: Folds) -> float:
        missing = sum(max(0.0, share - self._done.get((trial.name, fold), 0.0)) for fold in folds or (None,))
        return missing * self._of_fold(trial)

    def _of_fold(self, trial: Trial) -> float:
        return (trial.estimate or 0.0) / (trial.folds or self._folds or 1)

    def _correction(self, trial: Trial) -> float:
        """Returns how many times as long as expected the trials of this base model have taken so far; else of all."""
        own = self._costs.get(_model(trial))
        expected, real = (
            map(sum, zip(*([own] if own else self._costs.values()), strict=True)) if self._costs else (0, 0)
        )
        return real / expected if expected else 1.0

    def _final_cost(self, trial: Trial) -> float:
        """Returns the seconds of training on all rows what folds have chosen; 0 where the trial's run is the final one."""
        if self._folds is None:
            return 0.0
        return self._of_fold(trial) * self._folds / (self._folds - 1) * self._correction(trial)


class CountingLedger:
    """A budget of trials instead of time: all that are in the list fit."""

    def elapsed(self) -> None:
        """Returns None: no clock decides."""

    def left(self) -> float:
        """Returns infinity."""
        return math.inf

    def fits(self, trial: Trial, share: float, folds: Folds) -> bool:
        """Returns True."""
        return True

    def expired(self) -> bool:
        """Returns False."""
        return False

    def over(self) -> bool:
        """Returns False."""
        return False

    @contextmanager
    def spending(self, trial: Trial, share: float, folds: Folds) -> Iterator[None]:
        """Counts nothing."""
        yield

    def reached(self, trial: Trial, share: float, folds: Folds) -> None:
        """Notes nothing."""


class ReplayLedger(CountingLedger):
    """A budget that decides as an earlier search did.

    Args:
        refused: what that search had no time for: name of the trial, share, and folds.
    """

    def __init__(self, refused: Collection[tuple[str, float, tuple[int, ...] | None]]) -> None:
        self._refused = frozenset(refused)

    def fits(self, trial: Trial, share: float, folds: Folds) -> bool:
        """Returns whether the earlier search had time for it."""
        return (trial.name, share, None if folds is None else tuple(folds)) not in self._refused


def budget_of(config: AutoConfig, folds: int | None, *, spent: float = 0.0) -> Budget:
    """Returns the budget that the settings ask for; its clock starts now.

    Args:
        config: settings of a search.
        folds: number of folds that choose; None: one validation split does.
        spent: seconds that earlier processes of the same search have taken.
    """
    if config.seconds is None or config.trials is not None:
        return CountingLedger()
    return Ledger(config.seconds, config.space.reserve, folds, spent=spent)


def _model(trial: Trial) -> str:
    """Returns what says which base model a trial trains."""
    return " ".join(word for word in trial.words if key_of(word) in ("model", "model.name_or_path", "peft"))
