"""What becomes of a trainer's steps: history, validation, the best weights, checkpoints, early stopping, the end."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import TYPE_CHECKING, Any

from autotune.errors import ConfigError, Interrupted, listing
from autotune.models import load_trainable_state, trainable_state
from autotune.run.checkpoints import read_tensors
from autotune.runtime import signals
from autotune.runtime.progress import Progress, duration
from autotune.training.gradients import broadcast_parameters
from autotune.training.guards import Anomaly, TrainingMonitor, predicts_one_class
from autotune.training.history import Position, read_history
from autotune.training.optimizer import interval, warmup_steps
from autotune.training.state import (
    TrainerState,
    broadcast_int,
    environment_fingerprint,
    load_optimizer,
    load_scheduler_state,
    optimizer_tensors,
    scheduler_state,
)

if TYPE_CHECKING:
    from autotune.training.trainer import StepResult, Trainer

logger = logging.getLogger(__name__)

BEST = "best.safetensors"
"""In a checkpoint: the best weights when it was written."""


@dataclass(frozen=True)
class FitResult:
    """How training ended."""

    steps: int
    seconds: float
    best_step: int
    """The step whose weights the model now has."""
    best: float | None
    """Its main figure on validation; None without a validation split."""
    stopped_early: bool
    micro_batch_tokens: int
    """The budget at the end: smaller than at first where memory was not enough."""
    troubles: list[Anomaly]
    """What went wrong on the way."""


class Fit:
    """A training run from its last checkpoint to its end.

    Args:
        trainer: before its first step.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer, self.folder, self.config = trainer, trainer.folder, trainer.config
        self._saved, self._saved_at = 0, time.monotonic()
        self._losses: list[float] = []
        """Of the steps since the last evaluation."""
        self._warmup = warmup_steps(self.config, trainer.total_steps)
        keeping = trainer.keeping
        self.guards = TrainingMonitor(
            trainer.guard,
            labels=len(trainer.task.labels() or ()),
            per_epoch=trainer.plan.steps_per_epoch,
            scaled=trainer.accelerator.scaler is not None,
            warmup=self._warmup,
        )
        self._checkpoints = self.folder.checkpoints(keeping.keep) if keeping is not None else None

    @property
    def standing(self) -> TrainerState:
        """Where training stands."""
        return self.trainer.standing

    def run(self) -> FitResult:
        """Trains to the end or until early stopping, and leaves the model with the weights that scored best.

        Where the run folder has a checkpoint, training goes on from it.

        Raises:
            TrainingError: see `Trainer.steps`; or a guard stops the run.
            Interrupted: a signal has come, or the time is over; a checkpoint was written before.
            ConfigError: the checkpoint has learned from other data.
        """
        trainer = self.trainer
        self._restore()
        broadcast_int(0)  # the first process has cut the history to what the checkpoint knows
        for record in read_history(self.folder.history):
            self.guards.remember([record])
            self._keep_loss(record)
        trainer.ends = time.monotonic() + 3600 * (self.config.max_hours or math.inf)
        progress = Progress("training", trainer.total_steps, self.standing.step)
        try:
            with signals.defer_signals():
                self._train(progress)
        finally:
            progress.close()
            trainer.embeddings.leave()
            trainer.follower.on_stop()
        return self._finish()

    def _train(self, progress: Progress) -> None:
        """All steps; what was done is in a checkpoint when this ends, however it ends."""
        try:
            self._validate()
            for step in self._steps():
                self.folder.append_history(step.record())
                self._keep_loss(step.record())
                self._report(self.guards.step(step))
                progress.step(loss=step.loss, learning_rate=step.learning_rate)
                self._validate()
                self._checkpoint_if_due()
            if self.trainer.stopping is not None:
                raise Interrupted(self.trainer.stopping)
            self._checkpoint()
            self._wait_for_checkpoint()
        except Interrupted as leaving:
            self._checkpoint()
            self._wait_for_checkpoint()
            raise Interrupted(leaving.why, self.standing.step) from leaving
        except Exception:
            self._wait_for_checkpoint()
            raise

    def _steps(self) -> Iterator["StepResult"]:
        """Steps until training is over or ends early."""
        if self._out_of_patience():
            return
        for step in self.trainer.steps():
            yield step
            if self._out_of_patience():
                logger.info(
                    "stopped early: %d evaluations without a better score",
                    self.standing.evals_without_improvement,
                )
                return

    def _out_of_patience(self) -> bool:
        return (
            self.config.patience is not None
            and self.standing.evals_without_improvement >= self.config.patience
        )

    def _finish(self) -> FitResult:
        """Takes the best weights back."""
        trainer, standing = self.trainer, self.standing
        if standing.best is None:
            standing.best_step = standing.step
        if trainer.accelerator.is_main_process:
            trainer.follower.on_end(trainer.bare_model, standing.step, standing.best_step)
        if standing.best_step != standing.step:
            if trainer.accelerator.is_main_process:
                load_trainable_state(trainer.bare_model, read_tensors(self.folder.best))
            broadcast_parameters(trainer.parameters)
        logger.info("trained %d steps in %s", standing.step, duration(standing.seconds))
        return FitResult(
            steps=standing.step,
            seconds=standing.seconds,
            best_step=standing.best_step,
            best=standing.best,
            stopped_early=self._out_of_patience(),
            micro_batch_tokens=trainer.plan.budget,
            troubles=self.guards.troubles,
        )

    def _keep_loss(self, record: Mapping[str, Any]) -> None:
        """Takes up a line of the history: the loss of a step that was done, or an evaluation."""
        if "validation" in record:
            self._losses.clear()
        elif record.get("loss") is not None and "applied" not in record:
            self._losses.append(record["loss"])

    def _validate(self) -> None:
        """Scores validation where it is time to, and keeps the weights if they are the best so far."""
        trainer, standing, step = self.trainer, self.standing, self.standing.step
        due = step and (step % trainer.evaluate_every == 0 or step == trainer.total_steps)
        if trainer.evaluate is None or not due or standing.last_eval_step == step:
            return
        began = time.perf_counter()
        scores = trainer.evaluate(trainer.bare_model)
        epoch = step / trainer.plan.steps_per_epoch
        signs = predicts_one_class(scores)
        mean = {"train_loss": fmean(self._losses)} if self._losses else {}
        record = {"step": step, "epoch": epoch, **mean, "validation": scores.values}
        self.folder.append_history(record | ({"guessing": signs} if signs else {}))
        self._keep_loss(record)
        better = standing.best is None or scores.best > standing.best + self.config.min_delta
        loss = "".join(f"loss {value:.4f}, " for value in mean.values())
        logger.info(
            "epoch %.3g, step %d/%d: %svalidation %s %.4f%s",
            epoch, step, trainer.total_steps, loss, scores.main, scores.best, " (best)" if better else "",
        )  # fmt: skip
        standing.learned = standing.learned or not signs
        counts = standing.learned and step > self._warmup
        standing.evals_without_improvement = 0 if better else standing.evals_without_improvement + counts
        if better:
            standing.best, standing.best_step = scores.best, step
            if trainer.accelerator.is_main_process:
                facts = {"step": step, scores.main: scores.best}
                self.folder.save_best(trainable_state(trainer.bare_model), facts)
        standing.last_eval_step = step
        if trainer.accelerator.is_main_process:
            trainer.follower.on_evaluate(trainer.bare_model, step, trainer.total_steps, scores)
        standing.seconds += time.perf_counter() - began
        self._report(self.guards.validated(step, scores))

    def _report(self, troubles: list[Anomaly]) -> None:
        """Says what goes wrong, and stops where that was asked for."""
        for trouble in troubles:
            self.folder.append_history(asdict(trouble))
            if self.guards.stops(trouble):
                self._checkpoint()
                raise trouble.error()
            logger.warning("step %d: %s; what may help: %s", trouble.step, trouble.found, trouble.advice)

    def _checkpoint_if_due(self) -> None:
        """Writes a checkpoint where it is time to."""
        keeping = self.trainer.keeping
        if keeping is None:
            return
        every = interval(keeping.every, self.trainer.plan.steps_per_epoch)
        old = time.monotonic() - self._saved_at >= 60 * keeping.minutes
        if self.standing.step % every == 0 or old:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Writes a checkpoint of the steps that have been done, if there is none yet."""
        trainer, standing, checkpoints = self.trainer, self.standing, self._checkpoints
        if checkpoints is None or standing.step == self._saved or not trainer.accelerator.is_main_process:
            return
        checkpoints.wait()  # before there is a second copy of everything
        state = {
            "standing": asdict(standing),
            "budget": trainer.plan.budget,
            "history_bytes": self.folder.history_bytes(),
            "fingerprint": trainer.fingerprint,
            "labels": trainer.task.labels(),
            "surroundings": environment_fingerprint(trainer.accelerator),
            **scheduler_state(trainer.schedule, trainer.accelerator),
        }
        tensors = {
            "weights": trainable_state(trainer.bare_model),
            "optimizer": optimizer_tensors(trainer.optimizer),
        }
        links = {BEST: self.folder.best} if standing.best is not None else {}
        checkpoints.save(standing.step, tensors, state, links, relies_on=[self.folder.history])
        self._saved, self._saved_at = standing.step, time.monotonic()

    def _wait_for_checkpoint(self) -> None:
        """Waits for the checkpoint that is being written."""
        if self._checkpoints is not None:
            self._checkpoints.wait()

    def _restore(self) -> None:
        """Goes back to the newest checkpoint that is whole, if there is any."""
        trainer, checkpoints = self.trainer, self._checkpoints
        if checkpoints is None:
            return
        found = checkpoints.latest(Position) if trainer.accelerator.is_main_process else None
        step = broadcast_int(found.state["standing"]["step"] if found is not None else 0)
        if not step:
            self.folder.rollback(0, None)
            return
        found = found or checkpoints.load(step)
        state = found.state
        if state["fingerprint"] != trainer.fingerprint:
            raise ConfigError(
                "the data have changed since the checkpoint was written",
                where=str(found.path),
                found=f"fingerprint {state['fingerprint']}, now {trainer.fingerprint}",
                fix="bring the old data back, or resume=never, which begins anew",
            )
        if state["labels"] != trainer.task.labels():
            raise ConfigError(
                "the labels or their order have changed since the checkpoint was written",
                where=str(found.path),
                found=f"{listing(state['labels'] or ())}; now {listing(trainer.task.labels() or ())}",
                fix="dataset.label_map as it was, or resume=never, which begins anew",
            )
        here = environment_fingerprint(trainer.accelerator)
        other = [
            f"{name} {old} -> {here.get(name)}"
            for name, old in state["surroundings"].items()
            if here.get(name) != old
        ]
        if other:
            logger.warning(
                "the result may differ in its last digits from an undisturbed run: %s", ", ".join(other)
            )
        try:
            load_trainable_state(trainer.bare_model, found.tensors("weights"))
            load_optimizer(trainer.optimizer, found.tensors("optimizer"))
            load_scheduler_state(trainer.schedule, trainer.optimizer, trainer.accelerator, state)
        except (KeyError, ValueError, RuntimeError) as error:  # names or shapes of another model
            raise ConfigError(
                "the checkpoint does not fit the model",
                where=str(found.path),
                found=str(error).splitlines()[0],
                fix="resume=never, which begins anew",
            ) from error
        standing = {field.name: state["standing"][field.name] for field in fields(TrainerState)}
        trainer.restore_position(TrainerState(**standing), state["budget"])
        best = found.path / BEST
        self.folder.rollback(state["history_bytes"], best if best.exists() else None)
        self._saved = step
        logger.info("going on after step %d of %d", step, trainer.total_steps)
