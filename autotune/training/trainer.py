"""The training loop: one visible generator of optimizer steps, and the consumer that evaluates and keeps the best."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import nn
from transformers import get_scheduler

from autotune.choices import Schedule
from autotune.config import TrainerConfig
from autotune.data.batches import BatchPlan, MicroBatch
from autotune.errors import TrainingError
from autotune.models import load_trainable_state, trainable_state
from autotune.runs import RunFolder
from autotune.tasks.base import Batch, Scores, Task
from autotune.training.device import default_budget
from autotune.training.features import take
from autotune.training.progress import Progress, duration

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepResult:
    """One optimizer step."""

    update: int
    """How many steps have been done, this one included."""
    epoch: float
    """Passes over the rows so far."""
    loss: float
    """Sum over count of the whole update, over all ranks."""
    learning_rate: float
    """With which the step was done."""
    grad_norm: float
    """Before clipping."""
    seconds: float


@dataclass(frozen=True)
class FitResult:
    """How training ended."""

    updates: int
    seconds: float
    best_update: int
    """The update whose weights the model now has."""
    best: float | None
    """Its main figure on validation; None without a validation split."""
    stopped_early: bool


def batch_plan(task: Task, features: Dataset, config: TrainerConfig, seed: int) -> BatchPlan:
    """The updates of a run."""
    return BatchPlan(
        np.asarray(features.data.table["row"]),
        task.lengths(features),
        batch_size=config.batch_size,
        budget=config.micro_batch_tokens or default_budget(),
        seed=seed,
    )


def total_updates(config: TrainerConfig, per_epoch: int, *, streaming: bool = False) -> int:
    """Optimizer steps of a whole run, of so many an epoch; a stream has no epochs, only `max_updates`."""
    assert config.epochs is not None, "resolved when the config is composed"
    if streaming and config.max_updates is not None:
        return config.max_updates
    whole = max(1, math.ceil(config.epochs * per_epoch))
    return min(config.max_updates or whole, whole)


class Trainer:
    """Fine-tunes a model.

    The loss of an update is the sum over its targets divided by their count, over all micro-batches and ranks,
    so neither the memory budget nor the number of processes changes the gradient. The random state is set anew
    from (seed, update, rank) at every update, so a run's position is one integer.

    Args:
        task: collates features and computes losses.
        model: with the parameters to train requiring gradients; changed in place.
        features: of the training split, with at least one target each update.
        config: section `trainer`, with `epochs` and `learning_rate` resolved.
        seed: of the order of rows and of dropout.
        accelerator: device, precision and processes.
        evaluate: scores the model on validation; None when there is no such split.
        folder: takes the history and the best weights.
        sections: for a train set that streams, the features of each section; `features` is the first.
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
    ) -> None:
        self.task, self.features, self.config, self.seed = task, features, config, seed
        self.accelerator, self.evaluate, self.folder = accelerator, evaluate, folder
        self.sections, self.section, self.section_began = sections, 0, 0
        self.plan = batch_plan(task, features, config, seed)
        per_epoch = self.plan.updates_per_epoch
        self.total_updates = total_updates(config, per_epoch, streaming=sections is not None)
        self.evaluate_every = interval(config.evaluate_every, per_epoch)
        self.model = accelerator.prepare_model(model)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = accelerator.prepare_optimizer(optimizer(model, config))
        self.schedule = get_scheduler(
            "constant_with_warmup" if config.schedule is Schedule.constant else config.schedule.value,
            self.optimizer,
            num_warmup_steps=math.ceil(config.warmup_ratio * self.total_updates),
            num_training_steps=self.total_updates,
        )

    @property
    def bare_model(self) -> nn.Module:
        """The model without the wrapper of several processes."""
        return self.accelerator.unwrap_model(self.model)

    def steps(self) -> Iterator[StepResult]:
        """Trains; yields after every optimizer step.

        Raises:
            TrainingError: the loss or its gradient is not finite; the step is not done.
        """
        accelerator = self.accelerator
        rank, ranks = accelerator.process_index, accelerator.num_processes
        for update in range(self.total_updates):
            began = time.perf_counter()
            reseed(self.seed, update, rank)
            self.model.train()
            number = self._number(update)
            batches = [
                self._batch(micro) for micro in self.plan.micro_batches(number, rank=rank, ranks=ranks)
            ]
            count = self._over_ranks(sum(batch.num_targets for batch in batches))
            total = 0.0
            for index, batch in enumerate(batches):
                syncs = index == len(batches) - 1
                with nullcontext() if syncs else accelerator.no_sync(self.model):
                    loss = self.task.loss(self.model, batch).sum
                    if not batch.num_targets:
                        loss = loss * 0.0
                    # Ranks average their gradients; the update divides by the count over all of them.
                    accelerator.backward(loss * (ranks / max(count, 1e-9)))
                total += float(loss.detach())
            total = self._over_ranks(total)
            norm = self._clip()
            learning_rate = self.schedule.get_last_lr()[0]
            if not math.isfinite(total) or not (math.isfinite(norm) or accelerator.scaler is not None):
                raise TrainingError(
                    "the loss or its gradient is no longer a finite number; this step was not done",
                    where=f"update {update + 1} of {self.total_updates}",
                    found=f"loss {total / max(count, 1e-9):.4g}, gradient norm {norm:.4g}, learning rate {learning_rate:.3g}",
                    fix=f"trainer.learning_rate={learning_rate / 10:.1g} or trainer.precision=fp32",
                )
            self.optimizer.step()
            if not accelerator.optimizer_step_was_skipped:
                self.schedule.step()
            self.optimizer.zero_grad()
            yield StepResult(
                update=update + 1,
                epoch=(update + 1) / self.plan.updates_per_epoch,
                loss=total / max(count, 1e-9),
                learning_rate=learning_rate,
                grad_norm=norm,
                seconds=time.perf_counter() - began,
            )

    def fit(self) -> FitResult:
        """Trains to the end or until early stopping, and leaves the model with the weights that scored best.

        Raises:
            TrainingError: see `steps`.
        """
        began = time.perf_counter()
        best: float | None = None
        best_update = update = worse = 0
        stopped_early = False
        progress = Progress("training", self.total_updates)
        for step in self.steps():
            update = step.update
            self.folder.append_history(asdict(step))
            progress.step(loss=step.loss, learning_rate=step.learning_rate)
            if self.evaluate is None or (update % self.evaluate_every and update < self.total_updates):
                continue
            scores = self.evaluate(self.bare_model)
            self.folder.append_history({"update": update, "epoch": step.epoch, "validation": scores.values})
            better = best is None or scores.best > best + self.config.min_delta
            logger.info(
                "epoch %.3g, update %d/%d: loss %.4f, validation %s %.4f%s",
                step.epoch, update, self.total_updates, step.loss, scores.main, scores.best, " (best)" if better else "",
            )  # fmt: skip
            worse = 0 if better else worse + 1
            if better:
                best, best_update = scores.best, update
                if self.accelerator.is_main_process:
                    self.folder.save_best(
                        trainable_state(self.bare_model), {"update": update, scores.main: best}
                    )
            if self.config.patience is not None and worse >= self.config.patience:
                stopped_early = True
                logger.info("stopped early: %d evaluations without a better %s", worse, scores.main)
                break
        progress.close()
        if best is None:
            best_update = update
        elif best_update != update:
            self.accelerator.wait_for_everyone()
            load_trainable_state(self.bare_model, self.folder.load_best())
        seconds = time.perf_counter() - began
        logger.info("trained %d updates in %s", update, duration(seconds))
        return FitResult(update, seconds, best_update, best, stopped_early)

    def _number(self, update: int) -> int:
        """The number of an update in the plan; at the end of a section the next one is opened.

        A section is a pass of its own plan, so that its order depends on its number.
        """
        if self.sections is None:
            return update
        if update == self.section_began + self.plan.updates_per_epoch:
            self.section, self.section_began = self.section + 1, update
            self.features = self.sections(self.section)
            self.plan = batch_plan(self.task, self.features, self.config, self.seed)
        return self.section * self.plan.updates_per_epoch + update - self.section_began

    def _batch(self, micro: MicroBatch) -> Batch:
        batch = self.task.collate(take(self.features, micro.features))
        if micro.filler:
            batch.num_targets = 0.0
        return batch.to(self.accelerator.device)

    def _over_ranks(self, value: float) -> float:
        if self.accelerator.num_processes == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.accelerator.device)
        return float(self.accelerator.reduce(tensor, reduction="sum"))

    def _clip(self) -> float:
        limit = self.config.max_grad_norm
        return float(self.accelerator.clip_grad_norm_(self.parameters, math.inf if limit is None else limit))


def optimizer(model: nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """Fused AdamW; vectors (biases and the gains of norms) are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.ndim >= 2 and 1 not in parameter.shape]
    vectors = [parameter for parameter in trained if parameter.ndim < 2 or 1 in parameter.shape]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        fused=True,
    )


def interval(text: str, updates_per_epoch: int) -> int:
    """Updates between evaluations: `1ep` and `0.5ep` are epochs, `200up` updates."""
    number, unit = float(text[:-2]), text[-2:]
    return max(1, round(number * updates_per_epoch if unit == "ep" else number))


def reseed(seed: int, update: int, rank: int) -> None:
    """Sets torch's random state, a function of its arguments alone."""
    state = np.random.SeedSequence((seed, update, rank)).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(state))
