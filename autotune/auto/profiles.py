"""What the cells of a column look like, whatever its name is."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from autotune.auto.vocabulary import words
from autotune.config.label_maps import normalize_label
from autotune.data.formats.cells import list_of
from autotune.data.numbers import read_number
from autotune.errors import DataError

ALMOST_ALL = 0.95
"""Share of cells that must have a form for the column to have it."""
MIN_WORDS = 3
"""Median words from which on cells are texts."""
MAX_CLASSES, ROWS_PER_CLASS = 200, 5
"""A column of classes has at most this many values, and on average at least this many rows of each."""
MIN_REPEATED = 0.9
"""Share of rows whose value must occur again in a column of classes."""
MAX_CLASS_WORDS = 8
"""Most words of a class name, in the median."""
MAX_CODE = 20
"""More different whole numbers than this are a quantity rather than classes."""
DATE = re.compile(
    r"\d{4}-\d{2}(-\d{2})?([T ].*)?|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}( .*)?|\d{1,2}:\d{2}(:\d{2})?"
    r"|(\w{3},? )?\w{3} \d{1,2},? (\d{2}:.*)?\d{4}"
)
ADDRESS = re.compile(
    r"(https?://|www\.)\S+|\S+@\S+\.\S+|@\w+|\S*[/\\]\S+|\S+\.(jpe?g|png|pdf|html?|txt|json|xml)", re.I
)
"""Addresses, user names and files."""
SIGNS = (frozenset(("-1", "1")), frozenset(("-1", "0", "1")))
"""Classes of sentiment as numbers."""
STARS = frozenset("12345")


@dataclass(frozen=True)
class Profile:
    """One column of the rows that were read."""

    name: str
    cells: Sequence[Any]
    """Cell of each row; None where it is missing."""

    @cached_property
    def values(self) -> list[str | None]:
        """Each cell as text, as a label would be read: 1.0 is 1. None: empty."""
        return [
            normalize_label(cell) if not isinstance(cell, list | tuple | Mapping) else str(cell)
            for cell in self.cells
        ]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value occurs; empty cells do not count."""
        return Counter(value for value in self.values if value is not None)

    @cached_property
    def filled(self) -> int:
        """Number of cells that are not empty."""
        return self.counts.total()

    @cached_property
    def median_words(self) -> float:
        """Words of the cell in the middle."""
        if not self.filled:
            return 0.0
        lengths = sorted((len(value.split()), count) for value, count in self.counts.items())
        ends = accumulate(count for _, count in lengths)
        return float(
            next(length for (length, _), end in zip(lengths, ends, strict=True) if 2 * end >= self.filled)
        )

    def share(self, form: re.Pattern[str]) -> float:
        """Returns the share of filled cells that have a form."""
        matching = sum(count for value, count in self.counts.items() if form.fullmatch(value))
        return matching / self.filled if self.filled else 0.0

    @cached_property
    def is_number(self) -> bool:
        """Whether all cells hold numbers."""
        return self.filled > 0 and all(map(_is_number, self.counts))

    @cached_property
    def has_fraction(self) -> bool:
        """Whether some of the numbers are not whole."""
        return self.is_number and any(not re.fullmatch(r"[+-]?\d+", value) for value in self.counts)

    @cached_property
    def is_date(self) -> bool:
        """Whether nearly all cells are dates or times."""
        return self.share(DATE) >= ALMOST_ALL

    @cached_property
    def is_address(self) -> bool:
        """Whether nearly all cells are addresses, user names or paths."""
        return self.share(ADDRESS) >= ALMOST_ALL

    @cached_property
    def is_year(self) -> bool:
        """Whether all cells are years."""
        return self.is_number and all(re.fullmatch(r"(19|20)\d\d", value) for value in self.counts)

    @cached_property
    def lists(self) -> list[list[str]] | None:
        """The list in each filled cell, as text; None if the cells are no lists."""
        filled = [cell for cell in self.cells if cell is not None and cell != ""]
        if not filled or not all(
            isinstance(cell, list | tuple) or (isinstance(cell, str) and cell.strip().startswith("["))
            for cell in filled
        ):
            return None
        try:
            lists = [list_of(cell, self.name, "") for cell in filled]
        except DataError:
            return None
        if any(isinstance(item, Mapping | list) for items in lists for item in items):
            return None
        return [[str(normalize_label(item)) for item in items] for items in lists]

    @cached_property
    def is_id(self) -> bool:
        """Whether nearly every row has a value of its own that is not a text."""
        return (
            self.filled > 0 and len(self.counts) >= ALMOST_ALL * self.filled and self.median_words < MIN_WORDS
        )

    @property
    def is_plain(self) -> bool:
        """Whether the cells may be a text or a class: no dates, addresses, lists."""
        return self.filled > len(self.cells) / 2 and not (
            self.is_date or self.is_address or self.lists is not None or self._is_nested
        )

    @cached_property
    def _is_nested(self) -> bool:
        return any(isinstance(cell, Mapping) for cell in self.cells)

    @property
    def is_text(self) -> bool:
        """Whether the cells are texts: words, and mostly different ones."""
        return (
            self.is_plain
            and not self.is_number
            and self.median_words >= MIN_WORDS
            and len(self.counts) >= self.filled / 2
        )

    @property
    def is_class(self) -> bool:
        """Whether the cells may be classes: few values, which recur."""
        repeated = sum(count for count in self.counts.values() if count > 1)
        return (
            self.is_plain
            and not self.has_fraction
            and self.median_words <= MAX_CLASS_WORDS
            and 2 <= len(self.counts) <= max(2, min(MAX_CLASSES, self.filled / ROWS_PER_CLASS))
            and repeated >= MIN_REPEATED * self.filled
        )

    @cached_property
    def is_polarity(self) -> bool:
        """Whether the classes are those of sentiment."""
        names = {value.casefold().replace(" ", "_") for value in self.counts}
        return frozenset(self.counts) in SIGNS or len(names & set(words("words")["polarity"])) >= max(
            2, len(names) - 1
        )

    @cached_property
    def is_stars(self) -> bool:
        """Whether the classes are one to five stars."""
        return len(self.counts) >= 3 and set(self.counts) <= STARS

    def examples(self, count: int = 3) -> list[str]:
        """Returns the most frequent values, shortened."""
        values = [value for value, _ in self.counts.most_common(count)]
        return [value if len(value) <= 40 else value[:39] + "…" for value in values]


def profiles(rows: Sequence[Mapping[str, Any]]) -> dict[str, Profile]:
    """Returns the profile of each column, in the order of the data."""
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return {name: Profile(name, [row.get(name) for row in rows]) for name in names}


def say_the_same(left: Profile, right: Profile) -> bool:
    """Returns whether each value of a column belongs to one value of the other, and the other way round."""
    if len(left.counts) != len(right.counts):
        return False
    pairs = {pair for pair in zip(left.values, right.values, strict=True) if None not in pair}
    return len(pairs) == len(left.counts) == len(right.counts)


def _is_number(value: str) -> bool:
    try:
        return read_number(value, "") is not None
    except DataError:
        return False
