"""`autotune train`, the default command."""

import sys
from collections.abc import Sequence

from autotune.cli.command import COMPOSED, Command
from autotune.cli.environment import set_offline_mode
from autotune.errors import raise_all
from autotune.runtime import child_process, launcher
from autotune.runtime.imports import uncollected


def run(words: list[str], plugins: Sequence[str]) -> int:
    """Trains the runs that the words ask for, one after another."""
    from autotune.config.rules.hub import distinct_push_targets
    from autotune.config.rules.search import not_searched
    from autotune.run.resume import members

    runs = members(words)
    if not runs:
        return 0
    configs = [member.config for member in runs]
    raise_all(list(not_searched(configs)))
    raise_all(list(distinct_push_targets(configs)))
    set_offline_mode(configs)
    # A process that has not imported torch yet can be forked: the copy verifies the saved model later without imports.
    can_fork = "torch" not in sys.modules and launcher.rank() == 0
    with uncollected():
        from autotune.cli import multirun

    if can_fork:
        child_process.prepare()
    return multirun.train(runs, plugins)


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
