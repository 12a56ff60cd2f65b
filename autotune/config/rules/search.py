"""Rules for the section `search`: each space describes values of a key that affects the result."""

from collections.abc import Iterator, Sequence

from autotune.config.enums import SpaceType
from autotune.config.schema import RunConfig
from autotune.config.search import SpaceConfig
from autotune.errors import AutotuneError, ConfigError


def spaces(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that there is something to try, and that each range is one."""
    if config.search is None:
        return
    if not config.search.spaces:
        yield ConfigError(
            "the search has no spaces, so there is nothing to try", where="search.spaces", fix="search=lr"
        )
    for key, space in config.search.spaces.items():
        if (fault := _fault(space)) is not None:
            yield ConfigError(fault, where=f"search.spaces.{key}")


def pruning(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that trials have validation scores, and that none is compared during its warm-up."""
    search, data, warmup = config.search, config.dataset, config.trainer.warmup_ratio
    if search is None:
        return
    if data.splits.validation is None and not data.validation_fraction:
        yield ConfigError(
            "a search compares scores on validation, and there is no validation split",
            where="dataset.splits.validation",
            fix="dataset.validation_fraction=0.1",
        )
    if search.prune and search.first_rung <= warmup:
        yield ConfigError(
            "trials would be compared during their warm-up",
            where="search.first_rung",
            found=f"{search.first_rung:g}, and trainer.warmup_ratio={warmup:g}",
            fix=f"search.first_rung={min(0.9, round(2 * warmup, 2)):g}, or search.prune=false",
        )


def not_searched(configs: Sequence[RunConfig]) -> Iterator[AutotuneError]:
    """Checks that no run that is about to be trained has the section `search`."""
    if any(config.search is not None for config in configs):
        yield ConfigError(
            "training tries no values; a search is a command of its own",
            where="search",
            fix="autotune search …, or search=none",
        )


def _fault(space: SpaceConfig) -> str | None:
    """Returns what is wrong with a space; None if nothing is."""
    numbers = [space.low, space.high, space.step]
    if space.type is SpaceType.categorical:
        if not space.choices:
            return "a categorical space needs `choices`, a list of values"
        return (
            "low, high, log and step are for numbers, not for choices" if any(numbers) or space.log else None
        )
    if space.choices is not None:
        return "`choices` needs type: categorical"
    if space.low is None or space.high is None or not space.low < space.high:
        return "a range needs `low` and `high`, low below high"
    if space.log and (space.low <= 0 or space.step is not None):
        return "a logarithmic range starts above 0 and has no `step`"
    if space.type is SpaceType.int and any(number is not None and number % 1 for number in numbers):
        return "low, high and step of an int are whole numbers"
    return None
