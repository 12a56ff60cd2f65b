"""Arguments of the commands that take no configuration, and our messages where they are wrong."""

import argparse
import math
import os
import re
from typing import NoReturn

from autotune.cli.command import Command
from autotune.errors import ConfigError

OVERRIDE = re.compile(r"[+~]*[A-Za-z_][\w./@-]*=")


def days(text: str) -> float:
    """A number of days: 30, 0.5 or 30d."""
    number = float(text.removesuffix("d"))
    if not 0 <= number < math.inf:
        raise ValueError(text)
    return number


class Parser(argparse.ArgumentParser):
    """argparse that raises our errors, and shows an example first.

    Args:
        command: whose arguments these are.
    """

    def __init__(self, command: Command) -> None:
        super().__init__(prog=f"autotune {command.name}", description=f"{command.help}.", allow_abbrev=False)
        self._example = f"example: autotune {command.name} {command.example}"

    def format_help(self) -> str:
        """Returns the help text."""
        return f"{self._example}\n\n{super().format_help()}"

    def offer(self, *names: str) -> None:
        """Adds arguments that several commands have."""
        if "--format" in names:
            self.add_argument("--format", metavar="FORM", help="of what is read, if its name does not say it")
        if "--force" in names:
            self.add_argument("--force", action="store_true", help="overwrite a file that exists")

    def take_overrides(self, words: list[str]) -> list[str]:
        """Takes key=value out of the words; values of flags, and files that are called so, stay."""
        taken, rest, before = [], [], ""
        for word in words:
            flag = self._option_string_actions.get(before)
            value = flag is not None and flag.nargs is None
            if not value and OVERRIDE.match(word) and not os.path.lexists(word):
                taken.append(word)
            else:
                rest.append(word)
            before = word
        words[:] = rest
        return taken

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, where=self.prog, fix=" ".join(self.format_usage().split()))
