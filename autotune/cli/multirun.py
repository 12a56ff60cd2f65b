"""The runs of a command line, one after another: all are checked before the first one trains."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace

from autotune.cli import failures
from autotune.config.compose import Member
from autotune.config.enums import CheckLevel, Resume, Visibility
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact
from autotune.errors import (
    AutotuneError,
    DiskError,
    Findings,
    Interrupted,
    LockedError,
    Paused,
    listing,
    shell_words,
)
from autotune.pipeline.check import cache_folder
from autotune.pipeline.check import check as check_one
from autotune.pipeline.folds import pool_folds
from autotune.pipeline.prepare import run_preflight
from autotune.pipeline.train import train as train_one
from autotune.run import status
from autotune.run.settings import refuse_other_settings
from autotune.run.sweep_folder import SweepFolder, run_path
from autotune.run.sweep_members import MemberState
from autotune.run.sweep_table import to_markdown
from autotune.run.sweeps import warn_of_other_rows
from autotune.runtime import signals
from autotune.runtime.memory import free_memory

logger = logging.getLogger(__name__)

STOPPED = (Interrupted.exit_code, failures.INTERRUPTED)
"""Exit codes of a run that was asked to leave, and with it the sweep."""


def train(members: Sequence[Member], plugins: Sequence[str]) -> int:
    """Trains the runs that are not finished; several are a sweep, see autotune/run/README.md.

    Args:
        members: the runs.
        plugins: files that register tasks.

    Returns:
        The exit code: of a sweep that of an interruption, else the greatest of the runs that failed.

    Raises:
        AutotuneError: the check refuses one of several; nothing was trained. Or it is the only one, and failed.
    """
    if len(members) == 1:
        try:
            return train_one(members[0].config, plugins)
        except SystemExit as error:  # its code may be 0, and the run is not finished
            return failures.show_error(error)
    configs = [member.config for member in members]
    _check_all(configs)
    sweep = _Sweep(members, plugins)
    with signals.handle_signals():
        sweep.train()
    sweep.report()
    warn_of_other_rows(configs)
    return sweep.exit_code()


class _Sweep:
    """Several runs that this process trains, while other processes may train others of them.

    Args:
        members: the runs.
        plugins: files that register tasks.
    """

    def __init__(self, members: Sequence[Member], plugins: Sequence[str]) -> None:
        self._members, self._plugins = members, plugins
        self._folder = SweepFolder.create(members)
        self._codes: dict[int, int] = {}
        """Exit codes by number of the run, from 0; none for those that have not begun."""
        self._reasons: dict[str, str] = {}
        """Why runs failed, by name."""
        self._left: list[int] = []
        """Numbers of the runs that other processes train."""
        self._paused: set[int] = set()
        """Numbers of the runs that `trainer.pause_at` has interrupted."""
        self._interrupted = False

    def train(self) -> None:
        """Trains what is not finished. At the end it looks again at what other processes had then."""
        waiting = self._order()
        while waiting:
            self._left = []
            for number in waiting:
                self._interrupted = signals.stop_requested()
                if self._interrupted:
                    return
                if not self._train(number):
                    self._left.append(number)
                elif self._ends_after(number):
                    return
            if len(self._left) == len(waiting):
                return
            waiting = self._left

    def exit_code(self) -> int:
        """Returns the exit code: that of an interruption, else the greatest."""
        codes = [*self._codes.values(), *([Interrupted.exit_code] if self._interrupted else [])]
        return next((code for code in codes if code in STOPPED), max(codes, default=0))

    def report(self) -> None:
        """Names the runs that are not finished, each with the command that trains it alone; prints the table."""
        if self._left:
            names = listing(self._members[number].config.name for number in self._left)
            logger.info("other processes train %d of the runs: %s", len(self._left), names)
        failed = {number: f"exit code {code}" for number, code in self._codes.items() if code}
        not_begun = set(range(len(self._members))) - self._codes.keys() - set(self._left)
        if failed or not_begun:
            logger.warning("%d of %d runs are not finished; each alone:",
                           len(failed) + len(not_begun), len(self._members))  # fmt: skip
        for number in [*failed, *sorted(not_begun)]:
            member = self._members[number]
            command = redact(shell_words("autotune", *_words(member, self._plugins)))
            logger.warning("  %s (%s): %s", member.config.name, failed.get(number, "not begun"), command)
        pool_folds(self._folder)
        members = self._folder.refresh(self._reasons)
        logger.info("the table of this sweep, at any time: autotune sweep %s", shell_words(self._folder.path))
        sys.stdout.write(f"\n{to_markdown(self._folder.path.name, members, self._folder.pooled())}")

    def _order(self) -> list[int]:
        """Returns the numbers of the runs, those that were killed last: they may be what kills this process."""
        runs = self._folder.read()
        states = [run.state for run in runs]
        logger.info("sweep of %d runs, %d of them finished: %s",
                    len(runs), states.count(MemberState.finished), self._folder.path)  # fmt: skip
        for run in runs:
            if run.state is MemberState.failed:
                logger.info(
                    "failed before, and is retried: %s: %s",
                    run.run,
                    (run.reason or "").partition("\n")[0],
                )
        return sorted(range(len(runs)), key=lambda number: states[number] is MemberState.killed)

    def _train(self, number: int) -> bool:
        """Trains a run if it is not finished; returns False if another process trains it."""
        member = self._members[number]
        config = member.config
        # A push may still be due, and the gate judges a finished run again.
        nothing_left = config.hub.visibility is Visibility.none and not config.gate
        if nothing_left and _is_finished(config):
            self._codes[number] = 0
            return True
        logger.info("run %d of %d: %s", number + 1, len(self._members), config.name)
        token = status.command_words.set(_words(member, self._plugins))
        try:
            self._codes[number] = train_one(config, self._plugins)
        except BrokenPipeError:
            raise
        except LockedError:
            return False
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - it is shown, and the next run is another one
            self._codes[number] = failures.show_error(error)
            if isinstance(error, Paused):
                self._paused.add(number)
            self._reasons[str(config.name)] = status.final_state(error)[1]
        finally:
            status.command_words.reset(token)
            free_memory()
        self._write_table()
        return True

    def _ends_after(self, number: int) -> bool:
        """Whether the sweep ends with a run: it was interrupted, or failed and nothing may follow."""
        code = self._codes[number]
        if number in self._paused:
            return False
        return code in STOPPED or (code != 0 and self._members[number].config.sweep.stop_on_failure)

    def _write_table(self) -> None:
        try:
            self._folder.refresh(self._reasons)
        except DiskError as error:  # no reason to end the sweep, whose runs have folders of their own
            logger.warning("the table of the sweep cannot be written: %s", error.found or error.what)


def _check_all(configs: Sequence[RunConfig]) -> None:
    """Refuses the sweep where one of its runs would be refused; an error that several have is shown once."""
    refused: dict[str, tuple[AutotuneError, list[str]]] = {}
    for number, config in enumerate(configs, 1):
        try:
            if config.resume is not Resume.never:
                refuse_other_settings(run_path(config), config)
            if not _is_finished(config):
                logger.info("checking run %d of %d: %s", number, len(configs), config.name)
                _check_errors(config)
        except Interrupted:
            raise
        except AutotuneError as error:
            for one in error.errors:
                refused.setdefault(str(one), (one, []))[1].append(str(config.name))
    if refused:
        raise Findings([_of_runs(error, names) for error, names in refused.values()])


def _check_errors(config: RunConfig) -> None:
    """Raises the errors of the check; warnings are shown when the run begins."""
    level = config.check.level
    errors_alone = replace(config, check=replace(config.check, level=CheckLevel.none))
    looked_at = config if level is CheckLevel.strict else errors_alone
    run_preflight(looked_at, cache_folder(config)).report.raise_refused(level)


def _of_runs(error: AutotuneError, names: Sequence[str]) -> AutotuneError:
    """The same error with the names of the runs that have it."""
    where = "; ".join([*([error.where] if error.where else []), f"run {listing(names)}"])
    named = AutotuneError(error.what, where=where, found=error.found, fix=error.fix)
    named.exit_code = error.exit_code
    return named


def _is_finished(config: RunConfig) -> bool:
    if config.resume is Resume.never:
        return False
    return status.state_of(run_path(config)) is status.State.finished


def _words(member: Member, plugins: Sequence[str]) -> list[str]:
    """What comes after `autotune` where a run is done alone."""
    return [*(f"--plugin={plugin}" for plugin in plugins), *member.words]


def check(configs: Sequence[RunConfig]) -> int:
    """Checks all runs, and whether they are scored on the same rows; returns the greatest exit code."""
    outcomes = [check_one(config) for config in configs]
    warn_of_other_rows(configs, [rows for _, rows in outcomes])
    return max((code for code, _ in outcomes), default=0)
