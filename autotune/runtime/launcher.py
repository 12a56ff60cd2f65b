"""Reads rank and world size from the environment variables that torchrun, accelerate launch and autotune itself set."""

import os
from collections.abc import Mapping

PARENT = "AUTOTUNE_LAUNCHER_PID"
"""Variable that autotune sets for the processes that it starts itself: its own process id."""
NAMES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT", "SLURM_PROCID", PARENT,
)  # fmt: skip
PREFIXES = ("ROLE_", "TORCHELASTIC_", "SLURM_STEP_")
PORT_TAKEN = 98
"""Exit code with which rank 0 tells autotune that another process listens on MASTER_PORT; nothing was done yet."""


def rank() -> int:
    """Returns the rank of this process; rank 0 logs and writes."""
    return _number("RANK", 0)


def world_size() -> int:
    """Returns the number of processes."""
    return _number("WORLD_SIZE", 1)


def local_world_size() -> int:
    """Returns the number of processes on this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def is_worker() -> bool:
    """Whether autotune itself has started this process, as one rank of a run (`autotune.runtime.workers`)."""
    return PARENT in os.environ


def is_external() -> bool:
    """Whether torchrun, accelerate launch or srun has started this process, as one of several or in the form of them."""
    return not is_worker() and (world_size() > 1 or "TORCHELASTIC_RUN_ID" in os.environ)


def hosts_store() -> bool:
    """Whether the launcher hosts the store through which the processes connect, as torchrun does; else rank 0 does."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def without_launcher_env(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without the launcher's variables, for a child process."""
    return {
        name: value
        for name, value in environment.items()
        if name not in NAMES and not name.startswith(PREFIXES)
    }


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
