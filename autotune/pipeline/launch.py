"""Starts the processes of a run (`launcher.num_processes`). Nothing of torch is imported in the process that does."""

import sys

from autotune.config.launcher import AUTO
from autotune.config.load import dump_config
from autotune.config.schema import RunConfig
from autotune.run.status import command_words
from autotune.runtime import launcher, workers


def num_processes(config: RunConfig) -> int:
    """Returns the number of processes to start for a run; 1 in a process that a launcher has started."""
    if launcher.is_worker() or launcher.is_external():
        return 1
    if config.launcher.num_processes != AUTO:
        return int(config.launcher.num_processes)
    import torch

    return max(1, torch.cuda.device_count())


def train_in_processes(config: RunConfig, count: int) -> int:
    """Trains a run in several processes, which print their errors; returns its exit code.

    Raises:
        AutotuneError: see `workers.run`.
    """
    words = command_words.get() or sys.argv[1:]
    return workers.run(words, dump_config(config), count, config.launcher.grace_seconds)
