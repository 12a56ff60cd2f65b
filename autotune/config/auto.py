"""What `autotune auto` may do: budget, goal, and the space of its trials. Beside a run's configuration, never in its identity.

The numbers of `space` are in `assets/auto/*.yaml`, each with its source.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from autotune.config.section import OptionalName, Positive, Share, Strict

TIME = r"^([0-9]*[1-9][0-9]*|[0-9]+\.[0-9]*[1-9][0-9]*)(s|m|h)$"
"""Pattern of a time: 90s, 10m, 1.5h."""
SECONDS = {"s": 1, "m": 60, "h": 3600}
"""Seconds of a unit of time."""


class Goal(StrEnum):
    """What the best model is."""

    best = "best"
    """The one with the best score."""
    small = "small"
    """The one that is cheapest to run among those that no other beats beyond chance."""


class Candidate(StrEnum):
    """Kinds of models that are tried."""

    cheap = "cheap"
    """Without a neural network: TF-IDF, linear tagger, extracts."""
    full = "full"
    """Fine-tuned base models."""


@dataclass
class Band(Strict):
    """A value for data sets of some size."""

    below: Positive | None = None
    """The value holds with fewer training rows than this; the first band that fits counts. null: with any number."""
    value: Annotated[float, Field(gt=0)] = 1.0


@dataclass
class Rates(Strict):
    """Learning rates to try, as multiples of the one that suits the model (model.learning_rate, peft.learning_rate)."""

    encoder: list[float]
    """Full fine-tuning of classifiers and taggers. The first value is that of all trials that compare something else."""
    writer: list[float]
    """Full fine-tuning of models that write summaries."""
    adapter: list[float]
    """Adapters."""


@dataclass
class SpaceConfig(Strict):
    """The space of the trials."""

    encoders: dict[str, list[str]]
    """Base models of classifiers and taggers by language, the most promising first; other: any language without a list."""
    writers: dict[str, list[str]]
    """Base models of summaries by language."""
    large: list[str]
    """Base models that are tried with a GPU only."""
    learning_rate: Rates
    """Learning rates."""
    epochs: list[Band]
    """Passes over the training rows, by their number."""
    batch_size: list[Band]
    """Rows per optimizer step, by the number of training rows."""
    seeds: Positive
    """Seeds of the first trial, with fewer training rows than `seeds_below`; else one."""
    seeds_below: Positive
    """See `seeds`."""
    layer_decay: list[float]
    """Values of trainer.layer_decay, each tried once; 1 is that of all other trials."""
    class_weights_from: Annotated[float, Field(ge=1)]
    """Balanced class weights are tried once where the largest class has more than this many times the rows of the smallest."""
    C: list[float]
    """Inverse strengths of regularization of TF-IDF + logistic regression."""
    rungs: list[Share]
    """Shares of a trial's own schedule after which trials are compared; the last is 1."""
    max_trials: Positive
    """Most fine-tunings that are begun."""
    light_below: Annotated[float, Field(ge=0)]
    """Without a GPU and with fewer seconds than this, the base models of `light` come first."""
    light: list[str]
    """Base models for little time."""
    reserve: Annotated[float, Field(ge=0, lt=0.5)]
    """Share of the time that is kept for the final run, its verification and the report."""
    cheap: Annotated[float, Field(ge=0, lt=0.5)]
    """Share of the time within which models without a neural network are begun."""
    cheap_alone: Annotated[float, Field(ge=0, lt=0.5)] = 0.4
    """The same where nothing else is tried: what is begun before this ends before twice this."""


@dataclass
class AutoConfig(Strict):
    """`autotune auto`. `data`, `time`, `trials`, `goal`, `name` and `runs` are set without the section: time=10m."""

    data: str
    """File, folder or name on the Hub."""
    space: SpaceConfig
    """The space of the trials."""
    time: Annotated[str | None, Field(pattern=TIME)] = "1h"
    """Time for everything: 90s, 10m, 1h. null: no limit, the clock decides nothing."""
    trials: Positive | None = None
    """Number of fine-tunings, instead of a time: the same on every machine. null: as many as fit into the time."""
    goal: Goal = Goal.best
    """best: the best score wins; small: what is cheapest to run, unless another is better beyond chance."""
    name: OptionalName = None
    """Folder of the search. null: auto, the name of the data and a hash."""
    runs: str = "runs"
    """Folder of the folder."""
    models: list[str] | None = None
    """Base models to try, instead of those of the language: names of configs/model, Hub ids or folders."""
    candidates: list[Candidate] = field(default_factory=lambda: list(Candidate))
    """Kinds of models to try."""
    folds: Positive | None = None
    """Folds that choose. 1: one validation split; null: five folds where rows are few, else one split."""
    test_fraction: Annotated[float | None, Field(ge=0, lt=1)] = None
    """Share of the rows kept for the final test, where the data have no test split. null: by their number."""
    refit: bool = True
    """Trains the winner on all rows where folds have chosen it; false: the model of the first fold is the result."""
    refit_test: bool = True
    """Trains a winner without a neural network once more, with the rows of a test split that was made here, after they were
    scored; false: the rows of test stay out of the result."""
    calibrate: bool = True
    """Divides a temperature, fitted out of fold or on validation, into the last layer."""
    suspects: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Largest share of rows listed as suspect labels. 0: none."""

    @property
    def seconds(self) -> float | None:
        """`time` in seconds."""
        match = re.fullmatch(TIME, self.time) if self.time is not None else None
        return float(match[1]) * SECONDS[match[2]] if match else None
