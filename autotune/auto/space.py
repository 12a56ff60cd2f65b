"""The trials of a search: which models with which values, in the order in which they are worth their time."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from autotune import registry
from autotune.auto.cost import Cost, DoesNotFit, measure
from autotune.auto.decisions import Decision
from autotune.auto.ledger import Budget, budget_of
from autotune.auto.schedule import schedule
from autotune.auto.space_decisions import decisions_of, reasons
from autotune.auto.trial import (
    BALANCED,
    CHEAP,
    FULL,
    OTHER,
    Base,
    Trial,
    balances,
    laid_over,
    named_keys,
    short_number,
    task_of,
    writes,
)  # fmt: skip
from autotune.auto.understand import Understanding
from autotune.config.auto import AutoConfig, Candidate, Goal
from autotune.config.compose import compose
from autotune.config.enums import BaselineMethod
from autotune.config.overrides import key_of
from autotune.config.trials import override
from autotune.errors import ConfigError, ModelError
from autotune.models.reachable import is_reachable

__all__ = ["Trial", "candidates", "cheap_trials", "full_trials"]

logger = logging.getLogger(__name__)

ENOUGH, ALL_FOLDS = 200, 1000
"""A rung compares trials on at least the first number of rows; with fewer rows of train than the second, on all folds."""
FINALISTS = 2
"""Trials that are trained on all folds where the rungs compare on some of them."""
MIN_SECONDS = 60.0
"""With less, no base model is measured, which takes ten to thirty seconds itself."""
ADAPTERS: Sequence[tuple[str, ...]] = (
    (),
    ("peft=lora",),
    ("peft=lora", "trainer.gradient_checkpointing=true"),
)
"""What is tried in turn until a model fits into memory."""

Measure = Callable[[Sequence[str], Callable[[], float | None]], Cost]
"""Measures the run that overrides compose; the second argument is the clock."""


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
    full: bool = False
    """Whether not even all learning rates of the first model fit, so that no other one is measured."""

    def add(self, trial: Trial) -> bool:
        """Adds a trial if there is time for it and room in the list; returns whether it was added."""
        fits = len(self.trials) < self.most and self.cost([*self.trials, trial]) <= self.seconds
        self.trials += [trial] * fits
        return fits

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


def candidates(
    facts: Understanding,
    config: AutoConfig,
    budget: Budget | None = None,
    *,
    measured: Measure | None = None,
    gpu: bool | None = None,
) -> tuple[list[Trial], list[Decision]]:
    """Returns the trials of a search, cheap ones first, and the decisions about them.

    Args:
        facts: what the data are.
        config: settings of the search.
        budget: its time; None: a clock that starts now, if the settings have a time.
        measured: measures the cost of a run, where there is a clock; None: `autotune plan` does.
        gpu: whether there is one; None: it is looked for.

    Raises:
        ConfigError: there is nothing to try, or a model has an unknown name.
    """
    cheap = cheap_trials(facts, config)
    full, decisions = list[Trial](), list[Decision]()
    if Candidate.full in config.candidates:
        gpu = torch.cuda.is_available() if gpu is None else gpu
        full, decisions = full_trials(
            facts, config, budget or budget_of(config, facts.folds), measured, gpu=gpu
        )
    if not cheap and not full:
        raise ConfigError(
            "there is nothing to try: no base model can be used, and models without a neural network are left out",
            where="auto.candidates",
            found=decisions[0].because if decisions else None,
            fix="auto.candidates=[cheap,full]",
        )
    return [*cheap, *full], decisions


def cheap_trials(facts: Understanding, config: AutoConfig) -> list[Trial]:
    """Returns the models without a neural network that suit the task; none where the settings leave them out."""
    if Candidate.cheap not in config.candidates:
        return []
    trials, named = list[Trial](), named_keys(facts)
    for method in registry.task(task_of(facts)).cheap:
        values = config.space.C if method is BaselineMethod.tfidf and "model.C" not in named else ()
        options: list[tuple[str, ...]] = [(f"model.C={C:g}",) for C in values]
        for words in options or [()]:
            name = " ".join((method.value, *(word.removeprefix("model.") for word in words)))
            trials.append(Trial(name, CHEAP, (f"model={method.value}", *words), (1.0,), None))
            if method is BaselineMethod.tfidf and balances(facts, config):
                trials.append(Trial(f"{name} balanced", CHEAP, (*trials[-1].words, BALANCED), (1.0,), None))
    return trials


def full_trials(
    facts: Understanding, config: AutoConfig, budget: Budget, measured: Measure | None, *, gpu: bool
) -> tuple[list[Trial], list[Decision]]:
    """Returns the fine-tunings for which there is time, in their order, and the decisions about them.

    The learning rate is compared first, with one model and one seed; then other models; then what may help beside them.

    Args:
        facts: what the data are.
        config: settings of the search.
        budget: its time.
        measured: measures the cost of a run, where there is a clock; None: `autotune plan` does.
        gpu: whether there is one.

    Raises:
        ConfigError: a model has an unknown name.
    """
    space, rungs = config.space, tuple(sorted({*config.space.rungs, 1.0}))
    take = measured or measure
    cost_of = None if math.isinf(budget.left()) else lambda words: take(words, budget.elapsed)
    refits = facts.folds is not None and config.refit
    cheap = space.cheap * (config.seconds or 0.0)
    fitting = Fitting(
        budget.left() - cheap, rungs, _rung_share(facts), config.trials or space.max_trials,
        1 / (facts.folds - 1) if facts.folds and refits else 0.0,
    )  # fmt: skip
    first: Base | None = None
    left_out: dict[str, str] = {}
    for name, words in _models(facts, config, gpu=gpu):
        if len(fitting.trials) == fitting.most:
            left_out[name] = "there are enough trials without it"
            continue
        if fitting.full or fitting.seconds < MIN_SECONDS:
            left_out[name] = "there is no time for it"
            continue
        try:
            base = _base(name, words, facts, config, cost_of, len(rungs))
        except ModelError as error:
            left_out[name] = error.what
            continue
        fitting.seconds = budget.left() - cheap  # measuring has taken some
        rates = _rates(base, facts, config)
        if not fitting.add(_full(base, rungs, rate=rates[0])):
            left_out[name] = "it does not fit into the time"
        elif first is None:
            first = base
            fitting.full = not all(fitting.add(_full(base, rungs, rate=rate)) for rate in rates[1:])
    for trial in _variants(first, rungs, facts, config) if first is not None else ():
        fitting.add(trial)
    count = len(fitting.trials)
    trials = fitting.trials[: count if config.trials or not count else 1 << (count.bit_length() - 1)]
    if first is None:
        logger.warning("no base model is tried, only models without a neural network")
        for line in reasons(left_out):
            logger.warning(line)
    return trials, decisions_of(facts, config, trials, first, left_out)


def _base(
    name: str,
    words: tuple[str, ...],
    facts: Understanding,
    config: AutoConfig,
    measured: Callable[[Sequence[str]], Cost] | None,
    rungs: int,
) -> Base:
    """Returns a base model with what makes it fit into memory.

    Raises:
        ModelError: it cannot be loaded, is refused, or does not fit.
        ConfigError: there is no such model.
    """
    named = named_keys(facts)
    folds = (
        (f"dataset.fold=1/{facts.folds}", "dataset.validation_fraction=0", "trainer.keep=last")
        if facts.folds
        else ()
    )
    for adapter in ADAPTERS if measured and not named & {"peft", "trainer.gradient_checkpointing"} else ((),):
        (run,) = compose(laid_over(facts.words, *words, *adapter))
        if not is_reachable(run.model):
            raise ModelError("weights are neither on this machine nor on a Hub that answers")
        numbers = schedule(run, config.space, facts.rows, facts.folds)
        values = {"trainer.epochs": f"{numbers.epochs:g}", "trainer.batch_size": str(numbers.batch_size)}
        sizes = (f"{key}={value}" for key, value in values.items() if key not in named)
        base = Base(name, (*words, *adapter, *sizes), run, numbers, frozenset(named))
        if measured is None:
            return base
        try:
            cost = measured(laid_over(facts.words, *base.words, *folds))
        except DoesNotFit:
            continue
        return replace(base, estimate=cost.seconds(facts.folds, rungs))
    raise ModelError("it does not fit into memory, not even with LoRA")


def _models(facts: Understanding, config: AutoConfig, *, gpu: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Returns the base models to try, each with its overrides, the most promising first."""
    for word in facts.words:
        if key_of(word) in ("model", "model.name_or_path"):
            return [(_short(word.partition("=")[2]), ())]
    names = config.models
    if names is None:
        space = config.space
        table = space.writers if writes(facts) else space.encoders
        language = facts.language
        names = table.get(language) or table.get(language.partition("-")[0]) or table.get(OTHER, [])
        if not gpu or config.goal is Goal.small:
            names = [name for name in names if name not in space.large]
        if not gpu and config.seconds is not None and config.seconds < space.light_below:
            names = sorted(names, key=lambda name: name not in space.light)
    return [(_short(name), _model_words(name)) for name in names]


