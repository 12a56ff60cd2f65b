"""What a command is. Adding one: a file beside this one with a `COMMAND`, its name in `main.COMMANDS`, and a test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

FILES = "*"
"""The value of a flag is a file or a folder."""
COMMON = {"--plugin": FILES, "--debug": "", "--help": ""}
"""Flags of every command."""
COMPOSED = COMMON | {
    "--multirun": "", "-m": "", "--config-dir": FILES, "--cfg": "job hydra all", "--resolve": "", "--package": "-",
    "--info": "all config defaults defaults-tree plugins searchpath",
}  # fmt: skip
"""Flags of the commands that compose a configuration; Hydra reads them."""
FORMATS = "csv tsv json jsonl parquet arrow xlsx conll spans brat fasttext"
"""Values of --format and --to where a data set is meant."""


@dataclass(frozen=True)
class Command:
    """A command of the command line."""

    name: str
    usage: str
    """Arguments, as `autotune --help` prints them behind the name."""
    help: str
    """One line of `autotune --help`."""
    run: Callable[[list[str], Sequence[str]], int]
    """Takes the words behind the name, and the files given with --plugin; returns the exit code. Imports what is heavy itself."""
    example: str
    """A command line, without `autotune`, that `autotune COMMAND --help` shows first."""
    flags: Mapping[str, str] = field(default_factory=lambda: COMMON)
    """For shell completion, the values of each flag: none, `FILES`, names separated by blanks, or - for any text."""
    words: str = ""
    """Its arguments, where they are words out of a list."""
    takes_files: bool = False
    """Whether arguments without a flag are files."""
    distributed: bool = False
    """Whether several processes may run it together."""
    logs_to_stdout: bool = False
    """Whether stdout is for people; else it is for the output alone, and logging goes to stderr."""
    writes_scratch: bool = True
    """Whether it needs a folder for temporary files."""
