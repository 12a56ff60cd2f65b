"""A search: optuna proposes values, each trial is an ordinary run in a child process, and validation decides.

Any number of processes may run the same command at once, here or on other machines that share the folder. A trial whose
process is killed is continued by the next one, from its last checkpoint.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from autotune import registry
from autotune.config.compose import Member, compose
from autotune.config.load import digest
from autotune.config.overrides import key_of
from autotune.config.schema import RunConfig
from autotune.config.trials import override, trial_words
from autotune.errors import AutotuneError
from autotune.metrics.objective import Objective
from autotune.pipeline import trial as trials
from autotune.pipeline.search_report import log_table, write_report
from autotune.pipeline.study import RUN, STEPS, Study, Trial, read_rows, turn
from autotune.runtime import signals
from autotune.runtime.files import make_folder

logger = logging.getLogger(__name__)

WAIT = 1.0
"""Seconds between two looks at trials that other processes run."""


def search(member: Member, plugins: Sequence[str]) -> int:
    """Runs trials until there are as many as are wanted; returns the exit code.

    Args:
        member: what each trial has in common, with the section `search`.
        plugins: files that register tasks.

    Raises:
        ConfigError: the folder holds another study.
        Interrupted: a signal has arrived; the same command continues.
        AutotuneError: too many trials in a row have failed.
    """
    config = member.config
    assert config.search is not None, "the command requires it"
    folder = Path(config.runs).expanduser() / _study_name(member)
    words = [*trial_words(member), override("runs", str(folder / "trials"))]
    with signals.handle_signals():
        study = Study(folder, config.search, _identity(config), _objective(config))
        logger.info("study: %s", folder)
        for name in ("trials", "logs"):
            make_folder(folder / name)
        _run_trials(study, config, words, plugins)
        _write_report(study, config)
    return report(folder)


def report(folder: Path) -> int:
    """Prints the trials of a study; returns the exit code.

    Raises:
        ConfigError: the folder holds no study.
    """
    rows, objective = read_rows(folder)
    log_table(folder, rows, objective)
    if not any(row.state == "complete" for row in rows):
        raise AutotuneError("no trial of the study has been trained to its end", where=str(folder))
    return 0


def _run_trials(study: Study, config: RunConfig, words: Sequence[str], plugins: Sequence[str]) -> None:
    assert config.search is not None, "the command requires it"
    failures = 0
    objective = _objective(config)
    while True:
        trial = study.claim()
        if trial is None:
            if not study.running():
                return
            signals.sleep(WAIT)  # another process runs it, or has died meanwhile
            continue
        try:
            outcome = _run_trial(trial, study.folder, words, plugins, objective)
            failures = _record(study, trial, outcome, failures)
        finally:
            trial.release()
        _write_report(study, config)
        if failures >= config.search.max_failures:
            error = AutotuneError(
                f"the search has ended: {failures} trials in a row have failed",
                where=str(_log(study.folder, trial)),
                found=outcome.reason,
                fix="search.max_failures=N allows more",
            )
            error.exit_code = outcome.code if outcome.code > 0 else AutotuneError.exit_code
            raise error


def _run_trial(
    trial: Trial, folder: Path, words: Sequence[str], plugins: Sequence[str], objective: Objective
) -> trials.Outcome:
    own_words = [*words, *trial.words]
    try:
        (config,) = compose(own_words)
    except AutotuneError as error:
        return trials.Outcome(error.exit_code, False, None, 0, str(error.errors[0].what))
    trial.note(RUN, config.name)
    logger.info("trial %d: %s", trial.number, " ".join(trial.words))
    command = ["train", *(f"--plugin={plugin}" for plugin in plugins), *own_words]
    return trials.run(
        config, command, _log(folder, trial), objective, report=trial.report, pruned=trial.pruned
    )


def _record(study: Study, trial: Trial, outcome: trials.Outcome, failures: int) -> int:
    """Records how a trial ended; returns how many have failed in a row."""
    trial.note(STEPS, outcome.steps)
    if outcome.code or outcome.score is None:
        reason = outcome.reason or "validation was never scored"
        logger.warning("trial %d failed: %s", trial.number, reason)
        study.fail(trial, reason)
        return failures + 1
    if outcome.complete:
        logger.info("trial %d: %.4f after %d steps", trial.number, outcome.score, outcome.steps)
        study.complete(trial, outcome.score)
    else:
        logger.info("trial %d: %.4f, stopped after %d steps", trial.number, outcome.score, outcome.steps)
        study.prune(trial)
    return 0


def _write_report(study: Study, config: RunConfig) -> None:
    with turn(study.folder):
        write_report(study.folder, study.rows(), _objective(config))


def _objective(config: RunConfig) -> Objective:
    return registry.task(config.task.name).objective_of(config.task)


def _log(folder: Path, trial: Trial) -> Path:
    return folder / "logs" / f"trial-{trial.number}.txt"


def _study_name(member: Member) -> str:
    """Returns the name of the study's folder: the user's, or one with a hash of what is searched."""
    if any(key_of(word) == "name" for word in member.words):
        return str(member.config.name)
    readable = str(member.config.name).rpartition("-")[0]
    return f"search-{readable}-{_identity(member.config)}"


def _identity(config: RunConfig) -> str:
    """Returns a hash of what determines the trials; not of their number, which may grow."""
    assert config.search is not None, "the command requires it"
    settings = {
        key: value for key, value in asdict(config.search).items() if key not in ("trials", "max_failures")
    }
    text = json.dumps([digest(config), settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
