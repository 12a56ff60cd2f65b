"""Names of classes and tags, as far as the configuration knows them: `dataset.label_map`, and what a tag looks like."""

import re
from collections.abc import Mapping

from autotune.config.label_maps import EXAMPLE, NULL, Entry, merge_entries, normalize_label
from autotune.config.schema import DatasetConfig
from autotune.errors import ConfigError

TAG = re.compile(r"O|[BIESLU]-.+")
ALMOST = re.compile(r"(?P<first>[BIESLUbieslu])[-_](?P<after>.+)|(?P<before>.+)[-_](?P<last>[BIESLU])")
"""Tags as some corpora write them: B_PER, b-per, PER-B."""


def label_map(config: DatasetConfig) -> dict[str, str | None]:
    """`dataset.label_map` with canonical keys and values; the key of missing labels is `null`.

    Raises:
        ConfigError: it is not a map, or two of its keys are the same label.
    """
    if config.label_map is None:
        return {}
    if not isinstance(config.label_map, Mapping):
        raise ConfigError(
            "label_map maps labels to labels",
            where="dataset.label_map",
            found=str(config.label_map),
            fix=EXAMPLE,
        )
    given = merge_entries(
        [
            Entry(NULL if key is None else str(key), None if value is None else str(value))
            for key, value in config.label_map.items()
        ]
    )
    return {normalize_label(key) or NULL: normalize_label(value) for key, value in given.items()}


def repaired_type(name: str) -> str | None:
    """The name that can be scored in place of an entity type that cannot; None where it can.

    seqeval strips hyphens from both ends of a type, which makes one of two, and reads B- and the like as part of the tag.
    """
    plain = name.strip().strip("-").strip()
    while re.match(r"[BI]-.", plain):
        plain = plain[2:].strip("- ")
    return None if plain == name else plain or "O"


def repaired_tag(tag: str) -> str | None:
    """B-PER for B_PER, b-per or PER-B, and O for o; None for what is written in another way.

    A type all in small letters behind a small prefix becomes one in capitals, as most corpora have it.
    """
    match = ALMOST.fullmatch(tag)
    if tag == "o" or match is None:
        return "O" if tag == "o" else None
    prefix, name = (match["first"], match["after"]) if match["first"] else (match["last"], match["before"])
    return f"{prefix.upper()}-{name.upper() if tag.islower() else name}"
