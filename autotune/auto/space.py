"""The trials of a search: which models with which values, in the order in which they are worth their time."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from autotune import registry
from autotune.auto.cost import Cost, DoesNotFit, measure
from autotune.auto.decisions import Decision
from autotune.auto.fitting import Space
from autotune.auto.ledger import Budget, budget_of
from autotune.auto.schedule import schedule
from autotune.auto.space_decisions import decisions_of, reasons
from autotune.auto.trial import (
    BALANCED,
    CHEAP,
    OTHER,
    Base,
    Trial,
    balances,
    laid_over,
    named_keys,
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

ENOUGH_TRIALS = "there are enough trials without it"
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

    Args:
        facts: what the data are.
        config: settings of the search.
        budget: its time.
        measured: measures the cost of a run, where there is a clock; None: `autotune plan` does.
        gpu: whether there is one.

    Raises:
        ConfigError: a model has an unknown name.
    """
    space, take = Space(facts, config), measured or measure
    cost_of = None if math.isinf(budget.left()) else lambda words: take(words, budget.elapsed)

    def seconds() -> float:
        return budget.left() - config.space.cheap * (config.seconds or 0.0)

    bases, unmeasured, left_out = list[Base](), list[str](), dict[str, str]()
    for name, words in _models(facts, config, gpu=gpu):
        begun = space.begin(bases, seconds())
        if len(begun.trials) == begun.most:
            left_out[name] = ENOUGH_TRIALS
        elif begun.full or begun.seconds < MIN_SECONDS:
            unmeasured.append(name)
        else:
            try:
                bases.append(_base(name, words, facts, config, cost_of))
            except ModelError as error:
                left_out[name] = error.what
    fitting, elapsed = space.fit(bases, seconds()), budget.elapsed() or 0.0
    times = list[int]()
    for base in bases:
        if fitting.tries(base):
            continue
        if not _tries(space, bases, base, math.inf):
            left_out[base.name] = ENOUGH_TRIALS
            continue
        times.append(space.minutes(partial(_tries, space, bases, base), elapsed))
        left_out[base.name] = f"it does not fit into the time: about {times[-1]} min are needed"
    if unmeasured:
        times.append(
            space.minutes(
                lambda seconds: seconds >= MIN_SECONDS and not space.begin(bases, seconds).full, elapsed
            )
        )
        left_out |= dict.fromkeys(
            unmeasured, f"there is no time to measure it: at least {times[-1]} min are needed"
        )
    if fitting.first is None:
        logger.warning("no base model is tried, only models without a neural network")
    for line in reasons(left_out):
        logger.log(logging.WARNING if fitting.first is None else logging.INFO, line)
    if fitting.trials and fitting.trials[0].folds:
        times = [
            space.minutes(
                lambda seconds: any(not trial.folds for trial in space.fit(bases, seconds).trials), elapsed
            )
        ]
    time = f"time={min(times)}m" if times else None
    return fitting.trials, decisions_of(facts, config, fitting.trials, fitting.first, left_out, time)


def _tries(space: Space, bases: Sequence[Base], base: Base, seconds: float) -> bool:
    """Returns whether there is time for a base model."""
    return space.fit(bases, seconds).tries(base)


def check_models(facts: Understanding, config: AutoConfig) -> None:
    """Checks the names of the base models that the user names, before anything is trained.

    Raises:
        ConfigError: a model has an unknown name.
    """
    if Candidate.full in config.candidates and config.models is not None:
        for _, words in _models(facts, config, gpu=True):
            compose(laid_over(facts.words, *words))


def _base(
    name: str,
    words: tuple[str, ...],
    facts: Understanding,
    config: AutoConfig,
    measured: Callable[[Sequence[str]], Cost] | None,
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
        return replace(base, cost=cost)
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
