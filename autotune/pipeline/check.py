"""`autotune check` and `autotune plan`."""

import sys
from pathlib import Path

from autotune.checks.findings import Report, Severity
from autotune.checks.show import format_report
from autotune.config.enums import CheckFormat, CheckLevel
from autotune.config.schema import RunConfig
from autotune.data.cache_use import entries_in_use
from autotune.errors import AutotuneError, ConfigError
from autotune.pipeline.plan import format_cost, measure_cost
from autotune.pipeline.prepare import run_preflight
from autotune.runtime.places import cache_of
from autotune.runtime.streams import print_json

OVER_BUDGET = 3
"""Exit code of `autotune plan` where the run would cost more than plan.budget allows."""


@entries_in_use()
def check(config: RunConfig) -> tuple[int, dict[str, str]]:
    """Checks everything that can be known before a model is loaded, and prints it.

    Returns:
        The exit code, and the fingerprint of each split; no fingerprints where the data could not be read.
    """
    state = run_preflight(config, cache_folder(config))
    _print(config, state.report)
    return _exit_code(config, state.report), state.rows.by_split if state.rows is not None else {}


@entries_in_use()
def plan(config: RunConfig) -> int:
    """Checks, then measures what a run would cost; returns the exit code, 3 where that is over the budget.

    Raises:
        ConfigError: the model has no steps.
    """
    if config.model.baseline is not None:
        raise ConfigError(
            f"model={config.model.baseline} takes seconds and has no steps that could be measured",
            where="autotune plan",
            fix="autotune check …, or the run itself",
        )
    state = run_preflight(config, cache_folder(config))
    if code := _exit_code(config, state.report):
        _print(config, state.report)
        return code
    over_budget = measure_cost(config, state.result(), state.report)
    _print(config, state.report)
    return OVER_BUDGET if over_budget else 0


def cache_folder(config: RunConfig) -> Path:
    """Returns the folder of the tables that runs share."""
    return cache_of(Path(config.runs).expanduser())


def _exit_code(config: RunConfig, report: Report) -> int:
    """Returns the exit code that the findings demand; of several errors' codes the greatest."""
    strict = config.check.level is CheckLevel.strict
    refused = report.count(Severity.error) or (strict and report.count(Severity.warning))
    codes = (error.exit_code for error in report.errors)
    return max(codes, default=AutotuneError.exit_code) if refused else 0


def _print(config: RunConfig, report: Report) -> None:
    if config.check.format is CheckFormat.json:
        print_json(report.as_json(config.name))
    else:
        costs = format_cost(report.figures["plan"]) if "plan" in report.figures else []
        sys.stdout.write(format_report(report, str(config.name), costs))
