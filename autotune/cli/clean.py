"""`autotune clean`."""

from collections.abc import Sequence

from autotune.cli.arguments import Parser, days
from autotune.cli.command import COMMON, Command


def run(words: list[str], _: Sequence[str]) -> int:
    """Removes what no process uses from the cache of a folder of runs."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "runs", metavar="RUNS", nargs="?", default="runs", help="folder of runs (default: runs)"
    )
    parser.add_argument(
        "--older-than", metavar="DAYS", type=days, default=0, help="keep what was used since then"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    arguments = parser.parse_intermixed_args(words)
    from autotune.pipeline.clean import clean

    return clean(arguments.runs.removeprefix("runs="), arguments.older_than, dry_run=arguments.dry_run)


COMMAND = Command(
    "clean",
    "[RUNS] [--older-than DAYS]",
    "remove cached tables that no process uses",
    run,
    "runs --older-than 30 --dry-run",
    COMMON | {"--older-than": "-", "--dry-run": ""},
    takes_files=True,
    logs_to_stdout=True,
    writes_scratch=False,
)
