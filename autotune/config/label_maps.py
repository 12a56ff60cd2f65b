"""Maps of labels as people type them: every key and value stays the text that it is.

YAML and Hydra read `1e3` and `1_000` as one number, `01` as 1 and `yes` as true, and a map keeps one of two equal keys.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from autotune.errors import ConfigError, shell_words

KEY = "dataset.label_map"
NULL = "null"
"""The key of labels that are missing, and of those that are called so."""
NULLS = ("null", "Null", "NULL", "~", "")
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Words that YAML 1.1 reads as a boolean."""
NUMBER = re.compile(r"[-+]?([\d_]*\d[\d_]*([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
INTEGRAL = re.compile(r"(-?\d+)(?:\.0+|,00?)")
"""5.0, and 5,0 or 5,00 where a comma parts decimals; 5,000 may be thousands."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, as broken exports of emoji leave it; no text file can hold it."""
EXAMPLE = "'dataset.label_map={1: negativo, 2: negativo, 5: positivo}'"


class Entry(NamedTuple):
    """One key of a map, with what it becomes."""

    key: str
    value: str | None
    quoted: bool = True
    """Whether the key is in quotes, so that it is surely text."""


def normalize_label(value: Any) -> str | None:
    """The name of a label: text in NFC without outer blanks; null, NaN and blanks are None.

    Files write the same value differently, so 1.0 and 1,0 are 1 and true is True, be they text or not; 01 stays 01.
    """
    if value is None or (isinstance(value, float) and value != value):
        return None
    text = unicodedata.normalize("NFC", SURROGATE.sub("\ufffd", str(value))).strip()
    whole = INTEGRAL.fullmatch(text)
    if whole is not None:
        return str(int(whole[1]))
    return text.capitalize() if text.lower() in ("true", "false") else text or None


def read_map(text: str) -> dict[str, str | None]:
    """The map that a text such as `{1: negativo, 5: positivo}` means.

    Raises:
        ConfigError: it is not a map, or two of its keys are one.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if isinstance(node, yaml.MappingNode) and any(_without_value(value) for _, value in node.value):
            node = yaml.compose(re.sub(r":(?=\S)", ": ", text), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _no_map(text) from error
    if not isinstance(node, yaml.MappingNode):
        raise _no_map(text)
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
    """The entries of a map as they were typed.

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
        null = value.style is None and value.value in NULLS
        missing = key.style is None and key.value in NULLS
        entries.append(
            Entry(NULL if missing else key.value, None if null else value.value, key.style is not None)
        )
    return entries


def merge_entries(entries: Sequence[Entry]) -> dict[str, str | None]:
    """The entries as one map.

    Raises:
        ConfigError: two keys with different values are one label, or one number or boolean without quotes.
    """
    made: dict[str, str | None] = {}
    seen: dict[Any, Entry] = {}
    for entry in entries:
        readings = [("label", normalize_label(entry.key))]
        if not entry.quoted:
            readings.append(("value", _read(entry.key)))
        for reading in readings:
            before = seen.setdefault(reading, entry)
            if normalize_label(before.value) != normalize_label(entry.value):
                raise _one_key(before, entry, entries, same=reading[0] == "label")
        made[entry.key] = entry.value
    return made


def literal(entries: Mapping[str, str | None]) -> str:
    """The override of a map, with every key in quotes."""
    pairs = (
        f"{json.dumps(key, ensure_ascii=False)}: {'null' if value is None else json.dumps(value, ensure_ascii=False)}"
        for key, value in entries.items()
    )
    return shell_words(f"{KEY}={{{', '.join(pairs)}}}")


def _read(text: str) -> Any:
    """What a key without quotes is to YAML or to Hydra: a number, a boolean, null or text."""
    if text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()], "boolean"
    return float(text.replace("_", "").replace(",", ".")) if NUMBER.fullmatch(text) else text


def _one_key(one: Entry, other: Entry, entries: Sequence[Entry], *, same: bool) -> ConfigError:
    said = one.key if one.key == other.key else f"{one.key} and {other.key}"
    quoted = {entry.key: entry.value for entry in entries}
    return ConfigError(
        f"two keys of label_map are the same label: {said}"
        if same
        else f"two keys of label_map are one value: {said}",
        where=KEY,
        found=f"{one.key}: {one.value}, {other.key}: {other.value}",
        fix="leave one of them out" if same else f"{literal(quoted)} keeps both, as text",
    )


def _without_value(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value == ""


def _no_map(text: str) -> ConfigError:
    return ConfigError("label_map maps labels to labels", where=KEY, found=text, fix=EXAMPLE)
