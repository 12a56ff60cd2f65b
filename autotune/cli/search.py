"""`autotune search`."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from autotune.cli.command import COMPOSED, Command
from autotune.cli.environment import set_offline_mode
from autotune.errors import ConfigError
from autotune.runtime import child_process
from autotune.runtime.imports import uncollected


def run(words: list[str], plugins: Sequence[str]) -> int:
    """Runs the trials of a study, or prints the table of an existing one."""
    if find_spec("optuna") is None:
        raise ConfigError(
            "a search needs optuna, which is not installed", fix="pip install 'autotune[search]'"
        )
    if len(words) == 1 and "=" not in words[0] and not words[0].startswith("-"):
        from autotune.pipeline.search import report

        return report(Path(words[0]).expanduser())
    from autotune.config.compose import members
    from autotune.config.trials import refuse_faults

    runs = members(words)
    if not runs:
        return 0
    if len(runs) > 1:
        raise ConfigError(
            "a search is one study; the values to try are in its spaces", where="--multirun", fix="search=lr"
        )
    if runs[0].config.search is None:
        raise ConfigError("no search is chosen", where="search", fix="search=lr, search=lora or search=small")
    refuse_faults(runs[0])
    set_offline_mode([runs[0].config])
    can_fork = "torch" not in sys.modules
    with uncollected():
        from autotune.pipeline.search import search
        from autotune.pipeline.train import train  # noqa: F401 - forked trials share its imports

    if can_fork:
        child_process.prepare()
    return search(runs[0], plugins)


COMMAND = Command(
    "search",
    "[group=option …] [key=value …] | FOLDER",
    "try values of keys, stop what scores worse, name the best",
    run,
    "search=lr task=ner model=bertimbau_base dataset=lener_br",
    COMPOSED,
    logs_to_stdout=True,
)
