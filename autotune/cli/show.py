"""`autotune show`."""

import sys
from collections.abc import Sequence

from autotune.cli.command import COMPOSED, Command


def run(words: list[str], _: Sequence[str]) -> int:
    """Prints the composed configurations as YAML."""
    from autotune.config.load import dump_config
    from autotune.run.resume import members

    sys.stdout.write("---\n".join(dump_config(member.config) for member in members(words)))
    return 0


COMMAND = Command(
    "show",
    "[group=option …] [key=value …]",
    "print the composed configuration and stop",
    run,
    "task=ner model=bertimbau_base peft=lora",
    COMPOSED,
    writes_scratch=False,
)
