"""`autotune table`."""

from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, Command
from autotune.cli.tables import TABLE_FLAGS, add_output, check_output, write


def run(words: list[str], _: Sequence[str]) -> int:
    """Prints the runs of some folders, ranked among those that were scored on the same rows."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="+", help="run folders, or folders in which runs are searched"
    )
    add_output(parser)
    arguments = parser.parse_intermixed_args(words)
    check_output(arguments)
    from autotune.pipeline import leaderboard

    board = leaderboard.leaderboard(arguments.folders)
    output = arguments.output or ""
    wants_csv = arguments.format == "csv" if not output else output.lower().endswith(".csv")
    tables = [leaderboard.csv_table(board)] if wants_csv else leaderboard.tables(board)
    return write(arguments, [], tables, lambda: leaderboard.page(board))


COMMAND = Command(
    "table",
    "FOLDER … [-o table.html]",
    "leaderboard of run folders, one for each test set",
    run,
    "runs",
    COMMON | TABLE_FLAGS,
    takes_files=True,
)
