"""Which of several processes this is, as torchrun and accelerate launch say it in the environment."""

import os
from collections.abc import Mapping

NAMES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT",
)  # fmt: skip
PREFIXES = ("ROLE_", "TORCHELASTIC_")


def rank() -> int:
    """The number of this process, 0 for the one that speaks and writes."""
    return _number("RANK", 0)


def world_size() -> int:
    """How many processes there are."""
    return _number("WORLD_SIZE", 1)


def local_world_size() -> int:
    """How many of them are on this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def without_launcher_env(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process that is none of them."""
    return {
        name: value
        for name, value in environment.items()
        if name not in NAMES and not name.startswith(PREFIXES)
    }


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
