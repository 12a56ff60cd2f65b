"""`autotune sweep`."""

import logging
import sys
from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, Command
from autotune.errors import DiskError

logger = logging.getLogger(__name__)

FORMATS = ("md", "csv")


def run(words: list[str], _: Sequence[str]) -> int:
    """Prints the table of a sweep, finished or not, and writes it into the sweep's folder."""
    parser = Parser(COMMAND)
    parser.add_argument("folder", metavar="FOLDER", help="folder of the sweep: runs/sweep-…")
    parser.add_argument(
        "--format", choices=FORMATS, default="md", help="of what is printed; both are written"
    )
    arguments = parser.parse_intermixed_args(words)
    from autotune.pipeline.folds import pool_folds
    from autotune.run.sweep_folder import SweepFolder
    from autotune.run.sweep_table import to_csv, to_markdown

    sweep = SweepFolder.open(arguments.folder)
    try:
        pool_folds(sweep)
        members = sweep.refresh()
    except DiskError as error:
        logger.warning("the table is printed, and cannot be written: %s", error.found or error.what)
        members = sweep.read()
    pooled = sweep.pooled()
    csv = arguments.format == "csv"
    sys.stdout.write(to_csv(members, pooled) if csv else to_markdown(sweep.path.name, members, pooled))
    return 0


COMMAND = Command(
    "sweep",
    "FOLDER [--format csv]",
    "table of a sweep's runs, over folds and seeds; at any time",
    run,
    "runs/sweep-sentiment-sample-tiny-1f0c3a52",
    COMMON | {"--format": " ".join(FORMATS)},
    takes_files=True,
    writes_scratch=False,
)
