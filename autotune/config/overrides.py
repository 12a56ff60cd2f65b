"""The command line before Hydra sees it: flags first, values that Hydra's grammar refuses put into quotes.

What Hydra's own parser accepts stays as it is.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_origin

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from autotune.config.keys import keys
from autotune.config.label_maps import KEY as LABEL_MAP
from autotune.config.proposals import proposal
from autotune.config.rules import secret_refused, token_refused
from autotune.config.secrets import holds_token, secret_in
from autotune.errors import ConfigError, hydra_quote, nearest
from autotune.runtime.parsing import Unreadable, parse_yaml

SWEEP = ("--multirun", "-m")
SWITCHES = (*SWEEP, "--run", "-r", "--resolve", "--help", "-h")
WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd", "--config-name", "-cn")
INFO = ("--info", "-i")
"""Its value may be missing."""

DEEPEST_VALUE = 20
"""Levels of a value; Hydra's parser takes seconds for some hundreds and then overflows."""
TOPICS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def normalize_argv(argv: Sequence[str]) -> list[str]:
    """Words of a command line, in an order and a spelling that Hydra understands.

    Args:
        argv: flags and overrides in any order.

    Raises:
        ConfigError: an unknown flag, a word that is neither flag nor `key=value`, or a Hub token.
    """
    words = list(argv)
    flags: list[str] = []
    overrides: list[str] = []
    while words:
        word = words.pop(0)
        where = f"command line: {key_of(word)}" if "=" in word else "command line"
        if holds_token(word):
            raise token_refused(where)
        if name := secret_in(word):
            raise secret_refused(where, name)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        flag, _, value = word.partition("=")
        if flag in INFO:
            topic = value or (words.pop(0) if words and words[0] in TOPICS else "all")
            flags.append(f"--info={topic}")
        elif flag in WITH_VALUE:
            if not value and not words:
                raise ConfigError("the flag needs a value", where=flag)
            flags += [flag, value or words.pop(0)]
        elif word in SWITCHES:
            flags.append(word)
        else:
            raise _unknown_flag(flag, value or next((one for one in words if "=" not in one), ""))
    sweeps = not set(SWEEP).isdisjoint(flags)
    return flags + [_accepted(word, sweeps=sweeps) for word in overrides]


def _unknown_flag(flag: str, value: str) -> ConfigError:
    """--learning-rate 3e-5, as other tools have it, is a key here."""
    near = nearest(flag, (*SWITCHES, *WITH_VALUE, *INFO))
    if near is not None:
        return ConfigError("there is no such flag", where=flag, fix=f"did you mean {near}?")
    fix, note = proposal(flag.lstrip("-").replace("-", "_"), value or "true")
    return ConfigError("there is no such flag", where=flag, found=note, fix=fix or "autotune --help")


def key_of(override: str) -> str:
    """The key of an override, without + and ~."""
    return override.split("=", 1)[0].lstrip("+~").split("@")[0]


def _accepted(override: str, *, sweeps: bool) -> str:
    """The override, quoted when Hydra would refuse it, strip a tab off it or read a comma as a sweep."""
    key, equals, value = override.partition("=")
    if _depth(override) > DEEPEST_VALUE:
        raise ConfigError(
            f"the value nests more than {DEEPEST_VALUE} levels of lists and maps",
            where=key[:80] or "the command line",
            found=f"{value[:40]}…",
            fix="a text that holds brackets stands in quotes: \"key='…'\"",
        )
    if key_of(override) == LABEL_MAP and (maps := _maps_in(value)):
        # Hydra would read keys as numbers, of which 1e3 and 1_000 are one, and keep the last.
        return f"{key}={','.join(map(_literal, maps))}"
    if {key, key.rpartition(".")[0]} & _maps():
        key = f"++{key}"  # What a map holds is the user's; Hydra takes it for misspelled keys of ours.
    value = str(Path(value).expanduser()) if value.startswith("~/") else value
    parsed = _parsed(f"{key}{equals}{value}")
    if parsed is not None:
        split = parsed.is_sweep_override() and not sweeps
        if (split or value != value.strip()) and keys().get(key_of(override)) in (str, str | None):
            return f"{key}={_literal(value)}"
        return f"{key}{equals}{value}"
    if not equals and not override.startswith("~"):
        raise ConfigError(
            f"{override!r} is no key=value",
            where="the command line",
            fix="autotune [COMMAND] key=value …; autotune --help lists the commands",
        )
    parts = _parts(value) if sweeps else [value]
    if len(parts) > 1:
        return f"{key}={','.join(_readable(key, part.strip()) for part in parts)}"
    return f"{key}={_readable(key, value)}"


def _readable(key: str, value: str) -> str:
    """A value as it is where Hydra's grammar takes it, else with every text of it in quotes."""
    written = (value, _quoted(value)) if value else ()
    return next((one for one in written if _parsed(f"{key}={one}") is not None), _literal(value))


def _parts(value: str) -> list[str]:
    """The values of a sweep: what commas separate that stand outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for mark in value:
        before = parts[-1].rstrip()[-1:]
        if quote:
            quote = "" if mark == quote and parts[-1][-1:] != "\\" else quote
        elif mark in "'\"" and before in ("", *"[{(,:"):  # not that of d'água
            quote = mark
        else:
            depth += (mark in "[{(") - (mark in "]})" and depth > 0)
        if mark == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += mark
    return parts


def _depth(override: str) -> int:
    """How deeply brackets nest; those in quotes count, too, for no name has so many."""
    depth = deepest = 0
    for mark in override:
        depth += (mark in "[{(") - (mark in "]})" and depth > 0)
        deepest = max(deepest, depth)
    return deepest


def _maps_in(value: str) -> list[str]:
    """The maps that a value consists of: one, or several of a sweep; none where it is something else."""
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
def _maps() -> frozenset[str]:
    """Keys whose values are maps."""
    return frozenset(key for key, kind in keys().items() if get_origin(kind) is dict)


def _parsed(override: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException:
        return None


def _quoted(value: str) -> str:
    """A value in Hydra's grammar with every text in quotes; lists and dicts stay lists and dicts."""
    if value.startswith(("[", "{")):
        try:
            return _literal(parse_yaml(value))
        except Unreadable:
            pass  # It only looks like a list: [rascunho].csv
    return _literal(value)


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return hydra_quote(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
