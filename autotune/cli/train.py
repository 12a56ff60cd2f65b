"""`autotune train`, the default command."""

import sys
from collections.abc import Sequence

from autotune.cli.command import COMPOSED, Command
from autotune.cli.environment import set_offline_mode
from autotune.errors import ConfigError, raise_all
from autotune.runtime import child_process, launcher, workers
from autotune.runtime.imports import uncollected


def run(words: list[str], plugins: Sequence[str]) -> int:
    """Trains the runs that the words ask for, one after another."""
    if launcher.is_worker():
        return _train_as_rank(plugins)
    from autotune.config.rules.hub import distinct_push_targets
    from autotune.config.rules.search import not_searched
    from autotune.pipeline import launch
    from autotune.run.resume import members

    runs = members(words)
    if not runs:
        return 0
    configs = [member.config for member in runs]
    _refuse_shared_sweep(len(runs))
    raise_all(list(not_searched(configs)))
    raise_all(list(distinct_push_targets(configs)))
    set_offline_mode(configs)
    if len(runs) == 1 and (count := launch.num_processes(configs[0])) > 1:
        return launch.train_in_processes(configs[0], count)
    # A process that has not imported torch yet can be forked: the copy verifies the saved model later without imports.
    can_fork = "torch" not in sys.modules and launcher.rank() == 0
    with uncollected():
        from autotune.cli import multirun

    if can_fork:
        child_process.prepare()
    return multirun.train(runs, plugins)


def _train_as_rank(plugins: Sequence[str]) -> int:
    """Trains a run that was composed by the process that has started this one."""
    from autotune.config.load import parse_yaml

    config = parse_yaml(workers.read_config())
    can_fork = "torch" not in sys.modules and launcher.rank() == 0
    with uncollected():
        from autotune.pipeline.train import train

    if can_fork:
        child_process.prepare()
    return train(config, plugins)


def _refuse_shared_sweep(count: int) -> None:
    if count > 1 and launcher.world_size() > 1:
        raise ConfigError(
            "a sweep is not shared by the processes of a launcher; each of its runs can have processes of its own",
            where="--multirun",
            found=f"{count} runs in {launcher.world_size()} processes",
            fix="autotune -m … launcher.num_processes=N, without torchrun, srun or accelerate launch",
        )


COMMAND = Command(
    "train",
    "[group=option …] [key=value …]",
    "fine-tune, evaluate, save and verify (the default)",
    run,
    "task=sentiment model=bertimbau_base dataset=csv dataset.path=reviews.csv",
    COMPOSED,
    distributed=True,
    logs_to_stdout=True,
)
