"""The trials of a search: which models with which values, in the order in which they are worth their time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """A candidate: an ordinary run that may be paused."""

    name: str
    """Short and unique: tfidf C=10, bertimbau_base 5e-5 seed 43."""
    kind: str
    """cheap or full."""
    words: tuple[str, ...]
    """Overrides beside those that all trials have; they shape the result."""
    rungs: tuple[float, ...]
    """Shares of its own schedule after which it is compared; (1.0,) of a cheap model."""
    estimate: float | None
    """Seconds of the whole trial, over all folds; None where no clock is used, or nothing was measured."""
