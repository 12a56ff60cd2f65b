"""Names of classes and tags in the configuration: `dataset.label_map`, and the form of a tag."""

import re
from collections.abc import Mapping

from autotune.config.label_maps import EXAMPLE, NULL, Entry, merge_entries, normalize_label
from autotune.config.schema import DatasetConfig
from autotune.errors import ConfigError

TAG = re.compile(r"O|[BIESLU]-.+")
MALFORMED_TAG = re.compile(r"(?P<first>[BIESLUbieslu])[-_](?P<after>.+)|(?P<before>.+)[-_](?P<last>[BIESLU])")
"""Forms of tags in some corpora: B_PER, b-per, PER-B."""


def label_map(config: DatasetConfig) -> dict[str, str | None]:
    """Returns `dataset.label_map` with normalized keys and values; the key for missing labels is `null`.

    Raises:
        ConfigError: the value is not a map, or two of its keys are the same label.
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
    entries = merge_entries(
        [
            Entry(NULL if key is None else str(key), None if value is None else str(value))
            for key, value in config.label_map.items()
        ]
    )
    return {normalize_label(key) or NULL: normalize_label(value) for key, value in entries.items()}


def repaired_type(name: str) -> str | None:
    """Returns the corrected name of an entity type that cannot be scored; None if it can be.

    seqeval strips hyphens from both ends of a type, so that two types become one, and reads a prefix such as B- as part
    of the tag.
    """
    repaired = name.strip().strip("-").strip()
    while re.match(r"[BI]-.", repaired):
        repaired = repaired[2:].strip("- ")
    return None if repaired == name else repaired or "O"


def repaired_tag(tag: str) -> str | None:
    """Returns B-PER for B_PER, b-per or PER-B, and O for o; None for any other form.

    If prefix and type are both in lower case, the type becomes upper case, as in most corpora.
    """
    match = MALFORMED_TAG.fullmatch(tag)
    if tag == "o" or match is None:
        return "O" if tag == "o" else None
    prefix, name = (match["first"], match["after"]) if match["first"] else (match["last"], match["before"])
    return f"{prefix.upper()}-{name.upper() if tag.islower() else name}"
