"""Section `search`: what `autotune search` may try, and how much of it."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from autotune.config.enums import SpaceType
from autotune.config.section import Strict


@dataclass
class SpaceConfig(Strict):
    """The values of one key."""

    type: SpaceType = SpaceType.float
    """float and int: a number from `low` to `high`; categorical: one of `choices`."""
    low: float | None = None
    """Smallest value."""
    high: float | None = None
    """Greatest value, which may itself be tried."""
    log: bool = False
    """Draws from the logarithm of the range, as for learning rates."""
    step: Annotated[float | None, Field(gt=0)] = None
    """Distance between two values. null: any value (float), 1 (int)."""
    choices: list[Any] | None = None
    """Values of any kind, for a key or for a group."""


@dataclass
class SearchConfig(Strict):
    """`autotune search`."""

    spaces: dict[str, SpaceConfig] = field(default_factory=dict)
    """What may be tried, by key: {trainer.learning_rate: {type: float, low: 1e-5, high: 1e-4, log: true}}."""
    trials: Annotated[int, Field(gt=0)] = 20
    """Number of trials, pruned ones included. With more, the same command continues the study."""
    prune: bool = True
    """Stops trials that score worse on validation than others did at the same point of their schedule (asynchronous
    successive halving, Li et al. 2020). They keep their checkpoints."""
    first_rung: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of a trial's steps after which it is compared for the first time; later at this share times `reduction_factor`,
    times its square and so on."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """One of this many trials passes each comparison."""
    max_failures: Annotated[int, Field(gt=0)] = 3
    """Ends the search after this many failed trials in a row."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the values that are tried; a trial draws with this seed plus the number of trials before it."""
