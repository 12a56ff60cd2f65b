"""The training loop: `Trainer.steps` yields one optimizer step after another; `Fit` consumes them."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs, gather_object
from datasets import Dataset
from torch import nn

from autotune.config.enums import Batching, Sharding
from autotune.config.trainer import TrainerConfig
from autotune.data.batches import BatchPlan, Indices
from autotune.errors import Interrupted, TrainingError
from autotune.models.packing import packed, refuse_packing
from autotune.runtime.memory import free_memory, is_out_of_memory
from autotune.tasks.base import Task, padded_lengths
from autotune.training.budget import find_token_budget
from autotune.training.compiling import compile_model, length_multiple, pad_to_multiple
from autotune.training.device import micro_batch_cost
from autotune.training.embeddings import EmbeddingGradients
from autotune.training.exchange import GradientExchange
from autotune.training.gradients import (
    StepTotals,
    broadcast_parameters,
    normalize_and_clip_gradients,
)
from autotune.training.loader import BatchLoader
from autotune.training.optimizer import current_rate, optimizer, pause_step, schedule
from autotune.training.sharding import ShardedModel, filler_micro_batches, out_of_memory_error
from autotune.training.state import StepResult, TrainerState

logger = logging.getLogger(__name__)


def batch_plan(task: Task, features: Dataset, config: TrainerConfig, seed: int, budget: int) -> BatchPlan:
    """The steps of a run.

    Args:
        task: knows the lengths of features, and the model's shape.
        features: of the training split.
        config: section `trainer`.
        seed: of the order of rows.
        budget: padded tokens a micro-batch.
    """
    assert config.batch_size is not None, "decided when the rows are known (training.sizes)"
    lengths = padded_lengths(features)
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
    assert config.epochs is not None, "decided when the rows are known (training.sizes)"
    whole = max(1, math.ceil(config.epochs * per_epoch))
    return config.max_steps if streaming and config.max_steps else min(config.max_steps or whole, whole)


class Trainer:
    """Fine-tunes a model, one optimizer step at a time.

    The loss of a step is the sum over its targets divided by their count, over all micro-batches and ranks, so neither
    the memory budget nor the number of processes changes the gradient. The random state is set from (seed, step,
    rank) at every step, so the position of a run is one integer.

    Args:
        task: collates features and computes losses.
        model: with the parameters to train requiring gradients; changed in place.
        features: of the training split, with at least one target per step.
        config: section `trainer`, without null in `epochs`, `batch_size` and `learning_rate`.
        seed: of the order of rows and of dropout.
        accelerator: device, precision and processes.
        token_budget: padded tokens per micro-batch; None: `trainer.micro_batch_tokens`, or else measured.
        sections: for a train split that streams, the features of each section; `features` is the first.
        row_ids: ids of the rows that the features were made of; None where they are streamed.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        features: Dataset,
        config: TrainerConfig,
        seed: int,
        accelerator: Accelerator,
        *,
        token_budget: int | None = None,
        sections: Callable[[int], Dataset] | None = None,
        row_ids: Sequence[str] | None = None,
    ) -> None:
        self.task, self.features, self.config, self.seed = task, features, config, seed
        self.accelerator, self.sections, self.row_ids = accelerator, sections, row_ids
        self.state = TrainerState()
        if config.gradient_checkpointing:
            enable_gradient_checkpointing(model)
        if config.batching is Batching.packed:
            refuse_packing(model)
        self.sharded = ShardedModel(model, accelerator) if config.sharding is Sharding.fsdp else None
        # Sets device and precision only: `exchange` sums over ranks, because a wrapper would do it in the backward pass,
        # where a rank that runs out of memory leaves the others waiting.
        self.model = accelerator.prepare_model(model, evaluation_mode=True).train()
        budget = (
            token_budget
            or config.micro_batch_tokens
            or find_token_budget(task, self.model, features, accelerator)
        )
        self.plan = batch_plan(task, features, config, seed, budget)
        self.total_steps = total_steps(config, self.plan.steps_per_epoch, streaming=sections is not None)
        self.last_step = pause_step(config.pause_at, self.total_steps)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if self.sharded is None:
            broadcast_parameters(self.parameters)
        self.loader = BatchLoader(task, accelerator.device)
        self.embeddings = EmbeddingGradients([] if config.compile or self.sharded else model.modules())
        self.exchange = GradientExchange(
            [] if self.sharded else self.parameters, late=self.embeddings.tables()
        )
        if config.compile:
            self.model = compile_model(self.model)
            self.loader.multiple = length_multiple(padded_lengths(features))
        self.optimizer = accelerator.prepare_optimizer(optimizer(model, config))
        self.schedule = schedule(self.optimizer, config, self.total_steps)

    @property
    def bare_model(self) -> nn.Module:
        """The model without wrappers; with `trainer.sharding=fsdp`, this rank's parts of it."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)

    def gather(self) -> nn.Module:
        """Returns the model with whole weights; all ranks must call it."""
        return self.accelerator.unwrap_model(self.sharded.gather()) if self.sharded else self.bare_model

    @contextmanager
    def whole_model(self) -> Iterator[nn.Module]:
        """Gives the model with whole weights, which all ranks must ask for; it takes no more memory afterwards."""
        try:
            yield self.gather()
        finally:
            if self.sharded is not None:
                self.sharded.release()

    def steps(self, stop_reason: Callable[[], str | None] = lambda: None) -> Iterator[StepResult]:
        """Trains up to `last_step`; yields after every optimizer step.

        Args:
            stop_reason: asked before every micro-batch, on every rank; a text ends training on all ranks. The step
                under way is dropped: it is repeated when training resumes.

        Raises:
            Interrupted: a rank had a reason to stop.
            TrainingError: memory is not enough for a single feature or for the optimizer.
        """
        for step in range(self.state.step, self.last_step):
            began = time.perf_counter()
            self.model.train()
            index = self._plan_index(step)
            totals = self._accumulate_gradients(step, index, stop_reason)
            if totals.stop:
                reasons = gather_object([stop_reason()])
                raise Interrupted(next(reason for reason in reasons if reason is not None))
            count = max(totals.count, 1e-9)
            norm = self.normalize_and_clip(self._divisor(index) / count)
            learning_rate = current_rate(self.schedule, self.config)
            finite = math.isfinite(totals.loss) and math.isfinite(norm)
            # With a gradient scaler, the wrapped optimizer must see the step: it skips it and lowers the scale.
            if finite or self.accelerator.scaler is not None:
                self.optimizer_step()
            else:
                self.optimizer.zero_grad()
            applied = finite and not self.accelerator.optimizer_step_was_skipped
            rows = () if math.isfinite(totals.loss) else self._rows_with_nonfinite_loss(index)
            # The state changes before the step is yielded: whoever saves a checkpoint there saves what was done.
            self.state.step = step + 1
            self.state.seconds += time.perf_counter() - began
            yield StepResult(
                step=step + 1,
                epoch=(step + 1) / self.plan.steps_per_epoch,
                loss=totals.loss / count,
                learning_rate=learning_rate,
                grad_norm=norm,
                micro_batch_tokens=self.plan.budget,
                seconds=time.perf_counter() - began,
                applied=applied,
                rows=rows,
            )

    def restore_position(self, state: TrainerState, token_budget: int) -> None:
        """Continues at the position of another trainer of the same run, with its padded tokens per micro-batch."""
        self.state = state
        if self.sections is not None and state.section:
            self.features = self.sections(state.section)
        self.plan = batch_plan(self.task, self.features, self.config, self.seed, token_budget)

    def micro_batches(self, index: int) -> list[Indices]:
        """Returns this rank's micro-batches of a step, by its number in the plan."""
        accelerator = self.accelerator
        return self.plan.micro_batches(index, rank=accelerator.process_index, ranks=accelerator.num_processes)

    def forward_backward(
        self,
        micro_batches: Sequence[Indices],
        divisor: int,
        stop_reason: Callable[[], str | None] = lambda: None,
        upcoming: Sequence[Indices] = (),
        fillers: Sequence[Indices] = (),
    ) -> StepTotals:
        """Adds the gradient of the micro-batches, divided by `divisor`, to that of the parameters.

        Args:
            micro_batches: numbers of features, each int64 (features,).
            divisor: of the sum of losses.
            stop_reason: see `steps`.
            upcoming: micro-batches of the next step; a GPU gets the first while it still works on this one.
            fillers: micro-batches that are done, too, and count nothing; see `sharding`.

        Returns:
            The sums of this rank; `out_of_memory` where the memory was not enough, and then no gradient is usable.
        """
        totals = StepTotals()
        loss = torch.zeros((), dtype=torch.float64, device=self.accelerator.device)
        features = np.empty(0, dtype=np.int64)
        without_padding = self.config.batching is Batching.packed
        try:
            # Autocast keeps its copies of the weights until the outermost context ends. This one casts nothing itself, and
            # lets the contexts of all forward passes share one cast of each weight per step.
            with (
                packed(self.bare_model) if without_padding else nullcontext(),
                self.accelerator.autocast(AutocastKwargs(enabled=False)),
            ):
                for features in micro_batches:
                    if self.sharded is None and stop_reason() is not None:
                        break
                    batch = self.loader.batch(self.features, features)
                    loss_sum = self.task.loss(self.model, batch).sum
                    # Every rank knows the number of features of a step beforehand, so it divides by that; the number of
                    # targets is known after the reduction, and `normalize_and_clip` corrects for it.
                    if features is micro_batches[-1]:
                        self.exchange.begin()
                    self.accelerator.backward(loss_sum / divisor)
                    loss += loss_sum.detach()
                    totals.count += batch.num_targets
                for features in fillers:
                    batch = self.loader.batch(self.features, features)
                    self.accelerator.backward(self.task.loss(self.model, batch).sum * 0)
            self.embeddings.add()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self.sharded is not None:
                raise out_of_memory_error(self.plan.budget) from error
            self.embeddings.forget()
            totals.out_of_memory, totals.single_example = True, len(features) == 1
        if not totals.out_of_memory:
            self.loader.prepare(self.features, upcoming)
        totals.has_gradient = [parameter.grad is not None for parameter in self.parameters]
        self.exchange.send_rest(discard=totals.out_of_memory)
        # Only now wait for the device.
        totals.loss, totals.stop = float(loss), stop_reason() is not None
        return totals

    def normalize_and_clip(self, factor: float) -> float:
        """Multiplies the gradient by a factor and clips it; returns its norm in between."""
        if self.accelerator.scaler is not None:
            self.accelerator.unscale_gradients(self.optimizer)
        return normalize_and_clip_gradients(self.parameters, factor, self.config.max_grad_norm)

    def optimizer_step(self) -> None:
        """Applies the gradient, advances the learning rate and clears the gradient.

        Raises:
            TrainingError: memory is not enough for the optimizer's state.
        """
        try:
            self.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingError(
                "out of memory for the optimizer, which keeps two values per trained parameter",
                where=f"{sum(parameter.numel() for parameter in self.parameters):,} trainable parameters",
                fix="peft=lora, or a smaller model",
            ) from error
        if not self.accelerator.optimizer_step_was_skipped:
            self.schedule.step()
        self.optimizer.zero_grad()

    def _plan_index(self, step: int) -> int:
        """Returns the number of a step in the plan; opens the next section at the end of one.

        A section has a plan of its own, so that the order of its rows depends on its number alone.
        """
        if self.sections is None:
            return step
        state = self.state
        if step == state.section_began + self.plan.steps_per_epoch:
            state.section, state.section_began = state.section + 1, step
            self.features = self.sections(state.section)
            self.plan = batch_plan(self.task, self.features, self.config, self.seed, self.plan.budget)
        return state.section * self.plan.steps_per_epoch + step - state.section_began

    def _divisor(self, index: int) -> int:
        return len(self.plan.step_features(index))

    def _accumulate_gradients(
        self, step: int, index: int, stop_reason: Callable[[], str | None]
    ) -> StepTotals:
        """Returns the sums of a step over all ranks; the gradient over all ranks is then in the parameters.

        Where memory is not enough on some rank, all of them drop the gradients of the step and repeat it with smaller
        micro-batches and the same random state.
        """
        budget = self.plan.budget
        while True:
            reseed(self.seed, step, self.accelerator.process_index)
            self.optimizer.zero_grad()
            is_last = (index + 1) % self.plan.steps_per_epoch == 0
            upcoming = () if is_last else self.micro_batches(index + 1)
            own, ranks = self.micro_batches(index), self.accelerator.num_processes
            extra = filler_micro_batches(self.plan, index, len(own), ranks) if self.sharded else ()
            totals = self.forward_backward(own, self._divisor(index), stop_reason, upcoming, extra)
            totals = totals.all_reduce(self.accelerator.device)
            self.exchange.wait(totals.has_gradient)
            if not totals.out_of_memory:
                break
            self._shrink_micro_batches(index, single_example=totals.single_example)
        if self.plan.budget < budget:
            logger.warning(
                "out of memory with micro-batches of %d padded tokens: step %d was repeated with %d, and "
                "the run continues with that (trainer.micro_batch_tokens=%d begins with it)",
                budget, step + 1, self.plan.budget, self.plan.budget,
            )  # fmt: skip
        return totals

    def _shrink_micro_batches(self, index: int, *, single_example: bool) -> None:
        """Halves the budget, starting from what the largest micro-batch of any rank takes.

        Raises:
            TrainingError: a single feature does not fit into memory.
        """
        ranks = self.accelerator.num_processes
        largest = max(
            self.plan.tokens(features)
            for rank in range(ranks)
            for features in self.plan.micro_batches(index, rank=rank, ranks=ranks)
        )
        if single_example:
            raise TrainingError(
                "out of memory with a single text, so smaller micro-batches do not help",
                where=f"step {index + 1}, up to {largest} tokens",
                fix=f"task.max_length={max(1, largest // 2)}, trainer.gradient_checkpointing=true, peft=lora, or a "
                "smaller model",
            )
        free_memory()
        self.plan.budget = max(1, min(self.plan.budget, largest) // 2)

    def _rows_with_nonfinite_loss(self, index: int) -> list[str]:
        """Returns the rows of a step, of all ranks, whose loss without dropout is not finite; all ranks call it."""
        found: set[str] = set()
        with torch.no_grad(), self.whole_model() as model:
            model.eval()
            for micro_batch in self.micro_batches(index):
                for features in (
                    [micro_batch] if len(micro_batch) == 1 else [micro_batch, *micro_batch[:, None]]
                ):
                    batch = self.loader.batch(self.features, features)
                    if torch.isfinite(self.task.loss(model, batch).sum):
                        if len(features) > 1:
                            break  # no row of this micro-batch is at fault
                    elif len(features) == 1:
                        found.add(self._row_id(int(features[0])))
        return sorted(set().union(*gather_object([found])))

    def _row_id(self, feature: int) -> str:
        """Returns the id of the row that a feature was made of; its number where rows are streamed."""
        number = int(self.features.data.table["row"][feature].as_py())
        return str(number) if self.row_ids is None else str(self.row_ids[number])


def enable_gradient_checkpointing(model: nn.Module) -> None:
    """Lets a model compute activations again in the backward pass, with the same random numbers."""
    cast(Any, model).gradient_checkpointing_enable({"use_reentrant": False})


def reseed(seed: int, step: int, rank: int) -> None:
    """Sets torch's random state, a function of its arguments alone."""
    state = np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(state))
