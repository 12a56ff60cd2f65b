"""The syntax of `gate`."""

import operator
import re
from collections.abc import Callable, Iterator

from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError

NOT_WORSE_THAN, BETTER_THAN = "not_worse_than", "better_than"
BASELINE = "baseline"
"""The only value of `gate.better_than`."""
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt,
}  # fmt: skip
LIMIT = re.compile(r"\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


def conditions(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that limits are an operator and a number, and that `better_than` names what it can."""
    for name, value in config.gate.items():
        if name == BETTER_THAN and value != BASELINE:
            yield ConfigError(
                "a result can only be required to be better than the best baseline",
                where=f"gate.{name}",
                found=value,
                fix="gate.better_than=baseline, or gate.not_worse_than=RUN",
            )
        if name not in (NOT_WORSE_THAN, BETTER_THAN) and not LIMIT.fullmatch(value):
            yield ConfigError(
                "a limit is one of >=, >, <=, < and a number",
                where=f"gate.{name}",
                found=value,
                fix=f"'gate.{name}=\">=0.85\"'",
            )