def _model_words(name: str) -> tuple[str, ...]:
    """Returns the overrides of a model: an option of the group, a folder or a Hub id."""
    if "/" in name or Path(name).expanduser().is_dir():
        return ("model=custom", override("model.name_or_path", name))
    return (override("model", name),)


def _short(name: str) -> str:
    """Returns the last two parts of a path or Hub id: folders of models are often called model."""
    return "/".join(Path(name).parts[-2:])


def _rates(base: Base, facts: Understanding, config: AutoConfig) -> list[float | None]:
    """Returns the learning rates to try, the most usual first; None alone where the user has set it."""
    if "trainer.learning_rate" in base.named:
        return [None]
    rates = config.space.learning_rate
    usual = rates.writer if writes(facts) else rates.encoder
    multiples = usual if base.config.peft is None else rates.adapter
    return [multiple * (base.config.trainer.learning_rate or 0.0) for multiple in multiples]


def _variants(
    first: Base, rungs: tuple[float, ...], facts: Understanding, config: AutoConfig
) -> Iterator[Trial]:
    """Yields what may help beside the first trial: class weights, other seeds, a smaller rate for lower layers."""
    space, rate = config.space, _rates(first, facts, config)[0]
    add = partial(_full, first, rungs, rate=rate)
    if balances(facts, config):
        yield add(BALANCED, note="balanced")
    if facts.rows < space.seeds_below and "seed" not in first.named:
        for number in range(1, space.seeds):
            seed = first.config.seed + number
            yield add(f"seed={seed}", note=f"seed {seed}")
    if first.config.peft is None and "trainer.layer_decay" not in first.named:
        for decay in space.layer_decay:
            yield add(f"trainer.layer_decay={decay:g}", note=f"layer_decay {decay:g}")


def _full(base: Base, rungs: tuple[float, ...], *others: str, rate: float | None, note: str = "") -> Trial:
    """Returns a fine-tuning of a base model."""
    rates = () if rate is None else (f"trainer.learning_rate={short_number(rate)}",)
    used = rate if rate is not None else base.config.trainer.learning_rate or 0.0
    adapter = "lora" if "peft=lora" in base.words else ""
    name = " ".join(filter(None, (base.name, adapter, short_number(used), note)))
    return Trial(name, FULL, (*base.words, *rates, *others), rungs, base.estimate)


def _rung_share(facts: Understanding) -> float:
    """Returns the share of the folds on which a rung compares: all with few rows, else as many as have `ENOUGH` rows."""
    if facts.folds is None or facts.rows < ALL_FOLDS:
        return 1.0
    return min(facts.folds, math.ceil(ENOUGH / (facts.rows / facts.folds))) / facts.folds
