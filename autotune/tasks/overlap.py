"""The rule for `task.overlap`, shared by the tasks that cut long texts into windows."""

from collections.abc import Iterator

from autotune.config.enums import Overflow
from autotune.config.rules.model import max_input_length
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError

DEFAULT_WINDOW = 512
"""Longest window by default, like `autotune.models.spec.DEFAULT_MAX_LENGTH`."""


def overlap(config: RunConfig, value: int | None) -> Iterator[AutotuneError]:
    """Yields an error if neighbouring windows share a whole window or more, because the next one would add nothing."""
    window = config.task.max_length or min(max_input_length(config) or DEFAULT_WINDOW, DEFAULT_WINDOW)
    if value is not None and value >= window:
        yield ConfigError(
            f"windows of {window} tokens cannot overlap by that much",
            where="task.overlap",
            found=str(value),
            fix=f"task.overlap={max(1, window // 4)}",
        )


def windows_of_texts(config: RunConfig, value: int | None, on_overflow: Overflow) -> Iterator[AutotuneError]:
    """Yields the errors in `task.overlap` of tasks that read a long text in windows, or not."""
    yield from overlap(config, value)
    if value is not None and on_overflow is not Overflow.window:
        yield ConfigError(
            "only windows overlap",
            where="task.overlap",
            found=f"{value} with task.on_overflow={on_overflow}",
            fix="task.overlap=null, or task.on_overflow=window",
        )
