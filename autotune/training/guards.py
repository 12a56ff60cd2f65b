"""Detects training problems that raise no error, from steps and scores that all ranks share, and gives advice.

The monitor rebuilds its state from the history, so a resumed run continues where the interrupted one stopped.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from autotune.config.enums import Guard
from autotune.errors import TrainingError, listing
from autotune.tasks.base import Scores
from autotune.training.state import StepResult

MAX_SKIPPED_IN_A_ROW, MAX_SKIPPED_IN_A_ROW_SCALED = 3, 20
"""Consecutive steps with a non-finite loss or gradient that stop training; fp16 finds its scale by such steps."""
WINDOW = 50
"""Number of recent steps that are judged together."""
MIN_NORMS = 20
"""Number of gradient norms from which their median is used."""
EXPLODING_FACTOR = 100.0
"""Multiple of the median norm from which a gradient counts as exploding."""
FLAT_TOLERANCE = 0.02
"""Relative distance to the loss of random guessing below which the loss counts as flat."""
MAX_ZERO_RATES = 3
"""Consecutive steps with a learning rate of 0; the first step of a warm-up has the rate 0, too."""
MAX_CUT_SHARE, MAX_EMPTY_SHARE = 0.5, 0.2
"""Shares of the summaries of validation."""
GUESSING = ("one class", "no entity", "no label")
"""Signs that a model has not learned yet; reported if two consecutive evaluations after warm-up show one."""


@dataclass(frozen=True)
class Anomaly:
    """A problem that the user probably does not intend."""

    trouble: str
    """Name of the problem."""
    step: int
    found: str
    advice: str
    """Overrides that may help."""

    def error(self) -> TrainingError:
        """Returns the error that stops the run."""
        return TrainingError(
            f"training was stopped: {self.found}", where=f"step {self.step}", fix=self.advice
        )


class TrainingMonitor:
    """Monitors the steps and evaluations of a run.

    Args:
        level: none: nothing is reported, and nothing stops the run; warn: each anomaly is reported once, and too many
            consecutive steps that are not finite stop the run; stop: any anomaly stops it.
        guessing_loss: see `Task.guessing_loss`.
        per_epoch: steps per epoch.
        scaled: whether gradients are scaled, for fp16.
        warmup: steps in which the learning rate rises.
    """

    def __init__(
        self,
        level: Guard,
        *,
        guessing_loss: float,
        per_epoch: int,
        scaled: bool,
        warmup: int = 0,
    ) -> None:
        self.level, self.guessing_loss = level, guessing_loss
        self.min_steps = max(WINDOW, per_epoch)
        """Number of the step from which the loss is checked for being flat."""
        self.max_skipped = MAX_SKIPPED_IN_A_ROW_SCALED if scaled else MAX_SKIPPED_IN_A_ROW
        self.troubles: list[Anomaly] = []
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._norms: deque[float] = deque(maxlen=WINDOW)
        self._skipped_in_a_row = self._zero_rates = 0
        self.warmup, self._signs_before = warmup, frozenset[str]()

    def remember(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Restores the state of the monitor from the records of history.jsonl."""
        for record in history:
            if "loss" in record:
                self._add_step(
                    record["loss"], record["grad_norm"], record["learning_rate"], "applied" in record
                )
            elif "validation" in record:
                self._add_evaluation(record["step"], record.get("guessing", ()))
            elif "trouble" in record:
                self.troubles.append(Anomaly(**record))

    def step(self, step: StepResult) -> list[Anomaly]:
        """Returns the new anomalies of a step."""
        # The median without this step: an exploding gradient must not raise its own limit.
        median_norm = median(self._norms) if len(self._norms) >= MIN_NORMS else math.inf
        self._add_step(step.loss, step.grad_norm, step.learning_rate, not step.applied)
        return self._report_new(self._step_anomalies(step, median_norm))

    def validated(self, step: int, scores: Scores) -> list[Anomaly]:
        """Returns the new anomalies in the scores of validation."""
        anomalies = list(_score_anomalies(step, scores))
        persistent = [
            anomaly
            for anomaly in anomalies
            if anomaly.trouble not in GUESSING or anomaly.trouble in self._signs_before
        ]
        self._add_evaluation(step, predicts_one_class(scores))
        return self._report_new(persistent)

    def stops(self, trouble: Anomaly) -> bool:
        """Whether an anomaly stops the run."""
        if trouble.trouble == "not finite" and self._skipped_in_a_row >= self.max_skipped:
            return self.level is not Guard.none
        return self.level is Guard.stop

    def _add_evaluation(self, step: int, signs: Iterable[str]) -> None:
        """Keeps the signs of guessing in an evaluation; during warm-up they do not count."""
        self._signs_before = frozenset(signs) if step > self.warmup else frozenset()

    def _add_step(self, loss: float | None, norm: float | None, rate: float, skipped: bool) -> None:
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if skipped else 0
        self._zero_rates = self._zero_rates + 1 if rate == 0 else 0
        if not skipped and loss is not None and norm is not None:
            self._losses.append(loss)
            self._norms.append(norm)

    def _report_new(self, anomalies: Iterable[Anomaly]) -> list[Anomaly]:
        """Returns and keeps the anomalies that were not reported before.

        Skipped steps are reported again: `_step_anomalies` yields the first and the last of those in a row.
        """
        if self.level is Guard.none:
            return []
        reported = {anomaly.trouble for anomaly in self.troubles}
        new = [
            anomaly
            for anomaly in anomalies
            if anomaly.trouble == "not finite" or anomaly.trouble not in reported
        ]
        self.troubles += new
        return new

    def _step_anomalies(self, step: StepResult, median_norm: float) -> Iterator[Anomaly]:
        rate = f"trainer.learning_rate={step.learning_rate / 10:.1g}"
        finite = math.isfinite(step.loss)
        if self._skipped_in_a_row == self.max_skipped or (self._skipped_in_a_row == 1 and not finite):
            where = f"rows {listing(step.rows, 5)}" if step.rows else "no single row has such a loss"
            yield Anomaly(
                "not finite",
                step.step,
                f"the loss or its gradient is not finite (loss {step.loss:.4g}, gradient norm {step.grad_norm:.4g}; "
                f"{where}); this step was skipped, {self._skipped_in_a_row} in a row",
                f"{rate if step.learning_rate else 'look at these rows'}, or trainer.precision=fp32",
            )
        elif step.grad_norm > EXPLODING_FACTOR * median_norm:
            yield Anomaly(
                "exploding gradient",
                step.step,
                f"the norm of the gradient is {step.grad_norm:.3g}, {step.grad_norm / median_norm:.0f} times the usual one",
                f"{rate}, or trainer.max_grad_norm=1.0",
            )
        if self._zero_rates == MAX_ZERO_RATES:
            yield Anomaly(
                "learning rate of zero",
                step.step,
                f"the learning rate has been 0 for {MAX_ZERO_RATES} steps, so nothing is learned",
                "trainer.learning_rate=5e-5",
            )
        if (
            step.step >= self.min_steps
            and len(self._losses) == WINDOW
            and abs(fmean(self._losses) - self.guessing_loss) < FLAT_TOLERANCE * self.guessing_loss
        ):
            yield Anomaly(
                "flat loss",
                step.step,
                f"the mean loss of the last {WINDOW} steps is {fmean(self._losses):.4g}, that of guessing "
                f"({self.guessing_loss:.4g})",
                "another trainer.learning_rate, trainer.warmup_ratio=0.1, or labels that fit their texts",
            )


