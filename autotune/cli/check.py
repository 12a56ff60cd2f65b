"""`autotune check` and `autotune plan`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.cli.command import COMPOSED, Command
from autotune.cli.environment import set_offline_mode
from autotune.errors import AutotuneError
from autotune.runtime.imports import uncollected
from autotune.runtime.streams import print_json

if TYPE_CHECKING:
    from autotune.config.schema import RunConfig


def check(words: list[str], _: Sequence[str]) -> int:
    """Checks all runs of a sweep; the worst exit code counts."""
    configs, code = _composed(words)
    if code:
        return code
    with uncollected():
        from autotune.cli import multirun

    return multirun.check(configs)


def plan(words: list[str], _: Sequence[str]) -> int:
    """Measures the cost of all runs of a sweep; the worst exit code counts."""
    configs, code = _composed(words)
    if code:
        return code
    with uncollected():
        from autotune.pipeline.check import plan as plan_one

    return max(map(plan_one, configs), default=0)


def _composed(words: list[str]) -> "tuple[list[RunConfig], int]":
    """Returns the configurations; or none and an exit code, where programs that read JSON were told in JSON."""
    from autotune.run.resume import members

    try:
        configs = [member.config for member in members(words)]
    except AutotuneError as error:
        if "check.format=json" not in words:
            raise
        from autotune.checks.findings import refusal

        print_json(refusal(error))
        return [], error.exit_code
    set_offline_mode(configs)
    return configs, 0


CHECK = Command(
    "check",
    "[group=option …] [key=value …]",
    "find everything that is wrong, in seconds; loads no model",
    check,
    "task=ner dataset=conll dataset.path=train.conll model=bertimbau_base",
    COMPOSED,
    writes_scratch=False,
)
PLAN = Command(
    "plan",
    "[group=option …] [key=value …]",
    "check, then measure what the run would cost",
    plan,
    "task=ner dataset=lener_br model=bertimbau_base plan.budget.hours=2",
    COMPOSED,
)
