"""A trial of a search, the base model it fine-tunes, and what is known of the data for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from autotune import registry
from autotune.auto.cost import Cost
from autotune.auto.schedule import Schedule
from autotune.auto.understand import Understanding
from autotune.config.auto import AutoConfig
from autotune.config.keys import tasks_with
from autotune.config.overrides import key_of
from autotune.config.rules.baselines import KEYS_OF_METHODS
from autotune.config.schema import RunConfig
from autotune.models.spec import Head

CHEAP, FULL = "cheap", "full"
"""Kinds of trials: without and with a neural network."""
OTHER = "other"
"""The key of languages without a list of models of their own."""
BALANCED = "task.class_weights=balanced"


@dataclass(frozen=True)
class Trial:
    """A candidate: an ordinary run that may be paused."""

    name: str
    """Short and unique: tfidf C=10, bertimbau_base 5e-5 seed 43."""
    kind: str
    """cheap or full."""
    words: tuple[str, ...]
    """Overrides beside those that all trials have; they shape the result."""
    rungs: tuple[float, ...]
    """Shares of its own schedule after which it is compared; (1.0,) of a cheap model."""
    estimate: float | None
    """Seconds of the whole trial, over all its folds; None where no clock is used, or nothing was measured."""
    folds: int | None = None
    """Number of folds that judge it and all others, if time is short; None: all."""


@dataclass(frozen=True)
class Base:
    """A base model with the overrides that make it fit, and what its trials cost."""

    name: str
    words: tuple[str, ...]
    config: RunConfig
    schedule: Schedule
    named: frozenset[str]
    """Keys that all runs have a value of."""
    cost: Cost | None = None
    """Of a run; None without a clock."""


def balances(facts: Understanding, config: AutoConfig) -> bool:
    """Returns whether balanced class weights are worth a trial."""
    counts = [count for count in facts.counts.values() if count]
    possible = "task.class_weights" not in named_keys(facts) and task_of(facts) in tasks_with(
        "task.class_weights"
    )
    return possible and len(counts) > 1 and max(counts) / min(counts) > config.space.class_weights_from


def task_of(facts: Understanding) -> str:
    """Returns the name of the task."""
    return next(word.partition("=")[2] for word in facts.words if key_of(word) == "task")


def writes(facts: Understanding) -> bool:
    """Returns whether the models of the task write texts."""
    return Head.seq2seq in registry.task(task_of(facts)).heads.values()


def named_keys(facts: Understanding) -> set[str]:
    """Returns the keys that all runs have a value of: nothing else is tried for them."""
    return {key_of(word) for word in facts.words}


def laid_over(words: Sequence[str], *others: str) -> list[str]:
    """Returns overrides with others laid over them: of two with the same key, the later one alone is kept.

    `model.C` remains for model=tfidf alone, and `model.max_epochs` for model=tagger: a user who sets it means the candidates
    that have it.
    """
    latest: dict[str, str] = {}
    for word in (*words, *others):
        key = word if word.startswith("-") else key_of(word)
        latest.pop(key, None)
        latest[key] = word
    for key, method in KEYS_OF_METHODS.items():
        if latest.get("model") != f"model={method}":
            latest.pop(f"model.{key}", None)
    return list(latest.values())


def short_number(value: float) -> str:
    """Returns a number with two digits as people write learning rates: 5e-5, not 5e-05 or 0.00005."""
    if not 0 < value < 0.01:
        return f"{value:.2g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"
