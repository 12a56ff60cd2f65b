"""What `autotune auto` prints: what it understood, what it tries, what happens, and the result."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autotune.auto.board import CHEAP
from autotune.auto.decisions import Decision
from autotune.auto.race import Dropped, Event, Measured
from autotune.auto.record import Entry
from autotune.auto.space import Trial
from autotune.errors import shell_words
from autotune.runtime.language import Pieces
from autotune.runtime.progress import duration

logger = logging.getLogger(__name__)

NAME, TRIAL = 15, 38
"""Widths of columns."""


def log_decisions(decisions: Sequence[Decision]) -> None:
    """Logs what was decided, why, and what changes it."""
    for decision in decisions:
        value = "-" if decision.value is None else str(decision.value)
        logger.info(Pieces(decision.id, _blanks(decision.id, NAME), f"{value}: ", decision.because))
        if decision.override is not None:
            logger.info(Pieces(" " * NAME, "to change it", f": {decision.override}"))


def log_plan(trials: Sequence[Trial], seconds: float | None) -> None:
    """Logs what will be tried, and how long it may take."""
    logger.info("")
    logger.info("candidates: %d", len(trials))
    for trial in trials:
        rungs = "" if trial.kind == CHEAP else ", ".join(f"{share:.0%}" for share in trial.rungs)
        estimate = "" if trial.estimate is None else f"  ~{duration(trial.estimate)}"
        logger.info("  %s%s%s%s", trial.name, _blanks(trial.name, TRIAL), rungs, estimate)
    if seconds is None:
        logger.info("no time limit: the clock decides nothing")
    else:
        logger.info("time: %s at most, for everything", duration(seconds))


def log_event(event: Event, best: Path) -> None:
    """Logs a line of the race."""
    if isinstance(event, Measured):
        mark: tuple[str, ...] = ()
        if event.leads:
            mark = ("  <- ", "the best so far")
        logger.info(Pieces(*_line(event.entry), f"  {score(event.entry)}", *mark))
    elif isinstance(event, Dropped):
        logger.info(Pieces(*_line(event.entry), "  ", str(event.entry.fate), ": ", str(event.entry.because)))
    else:
        logger.info("usable now: autotune predict %s FILE", shell_words(best))


def _line(entry: Entry) -> tuple[str, ...]:
    """Returns time, trial and share of the schedule of a line."""
    clock = "" if entry.seconds is None else f"{_clock(entry.seconds)}  "
    share = "" if entry.kind == CHEAP or entry.share == 1 else f"{entry.share:.0%}"
    return (clock, entry.trial, _blanks(entry.trial, TRIAL), f"{share:>4}")


def score(entry: Entry) -> str:
    """Returns a score with its interval."""
    low, high = entry.interval or (float("nan"), float("nan"))
    return f"{entry.score:.4f} [{low:.4f}, {high:.4f}]"


def log_result(folder: Path, result: dict[str, Any], because: str) -> None:
    """Logs the closing lines."""
    winner, chosen, test = result["winner"], result["chosen"], result["test"]
    logger.info("")
    logger.info(Pieces("winner", _blanks("winner", NAME), winner["trial"]))
    indent = " " * NAME
    logger.info(Pieces(indent, because))
    metric = result["metric"]
    if test is not None:
        low, high = test["interval"]
        logger.info(
            Pieces(
                indent,
                f"test, {test['rows']} rows, looked at once: {metric} {test['score']:.4f} [{low:.4f}, {high:.4f}]",
            )
        )
    low, high = chosen["interval"]
    logger.info(Pieces(
        indent, f"chosen on {chosen['rows']} rows among {chosen['candidates']}: {metric} {chosen['score']:.4f}, "
        f"corrected for the choice {chosen['corrected']:.4f} [{low:.4f}, {high:.4f}]",
    ))  # fmt: skip
    for other in result["beside"]:
        low, high = other["difference_interval"]
        logger.info(Pieces(indent, "beside", ": ", other["trial"], f" {other['score']:.4f} ",
                           f"(difference {other['difference']:.4f} [{low:.4f}, {high:.4f}])"))  # fmt: skip
    for line in _details(result):
        logger.info(Pieces(indent, line))
    logger.info("")
    for name, command in result["commands"].items():
        logger.info(Pieces(name, _blanks(name, NAME), command))
    logger.info(
        Pieces(
            "everything",
            _blanks("everything", NAME),
            f"{folder}: ",
            "the best model in best/, what was decided in decisions.jsonl, report.html",
        )
    )


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
            f"with {more['factor']} times as many rows expect {more['gain']:+.3f} [{low:+.3f}, {high:+.3f}]"
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
