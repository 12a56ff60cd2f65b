"""Section `launcher`: the processes of a run."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from autotune.config.section import Strict


@dataclass
class LauncherConfig(Strict):
    """The processes that train one run together."""

    num_processes: int | str = 1
    """Processes to start on this machine for each run; auto: one per GPU. Leave it alone under torchrun, srun or accelerate
    launch, which start the processes themselves."""
    grace_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for the processes to save a checkpoint and exit after a stop signal, or after one of them has failed; then
    they are killed."""
