"""Recognizes rows that say by their form what they are for: words with tags, texts with entities, answers of annotators."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from autotune.auto.names import points
from autotune.auto.profiles import Profile
from autotune.config.labels import TAG
from autotune.data.formats.spans import has_entities

MAX_TYPES = 60
"""More different tags than this are not tags of entities."""
MIN_EQUAL = 0.99
"""Share of rows with as many tags as words."""
INSPECTED = 100
"""Rows that are looked at for entities."""


def are_spans(rows: Sequence[Mapping[str, Any]], config_spans: str | None) -> bool:
    """Returns whether the rows are texts with entities by character offsets, of any annotation tool.

    Args:
        rows: as the tool wrote them.
        config_spans: `dataset.columns.spans`.
    """
    return config_spans is not None or any(has_entities(row) for row in rows[:INSPECTED])


def tag_columns(columns: Mapping[str, Profile]) -> list[tuple[Profile, Profile]]:
    """Returns each pair of columns that hold words and a tag for each of them, the likeliest by their names first."""
    tags = [profile for profile in columns.values() if _are_tags(profile)]
    words = [profile for profile in columns.values() if profile.lists is not None and profile not in tags]
    pairs = [(left, right) for right in tags for left in words if _same_lengths(left, right)]
    pairs.sort(key=lambda pair: -points(pair[1].name, "tags") - points(pair[0].name, "tokens"))
    return pairs


def type_counts(tags: Sequence[Sequence[str]]) -> Counter[str]:
    """Returns about how many entities of each type there are: tags that begin one, in any scheme."""
    counts: Counter[str] = Counter()
    for sentence in tags:
        before = "O"
        for tag in sentence:
            prefix, _, name = tag.rpartition("-") if TAG.fullmatch(tag) else ("", "", tag)
            if tag != "O" and ((prefix[:1] in "BSU" and prefix) or name != before.rpartition("-")[2]):
                counts[name] += 1
            before = tag
    return counts


def _are_tags(profile: Profile) -> bool:
    if profile.lists is None:
        return False
    names = {tag for tags in profile.lists for tag in tags}
    return "O" in names and 1 < len(names) <= MAX_TYPES and all(map(TAG.fullmatch, names))


def _same_lengths(left: Profile, right: Profile) -> bool:
    lengths = [list(map(len, profile.lists or [])) for profile in (left, right)]
    if len(lengths[0]) != len(lengths[1]):
        return False
    equal = sum(first == second for first, second in zip(*lengths, strict=True))
    return equal >= MIN_EQUAL * len(lengths[0])
