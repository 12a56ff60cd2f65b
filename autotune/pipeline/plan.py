"""What a run would cost, measured on this machine: one step on the longest batch, one typical step, one prediction.

Time is taken to grow with padded tokens, which holds within some per cent for lengths of some hundred tokens.
"""

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from autotune.checks.findings import Area, Finding, Report, Severity
from autotune.checks.machine import disk_bytes, static_bytes
from autotune.config.enums import Sharding
from autotune.config.schema import RunConfig
from autotune.data.batches import BatchPlan, Indices, padded_tokens, partition_by_length, prediction_batches
from autotune.models.adapters import count_parameters
from autotune.pipeline.prepare import Prepared
from autotune.runtime.progress import duration
from autotune.tasks.base import padded_lengths
from autotune.training import device
from autotune.training.budget import prediction_token_budget
from autotune.training.features import take
from autotune.training.optimizer import interval
from autotune.training.trainer import Trainer

SAMPLED_STEPS = 50
"""The padded tokens of an epoch are estimated from so many of its steps."""
PROCESSES = (2, 4, 8)
"""Numbers of processes for which the plan of a run with `trainer.sharding=fsdp` shows the memory of each."""
PROOF_SECONDS = 12.0
"""A fresh process imports everything and predicts a few rows: 10 to 15 s on two cores."""
UNITS = {"hours": "hours", "memory_gb": "GB of memory", "disk_gb": "GB of disk"}
"""What the keys of `plan.budget` count."""


def measure_cost(config: RunConfig, prepared: Prepared, report: Report) -> bool:
    """Loads the model, measures, and puts the costs into the report.

    Returns:
        Whether `plan.budget` is exceeded; the report then has an error for every limit.
    """
    config = prepared.sizes.config
    model = prepared.load_model(config)
    accelerator = device.accelerator(prepared.precision, prepared.base.config)
    # The trainer's own steps, with a learning rate of 0: nothing is learned, and everything costs what it will cost.
    settings = replace(
        config.trainer, learning_rate=0.0, head_learning_rate=None, layer_decay=1.0, sharding=Sharding.none
    )
    trainer = Trainer(
        prepared.task,
        model,
        prepared.features["train"],
        settings,
        config.seed,
        accelerator,
        sections=prepared.sections,
    )
    plan, model = trainer.plan, trainer.bare_model

    def step(micro_batches: list[Indices]) -> None:
        trainer.model.train()
        trainer.forward_backward(micro_batches, divisor=sum(map(len, micro_batches)))
        trainer.normalize_and_clip(1.0)
        trainer.optimizer_step()

    longest = _longest_batch(plan)
    step([longest])  # the first step allocates and is slower
    longest_seconds = _timed(lambda: step([longest]))
    memory = _peak_bytes()
    epoch_tokens, typical = _epoch_tokens(plan)
    typical_seconds = _timed(lambda: step(trainer.micro_batches(typical)))
    trainer.embeddings.leave()
    per_token = typical_seconds / _tokens(plan, plan.micro_batches(typical))
    per_epoch = per_token * epoch_tokens
    steps = trainer.total_steps
    epochs = steps / plan.steps_per_epoch
    evaluation = {
        split: _prediction_seconds(prepared, accelerator, model, split)
        for split in prepared.features
        if split != "train"
    }
    evaluations = math.ceil(steps / interval(config.trainer.evaluate_every, plan.steps_per_epoch))
    total = (
        epochs * per_epoch
        + evaluations * evaluation.get("validation", 0.0)
        + sum(evaluation.values())
        + PROOF_SECONDS
    )
    disk = disk_bytes(model, config) + sum(table.data.nbytes for table in prepared.features.values())
    report.figures["plan"] = {
        "steps": steps,
        "epochs": round(epochs, 2),
        "longest_batch": {
            "rows": len(longest),
            "padded_tokens": _tokens(plan, [longest]),
            "seconds": round(longest_seconds, 3),
        },
        "real_tokens_share": round(float(plan.lengths[plan.learned].sum()) / max(1, epoch_tokens), 3),
        "seconds_per_step": round(per_epoch / plan.steps_per_epoch, 3),
        "seconds_per_epoch": round(per_epoch, 1),
        "evaluations": evaluations,
        "seconds_per_evaluation": {split: round(seconds, 1) for split, seconds in evaluation.items()},
        "hours": round(total / 3600, 3),
        "static_memory_gb": round(static_bytes(model, config) / 1e9, 3),
        "peak_memory_gb": round(memory / 1e9, 2),
        **_divided_memory(model, config),
        "disk_gb": round(disk / 1e9, 3),
    }
    return _over_budget(config, report)


