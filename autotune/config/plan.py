"""Section `plan`: what a run may cost."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from autotune.config.section import Strict


@dataclass
class BudgetConfig(Strict):
    """What a run may cost; `autotune plan` ends with exit code 3 where its estimate is more. null: no limit."""

    hours: Annotated[float | None, Field(gt=0)] = None
    """Hours of training and evaluation together."""
    memory_gb: Annotated[float | None, Field(gt=0)] = None
    """Memory of the GPU if there is one, else of the process, in GB."""
    disk_gb: Annotated[float | None, Field(gt=0)] = None
    """Disk space of the run folder and the cached tables, in GB."""


@dataclass
class PlanConfig(Strict):
    """`autotune plan`."""

    budget: BudgetConfig = field(default_factory=BudgetConfig)
