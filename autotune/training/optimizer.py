"""Builds the optimizer (AdamW) and the schedule of its learning rate."""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from autotune.config.enums import Schedule
from autotune.config.trainer import TrainerConfig
from autotune.models.layers import places


def optimizer(model: nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """Returns a fused AdamW; vectors (biases and the gains of norms) have no weight decay.

    Parameters with the same learning rate and weight decay are a group: matrices come first, in the order of the model,
    which is also their order in a checkpoint.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rates = peak_rates(model, config)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for is_vector in (False, True):
        for parameter in trained:
            if (parameter.ndim < 2 or 1 in parameter.shape) is is_vector:
                groups.setdefault((is_vector, rates[parameter]), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rate, "weight_decay": 0.0 if is_vector else config.weight_decay}
            for (is_vector, rate), parameters in groups.items()
        ],
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        fused=True,
    )


def peak_rates(model: nn.Module, config: TrainerConfig) -> dict[nn.Parameter, float]:
    """Returns the highest learning rate of each parameter: that of its layer, or of the head.

    Args:
        model: with or without adapters.
        config: section `trainer`, with `learning_rate` resolved.

    Raises:
        ConfigError: rates depend on layers, which were not found.
    """
    base = config.learning_rate
    assert base is not None, "resolved when the config is composed"
    if config.layer_decay == 1 and config.head_learning_rate is None:
        return dict.fromkeys(model.parameters(), base)
    head = base if config.head_learning_rate is None else config.head_learning_rate
    return {
        parameter: head if place.is_head else base * config.layer_decay**place.height
        for parameter, place in places(model).items()
    }


def current_rate(schedule: LRScheduler, config: TrainerConfig) -> float:
    """Returns what the schedule makes of `trainer.learning_rate` now; the rates of layers and head are in proportion to it."""
    rate, peak = float(schedule.get_last_lr()[0]), schedule.base_lrs[0]
    base = config.learning_rate
    assert base is not None, "resolved when the config is composed"
    return rate if peak == base else rate / peak * base


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


def pause_step(share: float | None, total_steps: int) -> int:
    """Returns the last step before a pause.

    Args:
        share: of the steps; None: no pause.
        total_steps: of the whole run.
    """
    # Rounded up but for the error of the product: 0.1 of 30 is 3, not 4.
    return total_steps if share is None else max(1, math.ceil(share * total_steps - 1e-9))
