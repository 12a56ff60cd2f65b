"""What rows are, whatever the form of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune.auto.decisions import Decision
from autotune.auto.profiles import Profile


@dataclass(frozen=True)
class Reading:
    """Task and columns of the rows that were read."""

    task: str
    settings: Mapping[str, object]
    """Keys and values that the run needs."""
    decisions: tuple[Decision, ...]
    texts: Sequence[str]
    labels: Sequence[Sequence[str]]
    """Labels of each row; none for numbers and summaries."""
    counts: Mapping[str, int]
    """Rows with each label, or entities of each type."""
    columns: Mapping[str, Profile]
    used: tuple[Profile, ...]
    """Columns of texts and target."""
    is_tagged: bool = False
    """Whether rows are words with tags, or texts with entities."""
