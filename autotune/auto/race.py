"""The race: cheap models first, then fine-tunings at 25, 50 and 100 % of their schedules; those that cannot win are dropped.

Nothing is trained twice: a trial pauses where it is compared, and continues from there.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from autotune.auto.board import DROPPED, FAILED, SEED, TRIVIAL, Board
from autotune.auto.fitting import FINALISTS
from autotune.auto.ledger import Budget, Folds
from autotune.auto.record import Entry
from autotune.auto.trial import CHEAP, FULL, Trial
from autotune.auto.trials import Failed, OutOfTime
from autotune.evaluation.selection import survivors
from autotune.tasks.base import Prediction

NO_TIME = "no time is left for it"
SAME_PREDICTION = "it predicts the same for all rows, and others do not"
WORSE = "better ones remain, and its chance of being the best is below 10 %"


@dataclass(frozen=True)
class Measured:
    """A trial was scored."""

    entry: Entry
    leads: bool
    """Whether it is the best of those that are trained to their end."""


@dataclass(frozen=True)
class Dropped:
    """A trial does not continue; `entry` says why."""

    trial: Trial
    entry: Entry


Event = Measured | Dropped


class Trainer(Protocol):
    """What trains and predicts; see `autotune.auto.trials`."""

    def predictions(self, trial: Trial, share: float, folds: Folds) -> Iterable[tuple[int, Prediction]]:
        """Returns the predictions of judged rows with their positions.

        Raises:
            Failed: the trial has failed.
            OutOfTime: the time is up.
        """

    def run_of(self, trial: Trial, folds: Folds) -> str | None:
        """Returns the run folder of the first fold; None for what is trained in this process."""


@dataclass(frozen=True)
class Race:
    """Measures trials on the same rows, and drops those that cannot win."""

    trials: Sequence[Trial]
    """What is tried; fine-tunings in the order of their promise."""
    board: Board
    """What was measured, also by an earlier process."""
    trainer: Trainer
    budget: Budget
    cheap_seconds: float = math.inf
    """Seconds after the start until which another cheap model is begun."""

    def run(self) -> Iterator[Event]:
        """Yields what happens, until each trial is trained to its end or dropped."""
        everything, compared = self.board.judging.all_folds, self.board.judging.rung_folds
        for trial in self._of(TRIVIAL, CHEAP):
            yield from self._measure(trial, 1.0, everything)
        alive = self._of(FULL)
        for share in sorted({share for trial in alive for share in trial.rungs}):
            for trial in alive:
                yield from self._measure(trial, share, compared)
            racing = [trial for trial in alive if self._continues(trial)]
            sound = [trial for trial in racing if not self.board.collapsed(trial, share)] or racing
            for trial in racing:
                if trial not in sound:
                    yield self._drop(trial, SAME_PREDICTION)
            racing, last = sound, share == 1
            alive = racing if last and compared == everything else self._better(racing, share, last=last)
            for trial in racing:
                if trial not in alive:
                    yield self._drop(trial, WORSE)
        if compared != everything:
            for trial in alive:
                yield from self._measure(trial, 1.0, everything)

    def _of(self, *kinds: str) -> list[Trial]:
        return [trial for kind in kinds for trial in self.trials if trial.kind == kind]

    def _measure(self, trial: Trial, share: float, folds: Folds) -> Iterator[Event]:
        """Trains a trial up to a share of its schedule and scores it, or says why that is not possible."""
        board, budget = self.board, self.budget
        known = board.known(trial, share, folds)
        if known is not None and known.score is None:
            yield Dropped(trial, board.give_up(trial, share, folds, known))
            return
        try:
            if board.saved(trial, share, folds) is None:
                if not self._in_time(trial, share, folds):
                    raise OutOfTime(NO_TIME)
                with budget.spending(trial, share, folds):
                    board.save(trial, share, self.trainer.predictions(trial, share, folds))
        except (Failed, OutOfTime) as error:
            fate, because = (FAILED, error.what) if isinstance(error, Failed) else (DROPPED, NO_TIME)
            reason = Entry(trial.name, trial.kind, seconds=budget.elapsed(), fate=fate, because=because)
            yield Dropped(trial, board.give_up(trial, share, folds, reason))
            return
        budget.reached(trial, share, folds)
        entry = board.add(
            trial, share, folds, seconds=budget.elapsed(), run=self.trainer.run_of(trial, folds)
        )
        yield Measured(entry, leads=entry is board.leader())

    def _in_time(self, trial: Trial, share: float, folds: Folds) -> bool:
        """Returns whether there is time for a trial; whatever the clock says, the trivial ones and the first cheap one are
        scored, as there must be a winner."""
        if trial.kind == TRIVIAL or trial in self._of(CHEAP)[:1]:
            return True
        elapsed = self.budget.elapsed()
        too_late = trial.kind == CHEAP and elapsed is not None and elapsed > self.cheap_seconds
        return not too_late and self.budget.fits(trial, share, folds)

    def _continues(self, trial: Trial) -> bool:
        return self.board.last(trial).fate not in (DROPPED, FAILED)

    def _drop(self, trial: Trial, because: str) -> Dropped:
        entry = self.board.last(trial)
        self.board.drop(entry, because)
        return Dropped(trial, entry)

    def _better(self, racing: Sequence[Trial], share: float, *, last: bool) -> list[Trial]:
        """Returns the trials that continue, the best first; after the last rung the finalists."""
        if not racing:
            return []
        board = self.board
        states = [board.states(trial.name, share, board.judging.rung_folds) for trial in racing]
        kept = survivors(states, board.judging.task.metric().empty, board.objective, SEED)
        return [racing[number] for number in (kept[:FINALISTS] if last else kept)]
