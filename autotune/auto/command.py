"""`autotune auto`: understands the data, plans, races, decides, and leaves a folder with the best model and the evidence."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from autotune.auto import show
from autotune.auto.board import Board, folds_key
from autotune.auto.cheap import trivial_trials
from autotune.auto.cost import measure
from autotune.auto.decisions import Decision
from autotune.auto.ending import CALIBRATE, TEMPERATURE, Ending, make_usable
from autotune.auto.judging import Judging, open_judging
from autotune.auto.ledger import Budget, ReplayLedger, budget_of
from autotune.auto.plan import Plan, folder_name, read_plan
from autotune.auto.race import NO_TIME, Dropped, Race
from autotune.auto.record import FOLDS, SearchFolder, read_decisions, read_entries
from autotune.auto.report import REPORT, write_report
from autotune.auto.schemas import RESULT, SETTINGS, Result
from autotune.auto.space import candidates, cheap_trials, check_models
from autotune.auto.trial import CHEAP, FULL, Trial
from autotune.auto.trials import Trials
from autotune.auto.understand import DataOptions, Understanding, understand
from autotune.config.auto import AutoConfig
from autotune.config.overrides import key_of
from autotune.reporting.page import try_to_write
from autotune.run.status import State
from autotune.runtime import signals
from autotune.runtime.records import read_record

logger = logging.getLogger(__name__)

AFTER_RACE = ("winner", "refit", "refit_test", "temperature")
"""Decisions that follow from the race."""


def search(config: AutoConfig, words: Sequence[str], plugins: Sequence[str], *, dry_run: bool) -> int:
    """Searches the best model for data; returns the exit code.

    Args:
        config: settings.
        words: the user's overrides of every run.
        plugins: files that register tasks.
        dry_run: whether only to say what was understood and what would be tried.

    Raises:
        ConfigError: the data are ambiguous; the error has the override to paste.
        Interrupted: a signal has arrived; the same command continues.
    """
    clock = budget_of(config, None)
    understanding = understand(config.data, words, DataOptions(config.test_fraction, config.folds))
    judging = open_judging(understanding.words, understanding.folds, config.runs)
    path = Path(config.runs).expanduser() / folder_name(config, understanding.words, judging.fingerprint)
    if (path / SETTINGS).is_file():
        return resume(path, plugins)
    budget = budget_of(config, understanding.folds, spent=clock.elapsed() or 0.0)
    show.log_decisions(understanding.decisions)
    check_models(understanding, config)
    if dry_run:
        _plan(config, understanding, judging, budget, plugins)
        logger.info("nothing was trained (--dry-run); the folder would be %s", path)
        return 0
    with SearchFolder(path) as folder:
        folder.write_status(State.running)
        folder.write_json(FOLDS, judging.fold_record())
        # Before base models are measured, which takes ten to thirty seconds each.
        _first_model(
            cheap_trials(understanding, config), folder, Trials(path, judging, plugins, budget.expired)
        )
        plan, decisions = _plan(config, understanding, judging, budget, plugins)
        folder.write_decisions(decisions)
        folder.write_settings(plan.as_dict())  # last: with this file, all that comes before the race is there
        return _race(folder, plan, replace(judging, judged=plan.judged), plugins, budget)


def resume(path: Path, plugins: Sequence[str]) -> int:
    """Continues a search in its folder; of a finished one it shows the result.

    Raises:
        ConfigError: the folder holds no search, or the data have changed since.
    """
    plan = read_plan(path)
    with SearchFolder(path) as folder:
        if folder.finished:
            result = (
                read_record(path / RESULT, Result, fix="start again with another name=", needed=True) or {}
            )
            reason = next(decision.because for decision in read_decisions(path) if decision.id == "winner")
            show.log_result(path, result, reason)
            if not (path / REPORT).is_file():  # killed before it was written
                try_to_write(lambda: write_report(path))
            return 0
        folder.write_status(State.running)
        used = max((entry.seconds or 0.0 for entry in read_entries(path)), default=0.0)
        judging = open_judging(plan.words, plan.folds, plan.config.runs, plan.judged)
        return _race(folder, plan, judging, plugins, _budget(plan, used))


def replay(source: Path, config_words: Sequence[str], plugins: Sequence[str]) -> int:
    """Makes the decisions of a search again, without a clock: what it left out for want of time is left out again.

    Args:
        source: folder of a finished search.
        config_words: name= and runs= of the new folder.
        plugins: files that register tasks.
    """
    plan = read_plan(source)
    values = dict(word.split("=", 1) for word in config_words)
    runs = values.get("runs", str(source.parent))
    name = values.get("name", f"{source.name}-replay")
    made = read_decisions(source)
    decided = {decision.id: bool(decision.value) for decision in made}
    config = replace(
        plan.config,
        name=name,
        runs=runs,
        refit=decided.get("refit", plan.config.refit),
        refit_test=decided.get("refit_test", plan.config.refit_test),
    )
    plan = replace(plan, config=config, replayed=str(source.absolute()))
    path = Path(runs).expanduser() / name
    if (path / SETTINGS).is_file():
        return resume(path, plugins)
    judging = open_judging(plan.words, plan.folds, plan.config.runs, plan.judged)
    with SearchFolder(path) as folder:
        folder.write_status(State.running)
        folder.write_decisions(made)
        folder.write_json(FOLDS, judging.fold_record())
        budget = _budget(plan, 0.0)
        cheap = [trial for trial in plan.trials if trial.kind == CHEAP]
        _first_model(cheap, folder, Trials(path, judging, plugins, budget.expired))
        folder.write_settings(plan.as_dict())
        return _race(folder, plan, judging, plugins, budget)


def _plan(
    config: AutoConfig,
    understanding: Understanding,
    judging: Judging,
    budget: Budget,
    plugins: Sequence[str],
) -> tuple[Plan, tuple[Decision, ...]]:
    """Returns the plan and all decisions before the race, and logs what will be tried."""
    trials, decisions = candidates(understanding, config, budget, measured=partial(measure, plugins=plugins))
    calibrate = config.calibrate and understanding.folds is None and hasattr(judging.config.task, "calibrate")
    if calibrate and not {CALIBRATE, TEMPERATURE} & set(map(key_of, understanding.words)):
        # Where validation judges, a run fits its temperature there itself.
        word = f"{CALIBRATE}=temperature"
        trials = [
            replace(trial, words=(*trial.words, word)) if trial.kind == FULL else trial for trial in trials
        ]
    trials = [*trivial_trials(judging), *trials]
    plan = Plan(config, understanding.words, understanding.folds, tuple(trials))
    show.log_decisions(decisions)
    show.log_plan(plan.trials, config.seconds)
    # A later decision with the same id takes the place of an earlier one.
    return plan, tuple(
        {decision.id: decision for decision in (*understanding.decisions, *decisions)}.values()
    )


def _first_model(cheap: Sequence[Trial], folder: SearchFolder, trainer: Trials) -> None:
    for trial in cheap[:1]:
        make_usable(folder, trainer, trial)


def _budget(plan: Plan, spent: float) -> Budget:
    """Returns what decides for how much there is time: the clock, the number of trials, or an earlier search."""
    if plan.replayed is not None:
        entries = read_entries(Path(plan.replayed))
        refused = [entry for entry in entries if entry.because == NO_TIME]
        return ReplayLedger([(entry.trial, entry.share, folds_key(entry.folds)) for entry in refused])
    return budget_of(plan.config, plan.folds, spent=spent)


def _race(folder: SearchFolder, plan: Plan, judging: Judging, plugins: Sequence[str], budget: Budget) -> int:
    """Runs the race and its end, and shows the result."""
    board = Board(folder, judging)
    trainer = Trials(folder.path, judging, plugins, budget.expired)
    ending = Ending(folder, plan, board, trainer, budget)
    with signals.handle_signals():
        space = plan.config.space
        cheap = space.cheap if any(trial.kind == FULL for trial in plan.trials) else space.cheap_alone
        # Counted from here: measuring the base models has already taken a part of the time.
        cheap_seconds = (budget.elapsed() or 0.0) + cheap * (plan.config.seconds or math.inf)
        for event in Race(plan.trials, board, trainer, budget, cheap_seconds).run():
            if isinstance(event, Dropped):
                trainer.forget(event.trial.name)
            show.log_event(event)
            signals.raise_if_stopped()
        ended = ending.run()
        trainer.forget()
    planned = [decision for decision in read_decisions(folder.path) if decision.id not in AFTER_RACE]
    folder.write_decisions([*planned, *ended.decisions])
    folder.write_json(RESULT, ended.result)
    folder.write_status(State.finished)
    show.log_result(folder.path, ended.result, ended.decisions[0].because)
    try_to_write(lambda: write_report(folder.path))
    return 0
