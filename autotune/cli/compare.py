"""`autotune compare`."""

from collections.abc import Sequence
from pathlib import Path

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, Command
from autotune.cli.tables import TABLE_FLAGS, add_output, check_output, write
from autotune.errors import ConfigError


def run(words: list[str], _: Sequence[str]) -> int:
    """Compares finished runs on the rows that all of them have predicted."""
    parser = Parser(COMMAND)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders; the first one is the reference")
    parser.add_argument("--split", help="split to compare (default: test, else validation)")
    add_output(parser)
    arguments = parser.parse_intermixed_args(words)
    paths = list({Path(path).expanduser().resolve(): path for path in reversed(arguments.runs)}.values())[
        ::-1
    ]
    if len(paths) < 2:
        raise ConfigError(
            "a comparison needs two different runs", where="autotune compare", found=" ".join(arguments.runs)
        )
    check_output(arguments)
    from autotune.pipeline import compare_tables
    from autotune.pipeline.compare import compare

    comparison = compare(paths, arguments.split)
    return write(
        arguments,
        compare_tables.sentences(comparison),
        compare_tables.tables(comparison),
        lambda: compare_tables.page(comparison),
    )


COMMAND = Command(
    "compare",
    "RUN RUN … [-o compare.html]",
    "compare finished runs on the same rows, with paired tests",
    run,
    "runs/first runs/second",
    COMMON | TABLE_FLAGS | {"--split": "train validation test"},
    takes_files=True,
)
