"""What happens between the steps of a trainer: history, validation, best weights, checkpoints, early stopping, the end."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from torch import nn

from autotune.config.enums import Guard, Keep
from autotune.config.schema import CheckpointConfig
from autotune.errors import ConfigError, Interrupted, listing
from autotune.models.adapters import load_trainable_state, trainable_state
from autotune.run.checkpoints import read_tensors
from autotune.run.folder import RunFolder
from autotune.runtime import signals
from autotune.runtime.memory import peak_memory_gb
from autotune.runtime.progress import Progress, duration
from autotune.tasks.base import Scores
from autotune.training.gradients import broadcast_parameters
from autotune.training.guards import Anomaly, TrainingMonitor, predicts_one_class
from autotune.training.history import Position, read_history
from autotune.training.listener import TrainingListener
from autotune.training.optimizer import interval, warmup_steps
from autotune.training.state import (
    StepResult,
    TrainerState,
    broadcast_int,
    environment_fingerprint,
    load_optimizer,
    load_scheduler_state,
    optimizer_tensors,
    scheduler_state,
)
from autotune.training.trainer import Trainer

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
    """Their main figure on validation; None without a validation split."""
    stopped_early: bool
    micro_batch_tokens: int
    """The budget at the end: smaller than at first where memory was not enough."""
    troubles: list[Anomaly]
    """What went wrong on the way."""
    kept: Keep = Keep.best
    """Whether validation chose the weights, or they are the last ones."""


class Fit:
    """A training run, from its last checkpoint to its end: all that happens between the steps of a trainer.

    Args:
        trainer: before its first step.
        folder: takes the history, the best weights and the checkpoints.
        evaluate: scores the model on validation; None without such a split.
        checkpoint: section `checkpoint`; None: no checkpoints are written or read.
        guard: what happens when training goes wrong.
        fingerprint: of the data; a checkpoint that was trained on others is refused.
        listener: is called after evaluations and at the end.
    """

    def __init__(
        self,
        trainer: Trainer,
        folder: RunFolder,
        *,
        evaluate: Callable[[nn.Module], Scores] | None = None,
        checkpoint: CheckpointConfig | None = None,
        guard: Guard = Guard.warn,
        fingerprint: str = "",
        listener: TrainingListener | None = None,
    ) -> None:
        self.trainer, self.folder, self.config = trainer, folder, trainer.config
        self.evaluate, self.checkpoint, self.fingerprint = evaluate, checkpoint, fingerprint
        self.keeps_best = self.config.keep is not Keep.last
        self.listener = listener or TrainingListener()
        self.deadline = math.inf
        self._saved, self._saved_at = 0, time.monotonic()
        self._predicting = False
        """Whether a rank that is interrupted now ends without asking the others."""
        self._losses: list[float] = []
        """Losses of the steps since the last evaluation."""
        steps_per_epoch = trainer.plan.steps_per_epoch
        self._evaluate_every = interval(self.config.evaluate_every, steps_per_epoch)
        self._warmup = warmup_steps(self.config, trainer.total_steps)
        self.monitor = TrainingMonitor(
            guard,
            guessing_loss=trainer.task.guessing_loss(),
            per_epoch=steps_per_epoch,
            scaled=trainer.accelerator.scaler is not None,
            warmup=self._warmup,
        )
        self._checkpoints = folder.checkpoints(checkpoint.keep) if checkpoint is not None else None

    @property
    def state(self) -> TrainerState:
        """The trainer's state; the trainer replaces it when it restores a position."""
        return self.trainer.state

    def run(self) -> FitResult:
        """Trains to the end, to `trainer.pause_at` or until early stopping, and leaves the model with the weights that
        `trainer.keep` asks for.

        Resumes from the newest checkpoint of the run folder, if it has one.

        Raises:
            TrainingError: see `Trainer.steps`; or a guard stops the run.
            Interrupted: a signal has come, or the time is over; a checkpoint was written before.
            ConfigError: the checkpoint was trained on other data, or is past `trainer.pause_at`.
        """
        trainer = self.trainer
        self._restore()
        # A barrier: rank 0 has cut the history back to what the checkpoint knows; now all ranks may read it.
        broadcast_int(0)
        for record in read_history(self.folder.history):
            self.monitor.remember([record])
            self._keep_loss(record)
        self.deadline = time.monotonic() + 3600 * (self.config.max_hours or math.inf)
        progress = Progress("training", trainer.total_steps, self.state.step, examples=trainer.plan.batch_size,
                            memory=peak_memory_gb)  # fmt: skip
        try:
            with signals.defer_signals():
                self._train(progress)
        finally:
            progress.close()
            trainer.embeddings.leave()
            self.listener.on_stop()
        return self._finish()

    def _train(self, progress: Progress) -> None:
        """Consumes all steps; whatever was done is in a checkpoint when this ends, however it ends."""
        try:
            self._validate_if_due()
            for step in self._steps():
                # The history first: a checkpoint records how long it was, and cuts it back to that on resuming.
                self.folder.append_history(step.record())
                self._keep_loss(step.record())
                self._report(self.monitor.step(step))
                progress.step(*self._values(step))
                if self.trainer.sharded:
                    # A rank that is interrupted while it predicts ends alone, and alone it cannot write a checkpoint.
                    self._checkpoint_if_due()
                # Validation before the checkpoint, which must not forget that this step has been scored.
                self._validate_if_due()
                self._checkpoint_if_due()
            self._save_checkpoint()
            self._wait_for_checkpoint()
        except Interrupted as interrupted:
            self._save_checkpoint()
            self._wait_for_checkpoint()
            raise Interrupted(interrupted.why, self.state.step) from interrupted
        except Exception:
            self._wait_for_checkpoint()
            raise

    def _values(self, step: StepResult) -> Iterator[str]:
        """Yields what is shown of a step, the most important first."""
        yield f"loss {step.loss:.4g}"
        if self.keeps_best and self.state.best is not None:
            yield f"best {self.trainer.task.main_metric} {self.state.best:.4f}"
        yield f"epoch {step.epoch:.2f}"

    def _steps(self) -> Iterator[StepResult]:
        """Yields steps until training is over, pauses or ends early."""
        if self._out_of_patience():
            return
        for step in self.trainer.steps(self._stop_reason):
            yield step
            if self._out_of_patience():
                logger.info(
                    "stopped early: %d evaluations without a better score",
                    self.state.evals_without_improvement,
                )
                return

    def _stop_reason(self) -> str | None:
        """Returns the signal that has come or the limit that was reached, on this rank."""
        if signals.stop_requested():
            return signals.name()
        if time.monotonic() > self.deadline:
            return f"trainer.max_hours={self.config.max_hours:g}"
        return None

    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.state.evals_without_improvement >= patience

    def _finish(self) -> FitResult:
        """Loads the best weights back into the model, if they are to be kept."""
        trainer, state = self.trainer, self.state
        chosen = self.keeps_best and state.best is not None
        kept_step = state.best_step if chosen else state.step
        if self.config.pause_at is None:
            with trainer.whole_model() as model:
                if trainer.accelerator.is_main_process:
                    self.listener.on_end(model, state.step, kept_step)
        if kept_step != state.step:
            if trainer.sharded or trainer.accelerator.is_main_process:
                load_trainable_state(trainer.bare_model, read_tensors(self.folder.best))
            if not trainer.sharded:
                broadcast_parameters(trainer.parameters)
        logger.info("trained %d steps in %s", state.step, duration(state.seconds))
        return FitResult(
            steps=state.step,
            seconds=state.seconds,
            best_step=kept_step,
            best=state.best if chosen else state.last_score,
            kept=Keep.best if chosen else Keep.last,
            stopped_early=self._out_of_patience(),
            micro_batch_tokens=trainer.plan.budget,
            troubles=self.monitor.troubles,
        )

    def _keep_loss(self, record: Mapping[str, Any]) -> None:
        """Remembers the loss of a line of the history; an evaluation clears what came before it."""
        if "validation" in record:
            self._losses.clear()
        elif record.get("loss") is not None and "applied" not in record:
            self._losses.append(record["loss"])

    def _validate_if_due(self) -> None:
        """Scores validation if it is due."""
        trainer, state, step = self.trainer, self.state, self.state.step
        due = step and (step % self._evaluate_every == 0 or step == trainer.total_steps)
        if self.evaluate is None or not due or state.last_eval_step == step:
            return
        began, self._predicting = time.perf_counter(), True
        with trainer.whole_model() as model:
            scores = self._validate(self.evaluate, model)
        self._predicting = False
        state.seconds += time.perf_counter() - began
        self._report(self.monitor.validated(step, scores))

    def _validate(self, evaluate: Callable[[nn.Module], Scores], model: nn.Module) -> Scores:
        """Scores a model with whole weights on validation, and saves the weights if they are the best so far."""
        trainer, state, step = self.trainer, self.state, self.state.step
        began = time.perf_counter()
        scores = evaluate(model)
        seconds = time.perf_counter() - began
        epoch = step / trainer.plan.steps_per_epoch
        signs = predicts_one_class(scores)
        mean = {"train_loss": fmean(self._losses)} if self._losses else {}
        record = {"step": step, "epoch": epoch, **mean, "validation": scores.values, "seconds": seconds}
        direction = {} if scores.greater_is_better else {"greater_is_better": False}
        self.folder.append_history(record | direction | ({"guessing": signs} if signs else {}))
        self._keep_loss(record)
        better = state.best is None or scores.objective.better(
            scores.best, state.best, by=self.config.min_delta
        )
        loss = "".join(f"loss {value:.4f}, " for value in mean.values())
        logger.info(
            "epoch %.3g, step %d/%d: %svalidation %s %.4f%s",
            epoch, step, trainer.total_steps, loss, scores.main, scores.best,
            " (best)" if better and self.keeps_best else "",
        )  # fmt: skip
        state.learned = state.learned or not signs
        counts = state.learned and step > self._warmup
        state.evals_without_improvement = 0 if better else state.evals_without_improvement + counts
        if better:
            state.best, state.best_step = scores.best, step
        if better and self.keeps_best and trainer.accelerator.is_main_process:
            self.folder.save_best(trainable_state(model), {"step": step, scores.main: scores.best})
        state.last_eval_step, state.last_score = step, scores.best
        if trainer.accelerator.is_main_process:
            self.listener.on_evaluate(model, step, trainer.total_steps, scores)
        return scores

    def _report(self, troubles: list[Anomaly]) -> None:
        """Logs anomalies; stops the run where the guard demands it."""
        for trouble in troubles:
            self.folder.append_history(asdict(trouble))
            if self.monitor.stops(trouble):
                self._save_checkpoint()
                raise trouble.error()
            logger.warning("step %d: %s; what may help: %s", trouble.step, trouble.found, trouble.advice)

    def _checkpoint_if_due(self) -> None:
        """Writes a checkpoint if one is due."""
        if self.checkpoint is None:
            return
        every = interval(self.checkpoint.every, self.trainer.plan.steps_per_epoch)
        overdue = time.monotonic() - self._saved_at >= 60 * self.checkpoint.minutes
        if self.trainer.sharded:  # all ranks must give their parts, and their clocks differ
            overdue = bool(broadcast_int(int(overdue)))
        if self.state.step % every == 0 or overdue:
            self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        """Writes a checkpoint of the steps that have been done, if there is none yet.

        It is written in the background from copies on the CPU, so training continues meanwhile.
        """
        trainer, state, checkpoints = self.trainer, self.state, self._checkpoints
        writes = trainer.accelerator.is_main_process
        if checkpoints is None or state.step == self._saved or not (writes or trainer.sharded):
            return
        if trainer.sharded and self._predicting:
            return
        checkpoints.wait()  # before there is a second copy of everything
        tensors = {
            "weights": trainable_state(trainer.bare_model, keep=writes),
            "optimizer": optimizer_tensors(trainer.optimizer, keep=writes),
        }
        if not writes:
            self._saved = state.step
            return
        record = {
            "standing": asdict(state),
            "budget": trainer.plan.budget,
            "history_bytes": self.folder.history_bytes(),
            "fingerprint": self.fingerprint,
            "labels": trainer.task.labels(),
            "surroundings": environment_fingerprint(trainer.accelerator),
            **scheduler_state(trainer.schedule, trainer.accelerator),
        }
        links = {BEST: self.folder.best} if self.keeps_best and state.best is not None else {}
        checkpoints.save(state.step, tensors, record, links, relies_on=[self.folder.history])
        self._saved, self._saved_at = state.step, time.monotonic()

    def _wait_for_checkpoint(self) -> None:
        """Waits for the checkpoint that is being written."""
        if self._checkpoints is not None:
            self._checkpoints.wait()

    def _restore(self) -> None:
        """Restores the newest intact checkpoint, if there is one.

        Rank 0 alone looks for it, because folders may differ in what other nodes see of them; the others load the same step.
        """
        trainer, checkpoints = self.trainer, self._checkpoints
        if checkpoints is None:
            return
        checkpoint = checkpoints.latest(Position) if trainer.accelerator.is_main_process else None
        step = broadcast_int(checkpoint.state["standing"]["step"] if checkpoint is not None else 0)
        if not step:
            self.folder.rollback(0, None)
            return
        checkpoint = checkpoint or checkpoints.load(step)
        record = checkpoint.state
        if record["fingerprint"] != self.fingerprint:
            raise ConfigError(
                "the data have changed since the checkpoint was written",
                where=str(checkpoint.path),
                found=f"fingerprint {record['fingerprint']}, now {self.fingerprint}",
                fix="bring the old data back, or resume=never, which starts over",
            )
        if record["labels"] != trainer.task.labels():
            raise ConfigError(
                "the labels or their order have changed since the checkpoint was written",
                where=str(checkpoint.path),
                found=f"{listing(record['labels'] or ())}; now {listing(trainer.task.labels() or ())}",
                fix="dataset.label_map as it was, or resume=never, which starts over",
            )
        here = environment_fingerprint(trainer.accelerator)
        other = [
            f"{name} {old} -> {here.get(name)}"
            for name, old in record["surroundings"].items()
            if here.get(name) != old
        ]
        if other:
            logger.warning(
                "the result may differ in its last digits from an uninterrupted run: %s", ", ".join(other)
            )
        try:
            load_trainable_state(trainer.bare_model, checkpoint.tensors("weights"))
            load_optimizer(trainer.optimizer, checkpoint.tensors("optimizer"))
            load_scheduler_state(trainer.schedule, trainer.optimizer, trainer.accelerator, record)
        except (KeyError, ValueError, RuntimeError) as error:  # names or shapes of another model
            raise ConfigError(
                "the checkpoint does not fit the model",
                where=str(checkpoint.path),
                found=str(error).splitlines()[0],
                fix="resume=never, which starts over",
            ) from error
        names = {field.name for field in fields(TrainerState)}  # older versions had fewer
        state = {name: value for name, value in record["standing"].items() if name in names}
        trainer.restore_position(TrainerState(**state), record["budget"])
        best = checkpoint.path / BEST
        self.folder.rollback(record["history_bytes"], best if best.exists() else None)
        self._saved = step
        if step > trainer.last_step:
            raise ConfigError("the run is past this share of its steps", where="trainer.pause_at",
                              found=f"step {step} of {trainer.total_steps}", fix="trainer.pause_at=null")  # fmt: skip
        logger.info("resuming after step %d of %d", step, trainer.total_steps)
