"""`autotune auto`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, FILES, Command
from autotune.cli.environment import set_hub_mode
from autotune.cli.flags import take_switch
from autotune.errors import ConfigError
from autotune.runtime import child_process
from autotune.runtime.imports import uncollected

RESUME, REPLAY = "resume", "replay"
PLACE = {"name", "runs"}
"""Keys that may be set beside replay=FOLDER."""


def run(words: list[str], plugins: Sequence[str]) -> int:
    """Searches the best model for data, or continues or repeats an earlier search."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="+",
        help="a file, folder or Hub id, then time=10m, trials=4, goal=small, auto.models=[NAME] or any key of a run; "
        "or resume=FOLDER or replay=FOLDER of an earlier search",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what was understood and what would be tried"
    )
    parser.add_argument("--config-dir", metavar="DIR", help="your own options")
    if {"--help", "-h"} & set(words):
        parser.parse_args(["--help"])
    from autotune.config.overrides import key_of

    dry_run = take_switch(words, "--dry-run")
    keys = [key_of(word) for word in words if "=" in word]
    earlier = next((word for word in words if key_of(word) in (RESUME, REPLAY) and "=" in word), None)
    if earlier is not None:
        rest = [word for word in words if word != earlier]
        if (
            dry_run
            or len(keys) < len(words)
            or not {*map(key_of, rest)} <= (PLACE if REPLAY in keys else set())
        ):
            raise ConfigError(
                "an earlier search continues as it was planned",
                where="autotune auto",
                found=" ".join(words),
                fix="autotune auto resume=FOLDER, or autotune auto replay=FOLDER [name=NAME] [runs=FOLDER]",
            )
    else:
        from autotune.config.auto_words import read_auto

        config, overrides = read_auto(words)
    set_hub_mode()
    can_fork = "torch" not in sys.modules
    with uncollected():
        from autotune.auto import command
        from autotune.pipeline.train import train  # noqa: F401 - forked trials share its imports

    if can_fork:
        child_process.prepare()
    if earlier is None:
        return command.search(config, overrides, plugins, dry_run=dry_run)
    folder = Path(earlier.partition("=")[2]).expanduser()
    return command.resume(folder, plugins) if RESUME in keys else command.replay(folder, rest, plugins)


COMMAND = Command(
    "auto",
    "DATA [time=1h] [key=value …] | resume=DIR",
    "find the best model for a file, and prove it",
    run,
    "reviews.csv time=10m",
    COMMON | {"--dry-run": "", "--config-dir": FILES},
    takes_files=True,
    logs_to_stdout=True,
)