def format_cost(plan: dict[str, Any]) -> list[str]:
    """The costs in words."""
    longest = plan["longest_batch"]
    evaluations = ", ".join(
        f"{split} {duration(seconds)}" for split, seconds in plan["seconds_per_evaluation"].items()
    )
    return [
        f"  training    {plan['steps']} steps in {plan['epochs']} epochs, {duration(plan['seconds_per_epoch'])} per epoch "
        f"({plan['seconds_per_step']} s per step; {plan['real_tokens_share']:.0%} of the tokens are not padding)",
        f"  evaluation  {plan['evaluations']} times on validation; {evaluations}",
        f"  in all      {duration(plan['hours'] * 3600)}",
        f"  memory      {plan['peak_memory_gb']} GB at the longest batch ({longest['rows']} windows, "
        f"{longest['padded_tokens']} padded tokens, {longest['seconds']} s); {plan['static_memory_gb']} GB of it "
        "weights, gradients and optimizer",
        *_format_divided_memory(plan),
        f"  disk        {plan['disk_gb']} GB",
    ]


def _divided_memory(model: nn.Module, config: RunConfig) -> dict[str, Any]:
    """The memory of each process, by their number, if the model is divided among several."""
    if config.trainer.sharding is Sharding.none:
        return {}
    static = static_bytes(model, config)
    return {
        "divided_memory_gb": {str(count): round(static / count / 1e9, 3) for count in PROCESSES},
        "whole_weights_gb": round(4 * count_parameters(model)[1] / 1e9, 3),
    }


def _format_divided_memory(plan: dict[str, Any]) -> list[str]:
    if "divided_memory_gb" not in plan:
        return []
    counts = ", ".join(plan["divided_memory_gb"])
    shares = ", ".join(map(str, plan["divided_memory_gb"].values()))
    return [
        f"  divided     {shares} GB of weights, gradients and optimizer in each of {counts} processes; whole weights for "
        f"predictions take {plan['whole_weights_gb']} GB beside them"
    ]


def _longest_batch(plan: BatchPlan) -> Indices:
    """The micro-batch that costs most: the longest features, as many as a step and the budget allow."""
    order = np.argsort(plan.lengths.sum(axis=1) * plan.learned, kind="stable")[::-1][: plan.batch_size]
    cuts = partition_by_length(plan.lengths[order], plan.budget, cost=plan.cost)
    return order[max(cuts, key=lambda chosen: padded_tokens(plan.lengths[order[chosen]]))]


def _epoch_tokens(plan: BatchPlan) -> tuple[float, int]:
    """Padded tokens of an epoch, and the step whose padded tokens are nearest to the mean."""
    numbers = np.unique(
        np.linspace(0, plan.steps_per_epoch - 1, min(SAMPLED_STEPS, plan.steps_per_epoch)).astype(int)
    )
    sizes = [_tokens(plan, plan.micro_batches(int(number))) for number in numbers]
    mean = float(np.mean(sizes))
    nearest = int(np.argmin(np.abs(np.asarray(sizes) - mean)))
    return mean * plan.steps_per_epoch, int(numbers[nearest])


def _tokens(plan: BatchPlan, batches: list[Indices]) -> int:
    return sum(padded_tokens(plan.lengths[features]) for features in batches)


def _prediction_seconds(prepared: Prepared, accelerator: Accelerator, model: nn.Module, split: str) -> float:
    """Time to predict a split, from one batch in the middle of its lengths."""
    table, task = prepared.features[split], prepared.task
    lengths = padded_lengths(table)[:, :1]
    batches = list(prediction_batches(lengths, prediction_token_budget(task.base.config)))
    middle = batches[len(batches) // 2]
    bare = accelerator.unwrap_model(model).eval()
    with torch.inference_mode(), accelerator.autocast():
        seconds = _timed(lambda: task.predict(bare, take(table, middle)))
    return (
        seconds
        * sum(padded_tokens(lengths[batch]) for batch in batches)
        / max(1, padded_tokens(lengths[middle]))
    )


def _timed(work: Callable[[], Any]) -> float:
    """Seconds that something takes, the GPU's part included."""
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _peak_bytes() -> int:
    """Most memory so far: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _over_budget(config: RunConfig, report: Report) -> bool:
    figures, budget = report.figures["plan"], config.plan.budget
    limits = {
        "hours": (
            figures["hours"],
            budget.hours,
            "trainer.epochs or trainer.max_steps, or a smaller model",
        ),
        "memory_gb": (figures["peak_memory_gb"], budget.memory_gb, "trainer.micro_batch_tokens, peft=lora"),
        "disk_gb": (figures["disk_gb"], budget.disk_gb, "a smaller model"),
    }
    over = {name: one for name, one in limits.items() if one[1] is not None and one[0] > one[1]}
    report.add(
        Finding(
            Area.machine,
            Severity.error,
            f"the run would cost {costs} {UNITS[name]}, more than the budget",
            where=f"plan.budget.{name}",
            found=str(limit),
            fix=f"less: {advice}; or plan.budget.{name}={costs:g}",
        )
        for name, (costs, limit, advice) in over.items()
    )
    return bool(over)
