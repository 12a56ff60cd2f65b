"""The section `slurm`: what a job asks for."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from autotune.config.section import OptionalPositive, Positive, Strict


@dataclass
class SlurmConfig(Strict):
    """What `autotune submit` asks Slurm for. null: the cluster's own default."""

    partition: str | None = None
    """Partition, or several: gpu,gpu_long."""
    account: str | None = None
    """Account that is charged."""
    qos: str | None = None
    """Quality of service."""
    time: str | None = None
    """Time limit: HOURS:MM:SS, DAYS-HOURS or DAYS-HOURS:MM:SS. A run that needs longer is queued again."""
    nodes: Positive = 1
    """Number of nodes."""
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    """GPUs on each node."""
    tasks_per_node: OptionalPositive = None
    """Processes on each node. null: one per GPU, or a single one."""
    cpus_per_task: OptionalPositive = None
    """CPUs for each process, which computes with as many threads."""
    mem: str | None = None
    """Memory on each node: 32G; 0 is all of it."""
    constraint: str | None = None
    """Features that the nodes must have: a100, or a100|h100."""
    signal_seconds: Annotated[int, Field(ge=60, le=65535)] = 180
    """Seconds before the time limit at which the run saves and is queued again; Slurm may signal 60 seconds earlier."""
    max_requeues: Annotated[int, Field(ge=0)] = 20
    """How often a job that was interrupted goes back into the queue by itself."""
    max_parallel: OptionalPositive = None
    """With --multirun: number of runs at the same time. null: as many as the cluster allows."""
    options: list[str] = field(default_factory=list)
    """Further options of sbatch: [--exclude=n7, --mail-type=END]."""
