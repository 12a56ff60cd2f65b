"""Reads the configuration file of another tool: within limits, without secrets, and with the line of each key."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autotune.config.load import flatten
from autotune.config.rules.addresses import URL
from autotune.config.secrets import holds_token, secret_in, secrets
from autotune.errors import ConfigError, shell_words
from autotune.runtime.files import read_errors
from autotune.runtime.parsing import Unreadable, parse_json, parse_yaml, read_bytes, text_of

MAX_BYTES = 1_000_000
"""Maximum bytes of a configuration; real ones have a few thousand."""


@dataclass(frozen=True)
class OldFile:
    """A configuration of another tool."""

    path: Path
    values: Mapping[str, Any]
    """By dotted key, as the file has them."""
    lines: Mapping[str, int]
    """Line of each key and section, from 1; empty if they are unknown."""

    def where(self, key: str) -> str:
        """Returns where a key is, or, if the file lacks it, where its section begins."""
        section = key
        while section not in self.lines and section:
            section = section.rpartition(".")[0]
        line = f":{self.lines[section]}" if section else ""
        return f"{self.path}{line} ({key})"


def read_old_file(name: str) -> OldFile:
    """Reads a YAML or JSON file.

    Raises:
        ConfigError: it is a web address, does not exist, has no keys, or holds a token or a secret of the environment.
        DiskError: it cannot be read.
    """
    if URL.match(name):
        raise ConfigError(
            "configurations are not read from web addresses",
            where=name,
            fix=f"download it, then autotune migrate {shell_words(Path(name.partition('?')[0]).name or 'FILE')}",
        )
    path = Path(name).expanduser()
    try:
        with read_errors(path, elsewhere="autotune migrate FILE"):
            content = read_bytes(path)
        if len(content) > MAX_BYTES:
            raise Unreadable(f"it has more than {MAX_BYTES:,} bytes")
        text = text_of(content).removeprefix("\ufeff")
        _refuse_secrets(text, path)
        values = parse_json(text) if path.suffix.lower() == ".json" else parse_yaml(text)
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file or folder", where=name, fix="autotune migrate FILE"
        ) from error
    except Unreadable as error:
        raise ConfigError("the configuration cannot be read", where=name, found=str(error)) from error
    if not isinstance(values, Mapping) or not values:
        raise ConfigError("the file holds no keys", where=name, fix="autotune migrate autotrain.yml")
    return OldFile(
        path, {key.replace("-", "_"): value for key, value in flatten(values).items()}, _lines(text)
    )


def _refuse_secrets(text: str, path: Path) -> None:
    """Raises ConfigError for the first line with a token or a secret; the error does not repeat it."""
    names = secrets()
    for number, line in enumerate(text.splitlines(), 1):
        if holds_token(line):
            raise token_in_file(f"{path}:{number}")
        if name := secret_in(line, names):
            raise ConfigError(
                f"the file holds the value of the environment variable {name}; it is copied nowhere",
                where=f"{path}:{number}",
                fix=f"remove it; if it is not a secret: env -u {name} autotune migrate …",
            )


def token_in_file(where: str) -> ConfigError:
    """Returns the error for a Hub token that is written in the file itself."""
    return ConfigError(
        "the file holds a Hub token; it is copied nowhere",
        where=where,
        fix="token: ${HF_TOKEN} in its place; and make a new token, this one was seen",
    )


def _lines(text: str) -> dict[str, int]:
    """Returns the line of each dotted key; JSON is read as YAML, which may fail for tabs."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return {}
    lines: dict[str, int] = {}
    nodes = [("", root)]
    while nodes:
        prefix, node = nodes.pop()
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            name = f"{prefix}{key.value}".replace("-", "_")
            lines[name] = key.start_mark.line + 1
            nodes.append((f"{name}.", value))
    return lines
