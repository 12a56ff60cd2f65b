"""Rules for processes that an external launcher has started: they must fit what the configuration asks for."""

import os
from collections.abc import Iterator

from autotune.config.enums import Precision
from autotune.config.launcher import AUTO
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError
from autotune.runtime import launcher


def external_processes(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that an external launcher has started as many processes as the configuration asks for, if it does."""
    started, value = launcher.world_size(), config.launcher.num_processes
    if launcher.is_external() and value not in (1, AUTO, started):
        yield ConfigError(
            "torchrun, srun or accelerate launch has started another number of processes than launcher.num_processes",
            where="launcher.num_processes",
            found=f"{value}, and WORLD_SIZE={started}",
            fix="the same command without launcher.num_processes, or without the launcher before it",
        )


def accelerate_precision(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that `accelerate launch --mixed_precision` and its configuration file ask for what trainer.precision does."""
    value = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if value not in ("no", config.trainer.precision.value):
        fix = "accelerate launch --mixed_precision no"
        if value in set(Precision):
            fix = f"trainer.precision={value}, or accelerate launch --mixed_precision no"
        yield ConfigError(
            "accelerate launch asks for another precision than trainer.precision",
            where="trainer.precision",
            found=f"{config.trainer.precision.value}, and ACCELERATE_MIXED_PRECISION={value}",
            fix=fix,
        )


def accelerate_engines(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that accelerate's configuration file brings no engine: autotune's own keys choose how a run is trained."""
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM"):
        if os.environ.get(name, "").lower() in ("1", "true"):
            yield ConfigError(
                "accelerate launch asks for an engine that the configuration does not choose",
                where=name,
                found=os.environ[name],
                fix="accelerate launch with a configuration file that says only how many processes there are, and where",
            )
