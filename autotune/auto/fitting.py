"""Which fine-tunings of the base models that were measured there is time for, and how much time another one needs."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count, product

from autotune.auto.trial import BALANCED, FULL, Base, Trial, balances, short_number, writes
from autotune.auto.understand import Understanding
from autotune.config.auto import AutoConfig

ENOUGH, ALL_FOLDS = 200, 1000
"""A rung compares trials on at least the first number of rows; with fewer rows of train than the second, on all folds."""
FINALISTS = 2
"""Trials that are trained on all folds where the rungs compare on some of them."""
FEWEST_FOLDS = 2
"""With one fold, all that compares trials would be a single validation split."""
SPREAD = 1.1
"""The same run measured again may take a tenth longer, so a time that is offered has room for that."""


@dataclass
class Fitting:
    """Trials that are begun, as many as there is time for."""

    seconds: float
    """Time for all of them; infinity without a clock."""
    rungs: Sequence[float]
    share: float
    """Share of the folds on which a rung compares."""
    most: int
    """Most trials, whatever the time."""
    final: float = 0.0
    """Share of a trial that training on all rows takes after the race."""
    trials: list[Trial] = field(default_factory=list)
    first: Base | None = None
    """Base model of the first trial."""
    full: bool = False
    """Whether not even all learning rates of the first model fit, so that no other one is measured."""

    def add(self, trial: Trial) -> bool:
        """Adds a trial if there is time for it and room in the list; returns whether it was added."""
        fits = len(self.trials) < self.most and self.cost([*self.trials, trial]) <= self.seconds
        self.trials += [trial] * fits
        return fits

    def tries(self, base: Base) -> bool:
        """Returns whether a trial fine-tunes a base model."""
        return any(trial.words[: len(base.words)] == base.words for trial in self.trials)

    def cost(self, trials: Sequence[Trial]) -> float:
        """Returns the seconds of a race in which half of the trials pass each rung, and of the run after it."""
        mean = math.fsum(trial.estimate or 0.0 for trial in trials) / len(trials)
        before = (0.0, *self.rungs)
        racing = math.fsum(
            max(1, len(trials) >> number) * (share - before[number])
            for number, share in enumerate(self.rungs)
        )
        finalists = min(FINALISTS, len(trials)) * (1 - self.share)
        return mean * (racing * self.share + finalists + self.final)


@dataclass(frozen=True)
class Space:
    """The fine-tunings of base models.

    Args:
        facts: what the data are.
        config: settings of the search.
    """

    facts: Understanding
    config: AutoConfig

    @cached_property
    def rungs(self) -> tuple[float, ...]:
        """Shares of its schedule after which a trial is compared."""
        return tuple(sorted({*self.config.space.rungs, 1.0}))

    def begin(self, bases: Sequence[Base], seconds: float) -> Fitting:
        """Returns the first trials for which there is time: the learning rates of one model, then other models.

        Args:
            bases: base models, the most promising first.
            seconds: for all trials and the run after them.
        """
        folds, config = self.facts.folds, self.config
        final = 1 / (folds - 1) if folds and config.refit else 0.0
        fitting = Fitting(seconds, self.rungs, self._share, config.trials or config.space.max_trials, final)
        for base in bases:
            first, *others = (self._trial(base, rate=rate) for rate in self._rates(base))
            if fitting.full or not fitting.add(first) or fitting.first is not None:
                continue
            fitting.first = base
            fitting.full = not all(fitting.add(trial) for trial in others)
        return fitting

    def fit(self, bases: Sequence[Base], seconds: float) -> Fitting:
        """Returns all trials for which there is time: those of `begin`, and what may help beside the first one.

        If not even one trial fits, one is tried that is not compared before its end, on fewer folds if need be.
        """
        fitting = self.begin(bases, seconds)
        if fitting.first is None:
            self._add_alone(bases, fitting)
            return fitting
        for trial in self._variants(fitting.first):
            fitting.add(trial)
        if not self.config.trials:
            del fitting.trials[1 << (len(fitting.trials).bit_length() - 1) :]
        return fitting

    def minutes(self, fits: Callable[[float], bool], elapsed: float) -> int:
        """Returns the minutes of a search that leave time for something.

        Args:
            fits: takes the seconds for all trials and the run after them; with enough of them, it is true.
            elapsed: seconds that will have passed before.
        """
        space = self.config.space
        usable = 60 * (1 - space.reserve - space.cheap)
        return next(minutes for minutes in count(1) if fits((minutes * usable - elapsed) / SPREAD))

    @property
    def _share(self) -> float:
        """Share of the folds on which a rung compares: all with few rows, else as many as have `ENOUGH` rows."""
        folds = self.facts.folds
        return 1.0 if folds is None or self.facts.rows < ALL_FOLDS else self._enough(folds) / folds

    def _enough(self, folds: int) -> int:
        return min(folds, math.ceil(ENOUGH / (self.facts.rows / folds)))

    def _add_alone(self, bases: Sequence[Base], fitting: Fitting) -> None:
        """Adds the trial of the first model that fits by itself, on as many folds as there is time for."""
        folds = self.facts.folds
        numbers = [None] if folds is None else range(folds, max(FEWEST_FOLDS, self._enough(folds)) - 1, -1)
        for base, number in product(bases, numbers):
            trial, whole = (
                self._trial(base, rate=self._rates(base)[0], rungs=(1.0,), folds=count)
                for count in (number, folds)
            )
            if (trial.estimate or 0.0) + fitting.final * (whole.estimate or 0.0) <= fitting.seconds:
                fitting.first = base
                fitting.trials.append(trial)
                return

    def _rates(self, base: Base) -> list[float | None]:
        """Returns the learning rates to try, the most usual first; None alone where the user has set it."""
        if "trainer.learning_rate" in base.named:
            return [None]
        rates = self.config.space.learning_rate
        usual = rates.writer if writes(self.facts) else rates.encoder
        multiples = usual if base.config.peft is None else rates.adapter
        return [multiple * (base.config.trainer.learning_rate or 0.0) for multiple in multiples]

    def _variants(self, first: Base) -> Iterator[Trial]:
        """Yields what may help beside the first trial: class weights, other seeds, a smaller rate for lower layers."""
        space = self.config.space
        add = partial(self._trial, first, rate=self._rates(first)[0])
        if balances(self.facts, self.config):
            yield add(BALANCED, note="balanced")
        if self.facts.rows < space.seeds_below and "seed" not in first.named:
            for number in range(1, space.seeds):
                seed = first.config.seed + number
                yield add(f"seed={seed}", note=f"seed {seed}")
        if first.config.peft is None and "trainer.layer_decay" not in first.named:
            for decay in space.layer_decay:
                yield add(f"trainer.layer_decay={decay:g}", note=f"layer_decay {decay:g}")

    def _trial(
        self,
        base: Base,
        *others: str,
        rate: float | None,
        note: str = "",
        rungs: tuple[float, ...] | None = None,
        folds: int | None = None,
    ) -> Trial:
        """Returns a fine-tuning of a base model."""
        rates = () if rate is None else (f"trainer.learning_rate={short_number(rate)}",)
        used = rate if rate is not None else base.config.trainer.learning_rate or 0.0
        adapter = "lora" if "peft=lora" in base.words else ""
        name = " ".join(filter(None, (base.name, adapter, short_number(used), note)))
        rungs = rungs or self.rungs
        estimate = None if base.cost is None else base.cost.seconds(folds or self.facts.folds, len(rungs))
        fewer = folds if folds != self.facts.folds else None
        return Trial(name, FULL, (*base.words, *rates, *others), rungs, estimate, fewer)
