"""The training loop: one visible generator of optimizer steps; `fit` is its consumer."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs, gather_object
from datasets import Dataset
from torch import nn

from autotune.config.enums import Batching, Guard
from autotune.config.schema import CheckpointConfig, TrainerConfig
from autotune.data.batches import BatchPlan, Indices
from autotune.errors import TrainingError
from autotune.models.packing import packed, refuse_packing
from autotune.run.folder import RunFolder
from autotune.runtime import signals
from autotune.runtime.memory import free_memory, is_out_of_memory
from autotune.tasks.base import Scores, Task
from autotune.training.budget import find_token_budget
from autotune.training.compiling import compile_model, length_multiple, pad_to_multiple
from autotune.training.device import micro_batch_cost
from autotune.training.embeddings import EmbeddingGradients
from autotune.training.fit import Fit, FitResult
from autotune.training.gradients import (
    StepTotals,
    all_reduce_gradients,
    broadcast_parameters,
    normalize_and_clip_gradients,
)
from autotune.training.guards import rows_with_nonfinite_loss
from autotune.training.listener import TrainingListener
from autotune.training.loader import BatchLoader
from autotune.training.optimizer import interval, optimizer, schedule
from autotune.training.state import TrainerState

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepResult:
    """One optimizer step."""

    step: int
    """How many steps have been done, this one included."""
    epoch: float
    """Passes over the rows so far."""
    loss: float
    """Sum over count of the whole step, over all ranks; perhaps no finite number, as the norm."""
    learning_rate: float
    """With which the step was done."""
    grad_norm: float
    """Before clipping."""
    micro_batch_tokens: int
    """The budget with which it was done."""
    seconds: float
    applied: bool = True
    """Whether weights have changed: not where loss or gradient are no finite numbers."""
    rows: Sequence[str] = ()
    """Those whose loss alone is no finite number."""

    def record(self) -> dict[str, Any]:
        """As JSON, which knows no other numbers than finite ones; where all went well, without a word of that."""
        values = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }
        told = () if self.applied else ("applied", "rows")
        return {
            name: value for name, value in values.items() if name not in ("applied", "rows") or name in told
        }


def batch_plan(task: Task, features: Dataset, config: TrainerConfig, seed: int, budget: int) -> BatchPlan:
    """The steps of a run.

    Args:
        task: knows the lengths of features, and the model's shape.
        features: of the training split.
        config: section `trainer`.
        seed: of the order of rows.
        budget: padded tokens a micro-batch.
    """
    lengths = task.lengths(features)
    return BatchPlan(
        np.asarray(features.data.table["row"]),
        pad_to_multiple(lengths, length_multiple(lengths)) if config.compile else lengths,
        batch_size=config.batch_size,
        budget=budget,
        seed=seed,
        batching=config.batching,
        cost=micro_batch_cost(task.base.config),
    )


def total_steps(config: TrainerConfig, per_epoch: int, *, streaming: bool = False) -> int:
    """Optimizer steps of a whole run, of so many an epoch; a stream has no epochs, only `max_steps`."""
    assert config.epochs is not None, "resolved when the config is composed"
    if streaming and config.max_steps is not None:
        return config.max_steps
    whole = max(1, math.ceil(config.epochs * per_epoch))
    return min(config.max_steps or whole, whole)


class Trainer:
    """Fine-tunes a model.

    The loss of a step is the sum over its targets divided by their count, over all micro-batches and ranks,
    so neither the memory budget nor the number of processes changes the gradient. The random state is set anew
    from (seed, step, rank) at every step, so a run's position is one integer.

    Args:
        task: collates features and computes losses.
        model: with the parameters to train requiring gradients; changed in place.
        features: of the training split, with at least one target each step.
        config: section `trainer`, with `epochs` and `learning_rate` resolved.
        seed: of the order of rows and of dropout.
        accelerator: device, precision and processes.
        evaluate: scores the model on validation; None when there is no such split.
        folder: takes the history and the best weights.
        sections: for a train set that streams, the features of each section; `features` is the first.
        budget: padded tokens a micro-batch; None: `trainer.micro_batch_tokens`, which may be found by measuring.
        keeping: section `checkpoint`; None: no checkpoints are written or read.
        fingerprint: of the data, which must be those that a checkpoint has learned from.
        rows: of the training split, with their ids; None where they are streamed.
        guard: what becomes of a run that goes wrong.
        follower: is told of evaluations and of the end.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        features: Dataset,
        *,
        config: TrainerConfig,
        seed: int,
        accelerator: Accelerator,
        evaluate: Callable[[nn.Module], Scores] | None,
        folder: RunFolder,
        sections: Callable[[int], Dataset] | None = None,
        budget: int | None = None,
        keeping: CheckpointConfig | None = None,
        fingerprint: str = "",
        rows: Dataset | None = None,
        guard: Guard = Guard.warn,
        follower: TrainingListener | None = None,
    ) -> None:
        self.task, self.features, self.config, self.seed = task, features, config, seed
        self.accelerator, self.evaluate, self.folder = accelerator, evaluate, folder
        self.sections, self.standing = sections, TrainerState()
        if config.gradient_checkpointing:
            enable_gradient_checkpointing(model)
        if config.batching is Batching.packed:
            refuse_packing(model)
        # Device and precision only: gradients are summed over ranks by `gradients`, not by a wrapper.
        self.model = accelerator.prepare_model(model, evaluation_mode=True).train()
        budget = (
            budget or config.micro_batch_tokens or find_token_budget(task, self.model, features, accelerator)
        )
        self.plan = batch_plan(task, features, config, seed, budget)
        per_epoch = self.plan.steps_per_epoch
        self.total_steps = total_steps(config, per_epoch, streaming=sections is not None)
        self.evaluate_every = interval(config.evaluate_every, per_epoch)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        broadcast_parameters(self.parameters)
        self.feed = BatchLoader(task, accelerator.device)
        self.embeddings = EmbeddingGradients([] if config.compile else model.modules())
        if config.compile:
            self.model = compile_model(self.model)
            self.feed.multiple = length_multiple(task.lengths(features))
        self.optimizer = accelerator.prepare_optimizer(optimizer(model, config))
        self.schedule = schedule(self.optimizer, config, self.total_steps)
        self.keeping, self.fingerprint = keeping, fingerprint
        self.rows, self.guard = rows, guard
        self.follower = follower or TrainingListener()
        self.stopping: str | None = None
        self.ends = math.inf

    @property
    def bare_model(self) -> nn.Module:
        """The model as it was given."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)

    def stop(self, why: str) -> None:
        """Ends training within a micro-batch, on all ranks, whichever of them asks for it; the step that is being
        done is not, and comes again where training goes on."""
        self.stopping = why

    def steps(self) -> Iterator[StepResult]:
        """Trains; yields after every optimizer step.

        Raises:
            TrainingError: memory is not enough for a single feature or for the optimizer.
        """
        for step in range(self.standing.step, self.total_steps):
            began = time.perf_counter()
            self.model.train()
            number = self._plan_index(step)
            share = self._gradients(step, number)
            if share.stop:
                reasons = gather_object([self.stopping])
                self.stopping = next(reason for reason in reasons if reason is not None)
                return
            count = max(share.count, 1e-9)
            norm = self._normalize_and_clip(number, count)
            learning_rate = self.schedule.get_last_lr()[0]
            finite = math.isfinite(share.loss) and math.isfinite(norm)
            # With a scaler it is the optimizer's wrapper that leaves such a step out, and halves the scale.
            if finite or self.accelerator.scaler is not None:
                self._optimizer_step()
            else:
                self.optimizer.zero_grad()
            applied = finite and not self.accelerator.optimizer_step_was_skipped
            rows = () if math.isfinite(share.loss) else rows_with_nonfinite_loss(self, number)
            self.standing.step = step + 1
            self.standing.seconds += time.perf_counter() - began
            yield StepResult(
                step=step + 1,
                epoch=(step + 1) / self.plan.steps_per_epoch,
                loss=share.loss / count,
                learning_rate=learning_rate,
                grad_norm=norm,
                micro_batch_tokens=self.plan.budget,
                seconds=time.perf_counter() - began,
                applied=applied,
                rows=rows,
            )

    def fit(self) -> FitResult:
        """Trains to the end; see `Fit.run`."""
        return Fit(self).run()

    def restore_position(self, standing: TrainerState, budget: int) -> None:
        """Takes up the position of another trainer of the same run, and its padded tokens a micro-batch."""
        self.standing = standing
        if self.sections is not None and standing.section:
            self.features = self.sections(standing.section)
        self.plan = batch_plan(self.task, self.features, self.config, self.seed, budget)

    def _plan_index(self, step: int) -> int:
        """The number of a step in the plan; at the end of a section the next one is opened.

        A section is a pass of its own plan, so that its order depends on its number.
        """
        if self.sections is None:
            return step
        standing = self.standing
        if step == standing.section_began + self.plan.steps_per_epoch:
            standing.section, standing.section_began = standing.section + 1, step
            self.features = self.sections(standing.section)
            self.plan = batch_plan(self.task, self.features, self.config, self.seed, self.plan.budget)
        return standing.section * self.plan.steps_per_epoch + step - standing.section_began

    def _gradients(self, step: int, number: int) -> StepTotals:
        """Sums of a step over all ranks, with this rank's part of the gradient in the parameters.

        Where memory is not enough on some rank, all of them throw the step's gradients away and do it again
        with smaller micro-batches and the same random state, as if nothing had happened.
        """
        budget = self.plan.budget
        while True:
            reseed(self.seed, step, self.accelerator.process_index)
            self.optimizer.zero_grad()
            share = self._accumulate(number).all_reduce(self.accelerator.device)
            if not share.out_of_memory:
                break
            self._shrink_micro_batches(number, alone=share.alone)
        if self.plan.budget < budget:
            logger.warning(
                "memory was not enough for micro-batches of %d padded tokens: step %d was done again with %d, and "
                "the run goes on with that (trainer.micro_batch_tokens=%d begins with it)",
                budget, step + 1, self.plan.budget, self.plan.budget,
            )  # fmt: skip
        if share.learned is not None and self.accelerator.num_processes > 1:
            all_reduce_gradients(self.parameters, share.learned)
        return share

    def _accumulate(self, number: int) -> StepTotals:
        """Forward and backward through this rank's micro-batches of a step."""
        with self._without_padding():
            return self._forward_backward(number, self.micro_batches(number))

    def _without_padding(self) -> AbstractContextManager[None]:
        is_packed = self.config.batching is Batching.packed
        return packed(self.bare_model) if is_packed else nullcontext()

    def _forward_backward(self, number: int, micro_batches: list[Indices]) -> StepTotals:
        divisor = len(self.plan.step_features(number))
        share = StepTotals()
        loss = torch.zeros((), dtype=torch.float64, device=self.accelerator.device)
        features = np.empty(0, dtype=np.int64)
        try:
            # Autocast keeps its copies of the weights until the outermost context ends. With this one around them, which
            # itself casts nothing, the contexts of the forward passes share one cast of each weight per step.
            with self.accelerator.autocast(AutocastKwargs(enabled=False)):
                for features in micro_batches:
                    if self._should_stop():
                        break
                    batch = self.feed.batch(self.features, features)
                    part = self.task.loss(self.model, batch).sum
                    # All ranks know how many features a step has; the count of its targets comes with the sums.
                    self.accelerator.backward(part / divisor)
                    loss += part.detach()
                    share.count += batch.num_targets
            self.embeddings.add()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self.embeddings.forget()
            share.out_of_memory, share.alone = True, len(features) == 1
        if (number + 1) % self.plan.steps_per_epoch and not share.out_of_memory:
            self.feed.prepare(self.features, self.micro_batches(number + 1))
        share.loss, share.stop = float(loss), self._should_stop()
        share.learned = [parameter.grad is not None for parameter in self.parameters]
        return share

    def _should_stop(self) -> bool:
        """Whether a signal has come or the time is over, on this rank."""
        if signals.stop_requested():
            self.stopping = signals.name()
        elif time.monotonic() > self.ends:
            self.stopping = f"trainer.max_hours={self.config.max_hours:g}"
        return self.stopping is not None

    def row_id(self, feature: int) -> str:
        """The id of the row that a feature was made of; its number where rows are streamed."""
        number = int(self.features.data.table["row"][feature].as_py())
        return str(number if self.rows is None else self.rows[number]["id"])

    def micro_batches(self, number: int) -> list[Indices]:
        """This rank's micro-batches of a step, by its number in the plan."""
        accelerator = self.accelerator
        return self.plan.micro_batches(
            number, rank=accelerator.process_index, ranks=accelerator.num_processes
        )

    def _shrink_micro_batches(self, number: int, *, alone: bool) -> None:
        """Halves the budget, from what the largest micro-batch of any rank takes.

        Raises:
            TrainingError: it was a single feature that memory was not enough for.
        """
        ranks = self.accelerator.num_processes
        largest = max(
            self.plan.tokens(features)
            for rank in range(ranks)
            for features in self.plan.micro_batches(number, rank=rank, ranks=ranks)
        )
        if alone:
            raise TrainingError(
                "memory is not enough for a single text, so smaller micro-batches do not help",
                where=f"step {number + 1}, up to {largest} tokens",
                fix=f"task.max_length={max(1, largest // 2)}, trainer.gradient_checkpointing=true, peft=lora, or a "
                "smaller model",
            )
        free_memory()
        self.plan.budget = max(1, min(self.plan.budget, largest) // 2)

    def _normalize_and_clip(self, number: int, count: float) -> float:
        """Divides the step's gradient by the count of its targets and clips it; returns its norm before that."""
        if self.accelerator.scaler is not None:
            self.accelerator.unscale_gradients(self.optimizer)
        divisor = len(self.plan.step_features(number))
        return normalize_and_clip_gradients(self.parameters, divisor / count, self.config.max_grad_norm)

    def _optimizer_step(self) -> None:
        """Optimizer and learning rate."""
        try:
            self.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingError(
                "memory is not enough for the optimizer, which keeps two numbers for each one that is learned",
                where=f"{sum(parameter.numel() for parameter in self.parameters):,} trainable parameters",
                fix="peft=lora, or a smaller model",
            ) from error
        if not self.accelerator.optimizer_step_was_skipped:
            self.schedule.step()
        self.optimizer.zero_grad()


def enable_gradient_checkpointing(model: nn.Module) -> None:
    """Lets a model compute activations again in the backward pass, with the same random numbers."""
    cast(Any, model).gradient_checkpointing_enable({"use_reentrant": False})


def reseed(seed: int, step: int, rank: int) -> None:
    """Sets torch's random state, a function of its arguments alone."""
    state = np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(state))
