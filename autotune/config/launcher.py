"""Section `launcher`: the processes of a run."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from autotune.config.section import Strict

AUTO = "auto"
"""Value of launcher.num_processes: one process per GPU."""
NUM_PROCESSES = "num_processes"
"""Type of pydantic's error for an invalid number of processes."""


def _checked(value: int | str) -> int | str:
    if value != AUTO and (isinstance(value, str) or value < 1):
        raise PydanticCustomError(NUM_PROCESSES, "1 or more, or auto")
    return value


@dataclass
class LauncherConfig(Strict):
    """The processes that train one run together."""

    num_processes: Annotated[int | str, AfterValidator(_checked)] = 1
    """Processes to start on this machine for each run; auto: one per GPU. Leave it alone under torchrun, srun or accelerate
    launch, which start the processes themselves."""
    grace_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for the processes to save a checkpoint and exit after a stop signal, or after one of them has failed; then
    they are killed."""
