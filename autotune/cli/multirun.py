"""The runs of a command line, one after another: all are checked before the first one trains."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autotune.cli import failures
from autotune.config.compose import Member
from autotune.config.enums import CheckLevel, Resume
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact
from autotune.errors import AutotuneError, Findings, Interrupted, listing, shell_words
from autotune.pipeline.check import cache_folder
from autotune.pipeline.check import check as check_one
from autotune.pipeline.prepare import run_preflight
from autotune.pipeline.train import train as train_one
from autotune.run import status
from autotune.run.sweeps import warn_of_other_rows
from autotune.runtime import launcher

logger = logging.getLogger(__name__)

STOPPED = (Interrupted.exit_code, failures.INTERRUPTED)
"""Exit codes of a run that was asked to leave, and with it the sweep."""


def train(members: Sequence[Member], plugins: Sequence[str]) -> int:
    """Does all runs; returns the exit code, of several runs that failed the greatest.

    A run that fails does not keep the later ones from running, unless it was interrupted or several processes do it, which
    have lost each other then.

    Args:
        members: the runs.
        plugins: files that register tasks.

    Raises:
        AutotuneError: the check refuses one of several; nothing was trained. Or it is the only one, and failed.
    """
    if len(members) == 1:
        return train_one(members[0].config, plugins)
    if not launcher.rank():
        _check_all([member.config for member in members])
    codes: list[int] = []
    for number, member in enumerate(members, 1):
        logger.info("run %d of %d: %s", number, len(members), member.config.name)
        token = status.command_words.set(_words(member, plugins))
        codes.append(_outcome(member.config, plugins))
        status.command_words.reset(token)
        if codes[-1] in STOPPED or (codes[-1] and launcher.world_size() > 1):
            break
    if not launcher.rank():
        _say_failed(members, codes, plugins)
        warn_of_other_rows([member.config for member in members])
    return max(codes)


def _outcome(config: RunConfig, plugins: Sequence[str]) -> int:
    """Does a run and returns its exit code; why it failed is printed."""
    try:
        return train_one(config, plugins)
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it is shown, and the next run is another one
        return failures.show_error(error)


def _check_all(configs: Sequence[RunConfig]) -> None:
    """Refuses the sweep where one of its runs would be refused; an error that several have is shown once."""
    refused: dict[str, tuple[AutotuneError, list[str]]] = {}
    for number, config in enumerate(configs, 1):
        if _is_finished(config):
            continue
        logger.info("checking run %d of %d: %s", number, len(configs), config.name)
        level = config.check.level
        # Warnings are shown when the run begins.
        errors_alone = replace(config, check=replace(config.check, level=CheckLevel.none))
        looked_at = config if level is CheckLevel.strict else errors_alone
        try:
            run_preflight(looked_at, cache_folder(config)).report.raise_refused(level)
        except Interrupted:
            raise
        except AutotuneError as error:
            for one in error.errors:
                refused.setdefault(str(one), (one, []))[1].append(str(config.name))
    if refused:
        raise Findings([_of_runs(error, names) for error, names in refused.values()])


def _of_runs(error: AutotuneError, names: Sequence[str]) -> AutotuneError:
    """The same error with the names of the runs that have it."""
    where = "; ".join([*([error.where] if error.where else []), f"run {listing(names)}"])
    named = AutotuneError(error.what, where=where, found=error.found, fix=error.fix)
    named.exit_code = error.exit_code
    return named


def _is_finished(config: RunConfig) -> bool:
    if config.resume is Resume.never:
        return False
    return status.state_of(Path(config.runs).expanduser() / str(config.name)) is status.State.finished


def _say_failed(members: Sequence[Member], codes: Sequence[int], plugins: Sequence[str]) -> None:
    """Names the runs that are not finished, each with the command that does it alone."""
    failed = [(member, f"exit code {code}") for member, code in zip(members, codes, strict=False) if code]
    missing = [(member, "not begun") for member in members[len(codes) :]]
    if not failed:
        return
    logger.warning("%d of %d runs are not finished; each alone:", len(failed) + len(missing), len(members))
    for member, why in (*failed, *missing):
        command = ["autotune", *_words(member, plugins)]
        logger.warning("  %s (%s): %s", member.config.name, why, redact(shell_words(*command)))


def _words(member: Member, plugins: Sequence[str]) -> list[str]:
    """What comes after `autotune` where a run is done alone."""
    return [*(f"--plugin={plugin}" for plugin in plugins), *member.words]


def check(configs: Sequence[RunConfig]) -> int:
    """Checks all runs, and whether they are scored on the same rows; returns the greatest exit code."""
    outcomes = [check_one(config) for config in configs]
    warn_of_other_rows(configs, [rows for _, rows in outcomes])
    return max((code for code, _ in outcomes), default=0)
