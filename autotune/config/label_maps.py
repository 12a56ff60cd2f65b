"""Reads maps of labels as typed: every key and value stays text.

YAML and Hydra would read `1e3` and `1_000` as the same number, `01` as 1 and `yes` as true, and of two equal keys a map
keeps only one.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import yaml

from autotune.errors import ConfigError, shell_words

KEY = "dataset.label_map"
NULL = "null"
"""The key for missing labels, and for labels called null."""
NULLS = ("null", "Null", "NULL", "~", "")
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Words that YAML 1.1 reads as a boolean."""
NUMBER = re.compile(r"[-+]?([\d_]*\d[\d_]*([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
INTEGRAL = re.compile(r"(-?\d+)(?:\.0+|,00?)")
"""5.0, and with a decimal comma 5,0 or 5,00; not 5,000, where the comma may separate thousands."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, left by broken exports of emoji; UTF-8 cannot encode it."""
EXAMPLE = "'dataset.label_map={1: negativo, 2: negativo, 5: positivo}'"


class Entry(NamedTuple):
    """One key of a map and its value."""

    key: str
    value: str | None
    quoted: bool = True
    """Whether the key is in quotes and therefore certainly text."""


def normalize_label(value: Any) -> str | None:
    """Returns the name of a label: text in NFC without outer blanks; None for null, NaN and blanks.

    Files write the same value in different ways, so 1.0 and 1,0 become 1, and true becomes True, even if they are text;
    01 stays 01.
    """
    if value is None or (isinstance(value, float) and value != value):
        return None
    return _normalize_text(str(value))


@lru_cache(1024)
def _normalize_text(text: str) -> str | None:
    """Returns the name of a label that is text; a corpus has few different ones."""
    text = unicodedata.normalize("NFC", SURROGATE.sub("\ufffd", text)).strip()
    match = INTEGRAL.fullmatch(text)
    if match is not None:
        return str(int(match[1]))
    return text.capitalize() if text.lower() in ("true", "false") else text or None


def read_map(text: str) -> dict[str, str | None]:
    """Reads a map written as `{1: negativo, 5: positivo}`.

    Raises:
        ConfigError: the text is not a map, or two of its keys are the same.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if isinstance(node, yaml.MappingNode) and any(_without_value(value) for _, value in node.value):
            # YAML needs a blank after the colon; {1:negativo} is one key without a value.
            node = yaml.compose(re.sub(r":(?=\S)", ": ", text), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _not_a_map(text) from error
    if not isinstance(node, yaml.MappingNode):
        raise _not_a_map(text)
    entries = entries_of(node)
    for entry, (_, value) in zip(entries, node.value, strict=True):
        if _without_value(value):
            raise ConfigError(
                f"the key {entry.key} has no value",
                where=KEY,
                found=text,
                fix="KEY: NAME for each, null to drop its rows; put a key or name with a comma in quotes: {'4,5': bom}",
            )
    return merge_entries(entries)


def entries_of(node: yaml.MappingNode) -> list[Entry]:
    """Returns the entries of a map as typed.

    Raises:
        ConfigError: a key or value is a list or a map.
    """
    entries = []
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
            raise ConfigError(
                "label_map maps labels to labels",
                where=KEY,
                found=f"line {key.start_mark.line + 1}: a list or a map inside of it",
                fix=EXAMPLE,
            )
        drops_rows = value.style is None and value.value in NULLS
        is_missing = key.style is None and key.value in NULLS
        entries.append(
            Entry(
                NULL if is_missing else key.value, None if drops_rows else value.value, key.style is not None
            )
        )
    return entries


def merge_entries(entries: Sequence[Entry]) -> dict[str, str | None]:
    """Merges entries into one map.

    Raises:
        ConfigError: two keys with different values are the same label or, without quotes, the same number or boolean.
    """
    merged: dict[str, str | None] = {}
    seen: dict[Any, Entry] = {}
    for entry in entries:
        readings = [("label", normalize_label(entry.key))]
        if not entry.quoted:
            readings.append(("value", _read_unquoted(entry.key)))
        for reading in readings:
            first = seen.setdefault(reading, entry)
            if normalize_label(first.value) != normalize_label(entry.value):
                raise _conflict(first, entry, entries, same=reading[0] == "label")
        merged[entry.key] = entry.value
    return merged


def label_map_override(entries: Mapping[str, str | None]) -> str:
    """Returns the override that sets `dataset.label_map`, with every key in quotes."""
    pairs = (
        f"{json.dumps(key, ensure_ascii=False)}: {'null' if value is None else json.dumps(value, ensure_ascii=False)}"
        for key, value in entries.items()
    )
    return shell_words(f"{KEY}={{{', '.join(pairs)}}}")


def _read_unquoted(text: str) -> Any:
    """Returns what YAML or Hydra reads for a key without quotes: a number, a boolean or text."""
    if text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()], "boolean"
    return float(text.replace("_", "").replace(",", ".")) if NUMBER.fullmatch(text) else text


def _conflict(first: Entry, second: Entry, entries: Sequence[Entry], *, same: bool) -> ConfigError:
    names = first.key if first.key == second.key else f"{first.key} and {second.key}"
    quoted = {entry.key: entry.value for entry in entries}
    return ConfigError(
        f"two keys of label_map are the same label: {names}"
        if same
        else f"two keys of label_map are one value: {names}",
        where=KEY,
        found=f"{first.key}: {first.value}, {second.key}: {second.value}",
        fix="leave one of them out" if same else f"{label_map_override(quoted)} keeps both, as text",
    )


def _without_value(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value == ""


def _not_a_map(text: str) -> ConfigError:
    return ConfigError("label_map maps labels to labels", where=KEY, found=text, fix=EXAMPLE)