def predicts_one_class(scores: Scores) -> list[str]:
    """Returns the signs in the scores that the model has not learned yet; empty if there are none."""
    counts = scores.counts
    signs = [anomaly.trouble for anomaly in _score_anomalies(0, scores) if anomaly.trouble in GUESSING]
    all_empty = counts.get("empty", 0) == counts.get("rows", 0) > 0
    return signs + ["empty summaries"] * all_empty


def _score_anomalies(step: int, scores: Scores) -> Iterator[Anomaly]:
    counts = {"rows": 0, "cut": 0, "empty": 0, **scores.counts}
    predicted = {label for row in scores.confusion.values() for label, count in row.items() if count}
    gold = [label for label, row in scores.confusion.items() if any(row.values())]
    if len(predicted) == 1 < len(gold):
        yield Anomaly(
            "one class",
            step,
            f"{', '.join(predicted)} is predicted for every row of validation, which has {len(gold)} classes",
            "another trainer.learning_rate, task.class_weights=balanced, or more epochs",
        )
    if counts.get("entities") and not counts.get("predicted"):
        yield Anomaly(
            "no entity",
            step,
            f"no entity is predicted in validation, which has {counts['entities']}",
            "more epochs, or a higher trainer.learning_rate",
        )
    if counts.get("labels") and not counts.get("predicted"):
        yield Anomaly(
            "no label",
            step,
            f"no label is predicted in validation, which has {counts['labels']}",
            "more epochs, a higher trainer.learning_rate, or task.class_weights=balanced",
        )
    if counts["cut"] > MAX_CUT_SHARE * counts["rows"]:
        yield Anomaly(
            "summaries without end",
            step,
            f"{counts['cut']} of {counts['rows']} summaries of validation were cut at their greatest length",
            "more epochs, or a larger task.max_new_tokens",
        )
    if counts["empty"] > MAX_EMPTY_SHARE * counts["rows"]:
        yield Anomaly(
            "empty summaries",
            step,
            f"{counts['empty']} of {counts['rows']} summaries of validation are empty",
            "more epochs, or another trainer.learning_rate",
        )
