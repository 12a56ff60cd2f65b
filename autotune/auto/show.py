"""What `autotune auto` prints: what it understood, what it tries, what happens, and the result."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autotune.auto.board import DROPPED
from autotune.auto.decisions import Decision
from autotune.auto.race import Event, Measured
from autotune.auto.record import Entry
from autotune.auto.trial import FULL, Trial
from autotune.runtime.language import Pieces
from autotune.runtime.progress import duration

logger = logging.getLogger(__name__)

NAME, TRIAL = 16, 38
"""Widths of columns."""
HEADINGS = {
    "task": "task:", "text": "text:", "label": "label:", "group": "group:", "left_out": "left out:", "language": "language:",
    "duplicates": "duplicates:", "test": "test:", "folds": "folds:", "metric": "metric:", "models": "models:",
    "epochs": "epochs:", "batch_size": "batch size:", "learning_rate": "learning rate:", "class_weights": "class weights:",
    "length": "length:", "adapter": "adapter:", "seeds": "seeds:", "budget": "budget:", "winner": "winner:", "refit": "refit:",
    "refit_test": "refit on test:", "temperature": "temperature:", "beside": "beside:", "again": "again:", "use": "use:",
    "push": "push:", "all": "everything:",
}  # fmt: skip
"""What lines begin with: decisions, and parts of the result."""


def log_decisions(decisions: Sequence[Decision]) -> None:
    """Logs what was decided, why, and what changes it."""
    for decision in decisions:
        value = "none" if decision.value is None else str(decision.value).removesuffix(".0")
        first, *others = decision.because.splitlines()
        logger.info(Pieces(*_heading(decision.id), value, ": ", first))
        for line in others:
            logger.info(Pieces(" " * NAME, line))
        change = next((other for other in decision.alternatives if "=" in other), decision.override)
        if change is not None:
            logger.info(Pieces(" " * NAME, "to change it", f": {change}"))


def log_plan(trials: Sequence[Trial], seconds: float | None) -> None:
    """Logs what will be tried, and how long it may take."""
    logger.info("")
    logger.info("candidates: %d", len(trials))
    for trial in trials:
        rungs = "" if trial.kind != FULL else ", ".join(f"{share:.0%}" for share in trial.rungs)
        estimate = "" if trial.estimate is None else f"  ~{duration(trial.estimate)}"
        blanks = _blanks(trial.name, TRIAL) if rungs or estimate else ""
        logger.info(Pieces("  ", trial.name, blanks, f"{rungs}{estimate}"))
    if seconds is None:
        logger.info("no time limit: the clock decides nothing")
    else:
        logger.info("time: %s at most, for everything", duration(seconds))


def log_event(event: Event) -> None:
    """Logs a line of the race."""
    if isinstance(event, Measured):
        mark: tuple[str, ...] = ()
        if event.leads:
            mark = ("  <- ", "best so far")
        logger.info(Pieces(*_line(event.entry), f"  {score(event.entry)}", *mark))
    else:
        logger.info(Pieces(*_line(event.entry), "  ", str(event.entry.fate), ": ", str(event.entry.because)))


def _line(entry: Entry) -> tuple[str, ...]:
    """Returns time, trial and share of the schedule of a line; no time if an earlier line of the trial has it."""
    clock = "" if entry.seconds is None else f"{_clock(entry.seconds)}  "
    if entry.fate == DROPPED and entry.score is not None:
        clock = " " * len(clock)
    share = "" if entry.kind != FULL or entry.share == 1 else f"{entry.share:.0%}"
    return (clock, entry.trial, _blanks(entry.trial, TRIAL), f"{share:>4}")


def score(entry: Entry) -> str:
    """Returns a score with its interval."""
    low, high = entry.interval or (float("nan"), float("nan"))
    return f"{entry.score:.4f} [{low:.4f}, {high:.4f}]"


def log_result(folder: Path, result: dict[str, Any], because: str) -> None:
    """Logs the closing lines."""
    winner, chosen, test = result["winner"], result["chosen"], result["test"]
    logger.info("")
    logger.info(Pieces(*_heading("winner"), winner["trial"]))
    indent = " " * NAME
    logger.info(Pieces(indent, because))
    metric = result["metric"]
    if test is not None:
        low, high = test["interval"]
        shown = f"{metric} {test['score']:.4f} [{low:.4f}, {high:.4f}]"
        logger.info(Pieces(indent, f"test, {test['rows']} rows, scored once: {shown}"))
        if test.get("learned"):
            logger.info(Pieces(indent, "then it learned from these rows, too"))
    low, high = chosen["interval"]
    naive, fair = f"{metric} {chosen['score']:.4f}", f"{chosen['corrected']:.4f} [{low:.4f}, {high:.4f}]"
    line = f"chosen among {chosen['candidates']} on {chosen['rows']} rows: {naive}; corrected for the choice: {fair}"
    if chosen["candidates"] == 1:
        fair = f"{metric} {fair}"
        line = f"on {chosen['rows']} rows that it had not learned from: {fair}"
    logger.info(Pieces(indent, line))
    for other in result["beside"]:
        low, high = other["difference_interval"]
        difference = f"{other['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
        logger.info(
            Pieces(
                *_heading("beside"),
                other["trial"],
                f" {other['score']:.4f}; ",
                f"the winner is better by {difference}",
            )
        )
    for line in _details(result):
        logger.info(Pieces(indent, line))
    logger.info("")
    for name, command in result["commands"].items():
        logger.info(Pieces(*_heading(name), command))
    logger.info(
        Pieces(
            *_heading("all"),
            f"{folder}: ",
            "best/ has the model, decisions.jsonl says why, report.html shows all",
        )
    )


def _heading(name: str) -> tuple[str, str]:
    text = HEADINGS.get(name, f"{name}:")
    return text, _blanks(text, NAME)


def _details(result: dict[str, Any]) -> list[str]:
    """Returns sentences about what else the winner's predictions say."""
    lines = []
    if (seeds := result["seeds"]) is not None:
        lines.append(
            f"{seeds['count']} seeds differ by {seeds['standard_deviation']:.4f} (standard deviation)"
        )
    if (calibration := result["calibration"]) is not None:
        lines.append(
            f"temperature {calibration['temperature']:.4g}: calibration error {calibration['ece_after']:.4f}, "
            f"was {calibration['ece_before']:.4f}"
        )
    for part in result["coverage"] or ():
        lines.append(
            f"with at most {part['error']:.0%} errors, {part['coverage']:.0%} of the rows are decided"
        )
    if (more := result["more_labels"]) is not None:
        low, high = more["interval"]
        lines.append(
            f"with {more['factor']} times as many rows expect {more['gain']:+.3f} ({low:+.3f} to {high:+.3f})"
        )
    if (suspects := result["suspects"]) is not None and suspects["rows"]:
        lines.append(f"{suspects['rows']} labels look wrong: {suspects['file']}")
    return lines


def _blanks(text: str, width: int) -> str:
    return " " * max(1, width - len(text))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest:02}"
