"""What commands share that print tables: --format, -o FILE, --force."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.cli.arguments import Parser
from autotune.cli.command import FILES
from autotune.errors import ConfigError, listing

if TYPE_CHECKING:
    from argparse import Namespace

    from autotune.runtime.table import Table

TABLE_FORMATS = "text md tex csv"
"""Values of --format where tables are printed."""
SUFFIXES = {".html": "html", ".htm": "html", ".md": "md", ".tex": "tex", ".csv": "csv", ".txt": "text"}
"""Suffixes of -o FILE, and the form that each says."""
TABLE_FLAGS = {"--format": TABLE_FORMATS, "-o": FILES, "--output": FILES, "--force": ""}


def add_output(parser: Parser) -> None:
    """Adds the arguments to a command."""
    parser.add_argument(
        "--format",
        choices=TABLE_FORMATS.split(),
        default="text",
        help="of what is printed: plain text, Markdown, LaTeX (booktabs) or CSV",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write a file instead: .html (with charts), .md, .tex, .csv or .txt",
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE")


def check_output(arguments: "Namespace") -> None:
    """Looks, before any work, whether the file may be written.

    Raises:
        ConfigError: its suffix is unknown, or it exists and --force is missing.
    """
    if arguments.output is None:
        return
    path = Path(arguments.output).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            "the output name has no known suffix",
            where=arguments.output,
            found=f"known suffixes: {listing(SUFFIXES)}",
            fix="-o tables.html",
        )
    if os.path.lexists(path) and not arguments.force:
        raise ConfigError(
            "the output exists and is only overwritten with --force",
            where=str(path),
            fix="another name, or --force",
        )


def write(
    arguments: "Namespace", sentences: Sequence[str], tables: "Sequence[Table]", page: Callable[[], str]
) -> int:
    """Prints the tables, or writes them into a file; returns the exit code.

    Args:
        arguments: those of `add_output`.
        sentences: lines before the tables.
        tables: in the user's language.
        page: returns them as HTML.

    Raises:
        DiskError: the file cannot be written.
    """
    from autotune.config.secrets import redact
    from autotune.runtime.files import OUTPUT, atomic_write
    from autotune.runtime.table import render

    if arguments.output is None:
        sys.stdout.write(render(tables, arguments.format, sentences))
        return 0
    path = Path(arguments.output).expanduser()
    form = SUFFIXES[path.suffix.lower()]
    text = page() if form == "html" else render(tables, form, sentences)
    with atomic_write(path, elsewhere=OUTPUT) as file:
        file.write(redact(text).encode("utf-8", "replace"))
    sys.stdout.write(f"{path}\n")
    return 0
