"""`autotune compare`."""

import sys
from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, Command
from autotune.errors import ConfigError

TABLE_FORMATS = "text md tex csv"
"""Values of --format where tables are printed."""


def run(words: list[str], _: Sequence[str]) -> int:
    """Compares finished runs on the rows that all of them have predicted."""
    parser = Parser(COMMAND)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders; the first one is the reference")
    parser.add_argument("--split", help="split to compare (default: test, else validation)")
    parser.add_argument(
        "--format",
        choices=TABLE_FORMATS.split(),
        default="text",
        help="plain text, Markdown, LaTeX (booktabs) or CSV",
    )
    arguments = parser.parse_intermixed_args(words)
    if len(set(arguments.runs)) < 2:
        raise ConfigError(
            "a comparison needs two different runs", where="autotune compare", found=" ".join(arguments.runs)
        )
    from autotune.pipeline import compare
    from autotune.runtime.table import FORMATS

    comparison = compare.compare(arguments.runs, arguments.split)
    tables = [
        compare.scores_table(comparison),
        compare.differences_table(comparison),
        compare.changes_table(comparison),
        compare.settings_table(comparison),
    ]
    sys.stdout.write("\n".join(FORMATS[arguments.format](table) for table in tables))
    return 0


COMMAND = Command(
    "compare",
    "RUN RUN … [--format md]",
    "compare finished runs on the same rows, with paired tests",
    run,
    "runs/first runs/second",
    COMMON | {"--format": TABLE_FORMATS, "--split": "train validation test"},
    takes_files=True,
)
