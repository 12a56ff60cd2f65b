"""Windows over long texts, for the tasks that read in windows."""

from collections.abc import Iterator

from autotune.config.rules.model import max_input_length
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError

USUAL = 512
"""Longest window when nobody says; `autotune.tasks.base.DEFAULT_MAX_LENGTH`."""


def overlap(config: RunConfig, given: int | None) -> Iterator[AutotuneError]:
    """Neighbouring windows share less than a whole one, so that each brings something new."""
    window = config.task.max_length or min(max_input_length(config) or USUAL, USUAL)
    if given is not None and given >= window:
        yield ConfigError(
            f"windows of {window} tokens cannot share so many and go on",
            where="task.overlap",
            found=str(given),
            fix=f"task.overlap={max(1, window // 4)}",
        )
