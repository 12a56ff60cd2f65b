"""Spellings of one label that differ only in case and blanks, and rows without a label."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from autotune.config.label_maps import NULL


def certain_label_map(counts: Mapping[str, int], missing: int) -> dict[str, str | None]:
    """Returns `dataset.label_map` for what is certain: rare spellings become the most frequent one, and rows without a label
    are left out.

    Args:
        counts: rows of each label.
        missing: rows without one.
    """
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for name, _ in Counter(counts).most_common():
        spellings[" ".join(name.casefold().split())].append(name)
    renamed: dict[str, str | None] = {
        other: first for first, *others in spellings.values() for other in others
    }
    return renamed | ({NULL: None} if missing else {})


def merged(counts: Mapping[str, int], mapping: Mapping[str, str | None]) -> Counter[str]:
    """Returns the rows of each label under a map."""
    result: Counter[str] = Counter()
    for name, count in counts.items():
        target = mapping.get(name, name)
        if target is not None:
            result[target] += count
    return result
