"""`autotune watch`."""

from collections.abc import Sequence
from pathlib import Path

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, Command


def run(words: list[str], _: Sequence[str]) -> int:
    """Shows how a run or a sweep goes, until it ends; returns its exit code."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        default="runs",
        help="run, sweep, or folder of runs: the newest (default: runs)",
    )
    parser.add_argument("--once", action="store_true", help="show it once, as outside of a terminal")
    arguments = parser.parse_intermixed_args(words)
    from autotune.pipeline.watch import watch

    return watch(Path(arguments.run).expanduser(), once=arguments.once)


COMMAND = Command(
    "watch",
    "[RUN] [--once]",
    "show how a run or a sweep goes: progress, curves, warnings",
    run,
    "runs/my-run",
    COMMON | {"--once": ""},
    takes_files=True,
    writes_scratch=False,
)
