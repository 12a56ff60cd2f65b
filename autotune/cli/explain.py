"""`autotune explain`."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from autotune.cli.command import COMMON, FILES, Command
from autotune.errors import ConfigError, shell_words


def run(words: list[str], _: Sequence[str]) -> int:
    """Prints what a key does, its type, default and value, and who gives it that value."""
    from autotune.config.keys import defaults, keys, suggest
    from autotune.config.origin import origin_of
    from autotune.config.reference import descriptions, type_name
    from autotune.run.resume import members

    if not words or words[0].startswith("-") or "=" in words[0]:
        if {"--help", "-h"} & set(words):
            sys.stdout.write(f"example: autotune explain {COMMAND.example}\n\nusage: autotune explain {COMMAND.usage}\n\n"
                             f"{COMMAND.help}.\n\n"
                             "  -h, --help        this text\n  --config-dir DIR  your own options\n")  # fmt: skip
            return 0
        raise ConfigError(
            "which key?", where="autotune explain", fix="autotune explain trainer.learning_rate"
        )
    key, *overrides = words
    texts = descriptions()
    inside = [name for name in keys() if name.startswith(f"{key}.")]
    if key not in texts and not inside:
        near = suggest(key)
        raise ConfigError(
            f"there is no key {key!r}",
            where="autotune explain",
            fix=f"autotune {shell_words('explain', near)}"
            if near
            else "autotune show, which prints all keys",
        )
    lines = [key, *(f"  {line}" for line in texts.get(key, "").splitlines())]
    if key in keys():
        runs = members(overrides)
        value = _at(asdict(runs[0].config), key) if runs else None
        origin, written = origin_of(key, overrides)
        filled_in = (
            ", where it is null; autotune fills it in" if written is None and value is not None else ""
        )
        lines += [
            f"  type     {type_name(keys()[key])}",
            f"  default  {_shown(defaults()[key])}",
            f"  value    {_shown(value)}",
            f"  from     {origin}{filled_in}",
        ]
    else:
        lines += [f"  {name}: {texts[name].splitlines()[0]}" for name in inside if name in texts]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _at(values: Any, key: str) -> Any:
    """Returns a value by its dotted key; None in a section that is absent, and for the key of another task."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


COMMAND = Command(
    "explain",
    "KEY [group=option …] [key=value …]",
    "what a key does, and where its value comes from",
    run,
    "trainer.learning_rate peft=lora",
    COMMON | {"--config-dir": FILES},
    writes_scratch=False,
)
