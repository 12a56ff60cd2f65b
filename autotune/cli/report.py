"""`autotune report`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, FILES, Command

LANGUAGES = "pt en"
"""Values of --language."""


def run(words: list[str], _: Sequence[str]) -> int:
    """Writes the report of a finished run, or of `autotune auto`, again, from its folder alone."""
    parser = Parser(COMMAND)
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, or of autotune auto")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page (default: report.html in the run folder)"
    )
    parser.add_argument(
        "--language",
        choices=LANGUAGES.split(),
        help="default: hub.language of the run; of autotune auto, your language",
    )
    arguments = parser.parse_intermixed_args(words)
    from autotune.auto.folder import is_auto
    from autotune.config.enums import CardLanguage

    folder = Path(arguments.run).expanduser()
    if is_auto(folder):
        from autotune.auto.report import write_report
    else:
        from autotune.reporting.page import write_report
    output = None if arguments.output is None else Path(arguments.output).expanduser()
    language = None if arguments.language is None else CardLanguage(arguments.language)
    path = write_report(folder, output, language)
    sys.stdout.write(f"{path}\n")
    return 0


COMMAND = Command(
    "report",
    "RUN [-o FILE] [--language en]",
    "write report.html of a finished run: scores, curves, errors",
    run,
    "runs/my-run --language en",
    COMMON | {"-o": FILES, "--output": FILES, "--language": LANGUAGES},
    takes_files=True,
    writes_scratch=False,
)
