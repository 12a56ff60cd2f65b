"""Prepares the command line for Hydra: flags first, and quotes around values that Hydra's grammar refuses.

What Hydra's parser accepts is left unchanged.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_origin

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from autotune.config.keys import bare_type, keys
from autotune.config.label_maps import KEY as LABEL_MAP
from autotune.config.proposals import proposal
from autotune.config.rules import secret_refused, token_refused
from autotune.config.secrets import holds_token, secret_in, secrets
from autotune.errors import ConfigError, hydra_quote, nearest
from autotune.runtime.parsing import Unreadable, parse_yaml

SWEEP_FLAGS = ("--multirun", "-m")
SWITCHES = (*SWEEP_FLAGS, "--run", "-r", "--resolve", "--help", "-h")
FLAGS_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd", "--config-name", "-cn")
INFO_FLAGS = ("--info", "-i")
"""Flags whose value is optional."""

MAX_NESTING = 20
"""Maximal levels of a value; for a few hundred, Hydra's parser takes seconds and then overflows the stack."""
INFO_TOPICS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def normalize_argv(argv: Sequence[str]) -> list[str]:
    """Returns the words of a command line in an order and spelling that Hydra accepts.

    Args:
        argv: flags and overrides in any order.

    Raises:
        ConfigError: an unknown flag, a word that is neither flag nor `key=value`, a Hub token, or a secret.
    """
    words = list(argv)
    flags: list[str] = []
    overrides: list[str] = []
    names = secrets()
    while words:
        word = words.pop(0)
        where = f"command line: {key_of(word)}" if "=" in word else "command line"
        if holds_token(word):
            raise token_refused(where)
        if name := secret_in(word, names):
            raise secret_refused(where, name)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        flag, _, value = word.partition("=")
        if flag in INFO_FLAGS:
            topic = value or (words.pop(0) if words and words[0] in INFO_TOPICS else "all")
            flags.append(f"--info={topic}")
        elif flag in FLAGS_WITH_VALUE:
            if not value and not words:
                raise ConfigError("the flag needs a value", where=flag)
            flags += [flag, value or words.pop(0)]
        elif word in SWITCHES:
            flags.append(word)
        else:
            raise _unknown_flag(flag, value or next((other for other in words if "=" not in other), ""))
    sweeps = not set(SWEEP_FLAGS).isdisjoint(flags)
    return flags + [_to_hydra(word, sweeps=sweeps) for word in overrides]


def _unknown_flag(flag: str, value: str) -> ConfigError:
    """Returns the error for an unknown flag: a flag of another tool (--learning-rate 3e-5) is a key here."""
    near = nearest(flag, (*SWITCHES, *FLAGS_WITH_VALUE, *INFO_FLAGS))
    if near is not None:
        return ConfigError("unknown flag", where=flag, fix=f"did you mean {near}?")
    fix, note = proposal(flag.lstrip("-").replace("-", "_"), value or "true")
    return ConfigError("unknown flag", where=flag, found=note, fix=fix or "autotune --help")


def key_of(override: str) -> str:
    """Returns the key of an override, without + and ~."""
    return override.split("=", 1)[0].lstrip("+~").split("@")[0]


def _to_hydra(override: str, *, sweeps: bool) -> str:
    """Returns the override, quoted if Hydra would refuse it, strip a tab from it or read a comma as a sweep."""
    key, equals, value = override.partition("=")
    if _nesting_depth(override) > MAX_NESTING:
        raise ConfigError(
            f"the value nests more than {MAX_NESTING} levels of lists and maps",
            where=key[:80] or "the command line",
            found=f"{value[:40]}…",
            fix="a text with brackets needs quotes: \"key='…'\"",
        )
    if key_of(override) == LABEL_MAP and (maps := _maps_in(value)):
        # Hydra would read 1e3 and 1_000 as the same number, and keep only the last of the two keys.
        return f"{key}={','.join(map(_hydra_literal, maps))}"
    if {key, key.rpartition(".")[0]} & _map_keys():
        key = f"++{key}"  # The user chooses the keys of a map; without ++ Hydra refuses them as unknown.
    value = str(Path(value).expanduser()) if value.startswith("~/") else value
    parsed = _try_parse(f"{key}{equals}{value}")
    if parsed is not None:
        split = parsed.is_sweep_override() and not sweeps
        takes_text = bare_type(keys().get(key_of(override))) in (str, str | None)
        if (split or value != value.strip()) and takes_text:
            return f"{key}={_hydra_literal(value)}"
        return f"{key}{equals}{value}"
    if not equals and not override.startswith("~"):
        raise ConfigError(
            f"{override!r} is not key=value",
            where="the command line",
            fix="autotune [COMMAND] key=value …; autotune --help lists the commands",
        )
    parts = split_sweep(value) if sweeps else [value]
    if len(parts) > 1:
        return f"{key}={','.join(_quote_if_needed(key, part.strip()) for part in parts)}"
    return f"{key}={_quote_if_needed(key, value)}"


def _quote_if_needed(key: str, value: str) -> str:
    """Returns the value unchanged if Hydra's grammar accepts it, or else with every text in it quoted."""
    spellings = (value, _quote_texts(value)) if value else ()
    return next(
        (spelling for spelling in spellings if _try_parse(f"{key}={spelling}") is not None),
        _hydra_literal(value),
    )


def split_sweep(value: str) -> list[str]:
    """Splits the values of a sweep at commas outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for char in value:
        before = parts[-1].rstrip()[-1:]
        if quote:
            quote = "" if char == quote and parts[-1][-1:] != "\\" else quote
        elif char in "'\"" and before in ("", *"[{(,:"):  # not the apostrophe in d'água
            quote = char
        else:
            depth += (char in "[{(") - (char in "]})" and depth > 0)
        if char == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _nesting_depth(override: str) -> int:
    """Returns how deeply brackets nest; those in quotes count, too, as no real text has so many."""
    depth = deepest = 0
    for char in override:
        depth += (char in "[{(") - (char in "]})" and depth > 0)
        deepest = max(deepest, depth)
    return deepest


def _maps_in(value: str) -> list[str]:
    """Returns the maps in a value: one, or several of a sweep; none if it is anything else."""
    text = f"[{value}]"
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return []
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    if not all(isinstance(item, yaml.MappingNode) and text[item.start_mark.index] == "{" for item in items):
        return []
    return [text[item.start_mark.index : item.end_mark.index] for item in items]


@cache
def _map_keys() -> frozenset[str]:
    """Returns the keys whose values are maps."""
    return frozenset(key for key, kind in keys().items() if get_origin(kind) is dict)


def _try_parse(override: str) -> Override | None:
    try:
        return _parser().parse_override(override)
    except HydraException:
        return None


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _quote_texts(value: str) -> str:
    """Writes a value in Hydra's grammar with every text in quotes; lists and maps stay lists and maps."""
    if value.startswith(("[", "{")):
        try:
            return _hydra_literal(parse_yaml(value))
        except Unreadable:
            pass  # It only looks like a list: [rascunho].csv
    return _hydra_literal(value)


def _hydra_literal(value: Any) -> str:
    if isinstance(value, str):
        return hydra_quote(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_hydra_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_hydra_literal(item) for item in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
