"""What goes wrong in training without an error: seen in steps and figures that all processes share, told with advice.

What is known stands in the history, so that a run that goes on knows what it knew before.
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

IN_A_ROW, SCALED_IN_A_ROW = 3, 20
"""Steps that were not finite, after which training stops; fp16 finds its scale by such steps."""
WINDOW = 50
"""Steps that are looked at together."""
LEAST = 20
"""Gradient norms from which a median is taken."""
EXPLODING = 100.0
"""Times the median norm."""
NEAR = 0.02
"""The loss is flat that is so near, relatively, to the loss of guessing."""
ZERO_RATES = 3
"""Steps in a row; the first one of a warmup has the rate zero, too."""
MANY_CUT, MANY_EMPTY = 0.5, 0.2
"""Shares of summaries."""
GUESSING = ("one class", "no entity")
"""What a model shows that has not learned yet; reported when two evaluations in a row after warm-up show it."""


@dataclass(frozen=True)
class Anomaly:
    """Something that is probably not meant."""

    trouble: str
    """Its name."""
    step: int
    found: str
    advice: str
    """Overrides that may help."""

    def error(self) -> TrainingError:
        """For a run that shall not go on."""
        return TrainingError(
            f"training was stopped: {self.found}", where=f"step {self.step}", fix=self.advice
        )


class TrainingMonitor:
    """Watches a run.

    Args:
        level: none: nothing is told, and nothing stops a run; warn: each trouble is told once, and too many
            steps in a row that are not finite stop it; stop: any trouble does.
        labels: classes or tags of the model; 0 where it writes.
        per_epoch: steps.
        scaled: whether gradients are scaled, for fp16.
        warmup: steps in which the learning rate rises.
    """

    def __init__(self, level: Guard, *, labels: int, per_epoch: int, scaled: bool, warmup: int = 0) -> None:
        self.level, self.labels = level, labels
        self.enough = max(WINDOW, per_epoch)
        self.most = SCALED_IN_A_ROW if scaled else IN_A_ROW
        self.troubles: list[Anomaly] = []
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._norms: deque[float] = deque(maxlen=WINDOW)
        self._undone = self._still = 0
        self.warmup, self._before = warmup, frozenset[str]()

    def remember(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Takes up what an earlier life of the run has seen."""
        for record in history:
            if "loss" in record:
                self._count(record["loss"], record["grad_norm"], record["learning_rate"], "applied" in record)
            elif "validation" in record:
                self._note(record["step"], record.get("guessing", ()))
            elif "trouble" in record:
                self.troubles.append(Anomaly(**record))

    def step(self, step: StepResult) -> list[Anomaly]:
        """What is new after a step."""
        usual = median(self._norms) if len(self._norms) >= LEAST else math.inf
        self._count(step.loss, step.grad_norm, step.learning_rate, not step.applied)
        return self._new(self._seen_in(step, usual))

    def validated(self, step: int, scores: Scores) -> list[Anomaly]:
        """What is new in the figures of validation."""
        seen = list(_seen_in_figures(step, scores))
        lasting = [one for one in seen if one.trouble not in GUESSING or one.trouble in self._before]
        self._note(step, predicts_one_class(scores))
        return self._new(lasting)

    def stops(self, trouble: Anomaly) -> bool:
        """Whether the run shall not go on."""
        if trouble.trouble == "not finite" and self._undone >= self.most:
            return self.level is not Guard.none
        return self.level is Guard.stop

    def _note(self, step: int, signs: Iterable[str]) -> None:
        """Keeps what an evaluation after warm-up has shown of guessing."""
        self._before = frozenset(signs) if step > self.warmup else frozenset()

    def _count(self, loss: float | None, norm: float | None, rate: float, undone: bool) -> None:
        self._undone = self._undone + 1 if undone else 0
        self._still = self._still + 1 if rate == 0 else 0
        if not undone and loss is not None and norm is not None:
            self._losses.append(loss)
            self._norms.append(norm)

    def _new(self, seen: Iterable[Anomaly]) -> list[Anomaly]:
        """Those that were not told before; steps that were not done are told when they begin and at the last."""
        if self.level is Guard.none:
            return []
        known = {one.trouble for one in self.troubles}
        new = [one for one in seen if one.trouble == "not finite" or one.trouble not in known]
        self.troubles += new
        return new

    def _seen_in(self, step: StepResult, usual: float) -> Iterator[Anomaly]:
        rate = f"trainer.learning_rate={step.learning_rate / 10:.1g}"
        finite = math.isfinite(step.loss)
        if self._undone == self.most or (self._undone == 1 and not finite):
            where = f"rows {listing(step.rows, 5)}" if step.rows else "no row alone has such a loss"
            yield Anomaly(
                "not finite",
                step.step,
                f"the loss or its gradient is no finite number (loss {step.loss:.4g}, gradient norm {step.grad_norm:.4g}; "
                f"{where}); this step was not done, {self._undone} in a row",
                f"{rate if step.learning_rate else 'look at these rows'}, or trainer.precision=fp32",
            )
        elif step.grad_norm > EXPLODING * usual:
            yield Anomaly(
                "exploding gradient",
                step.step,
                f"the norm of the gradient is {step.grad_norm:.3g}, {step.grad_norm / usual:.0f} times the usual one",
                f"{rate}, or trainer.max_grad_norm=1.0",
            )
        if self._still == ZERO_RATES:
            yield Anomaly(
                "learning rate of zero",
                step.step,
                f"the learning rate has been 0 for {ZERO_RATES} steps, so nothing is learned",
                "trainer.learning_rate=5e-5",
            )
        guessing = math.log(self.labels) if self.labels > 1 else math.inf
        if (
            step.step >= self.enough
            and len(self._losses) == WINDOW
            and abs(fmean(self._losses) - guessing) < NEAR * guessing
        ):
            yield Anomaly(
                "flat loss",
                step.step,
                f"the mean loss of the last {WINDOW} steps is {fmean(self._losses):.4g}, that of guessing among "
                f"{self.labels} labels ({guessing:.4g})",
                "another trainer.learning_rate, trainer.warmup_ratio=0.1, or labels that fit their texts",
            )


