"""`autotune schema`."""

import json
import sys
from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import Command


def run(words: list[str], _: Sequence[str]) -> int:
    """Prints the JSON Schema of the configuration, for editors."""
    Parser(COMMAND).parse_args(words)
    from autotune.config.reference import json_schema

    sys.stdout.write(json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n")
    return 0


COMMAND = Command(
    "schema",
    "",
    "print the JSON Schema of the configuration, for editors",
    run,
    "> autotune.schema.json",
    writes_scratch=False,
)
