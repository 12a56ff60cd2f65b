"""Reads rank and world size from the environment variables that torchrun and accelerate launch set."""

import os
from collections.abc import Mapping

NAMES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT",
)  # fmt: skip
PREFIXES = ("ROLE_", "TORCHELASTIC_")


def rank() -> int:
    """Returns the rank of this process; rank 0 logs and writes."""
    return _number("RANK", 0)


def world_size() -> int:
    """Returns the number of processes."""
    return _number("WORLD_SIZE", 1)


def local_world_size() -> int:
    """Returns the number of processes on this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


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