def predicts_one_class(scores: Scores) -> list[str]:
    """What in the figures says that the model has not learned yet; nothing where it has, or they do not tell."""
    counts = scores.counts
    signs = [one.trouble for one in _seen_in_figures(0, scores) if one.trouble in GUESSING]
    empty = counts.get("empty", 0) == counts.get("rows", 0) > 0
    return signs + ["empty summaries"] * empty


def _seen_in_figures(step: int, scores: Scores) -> Iterator[Anomaly]:
    counts = {"rows": 0, "cut": 0, "empty": 0, **scores.counts}
    predicted = {label for row in scores.confusion.values() for label, count in row.items() if count}
    golden = [label for label, row in scores.confusion.items() if any(row.values())]
    if len(predicted) == 1 < len(golden):
        yield Anomaly(
            "one class",
            step,
            f"{', '.join(predicted)} is predicted for every row of validation, which has {len(golden)} classes",
            "another trainer.learning_rate, task.class_weights=balanced, or more epochs",
        )
    if counts.get("entities") and not counts.get("predicted"):
        yield Anomaly(
            "no entity",
            step,
            f"no entity is predicted in validation, which has {counts['entities']}",
            "more epochs, or a higher trainer.learning_rate",
        )
    if counts["cut"] > MANY_CUT * counts["rows"]:
        yield Anomaly(
            "summaries without end",
            step,
            f"{counts['cut']} of {counts['rows']} summaries of validation were cut at their greatest length",
            "more epochs, or a larger task.max_new_tokens",
        )
    if counts["empty"] > MANY_EMPTY * counts["rows"]:
        yield Anomaly(
            "empty summaries",
            step,
            f"{counts['empty']} of {counts['rows']} summaries of validation are empty",
            "more epochs, or another trainer.learning_rate",
        )
