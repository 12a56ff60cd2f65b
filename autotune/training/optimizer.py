"""Builds the optimizer (AdamW) and the schedule of its learning rate."""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from autotune.config.enums import Schedule
from autotune.config.trainer import TrainerConfig


def optimizer(model: nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """Returns a fused AdamW; vectors (biases and the gains of norms) have no weight decay."""
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


def schedule(optimizer: torch.optim.Optimizer, config: TrainerConfig, total_steps: int) -> LRScheduler:
    """Returns the schedule of the learning rate over a number of optimizer steps."""
    constant = config.schedule is Schedule.constant
    scheduler: LRScheduler = get_scheduler(
        "constant_with_warmup" if constant else config.schedule.value,
        optimizer,
        num_warmup_steps=warmup_steps(config, total_steps),
        num_training_steps=total_steps,
    )
    return scheduler


def warmup_steps(config: TrainerConfig, total_steps: int) -> int:
    """Returns the number of steps in which the learning rate rises."""
    return math.ceil(config.warmup_ratio * total_steps)


def interval(text: str, steps_per_epoch: int) -> int:
    """Returns the steps between evaluations: `1ep` and `0.5ep` are epochs, `200st` are steps."""
    number, unit = float(text[:-2]), text[-2:]
    return max(1, round(number * steps_per_epoch if unit == "ep" else number))
