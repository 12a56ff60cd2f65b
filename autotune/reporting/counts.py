"""Figures of groups of rows: precision, recall and F1 of each class with intervals, and slices by length."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autotune.evaluation.bootstrap import BLOCKS, RESAMPLES, bootstrap_weights, interval, joined

LENGTHS = (8, 16, 32, 64, 128, 256, 512)
"""Upper limit, in words, of each slice by length; one more has no limit."""


class ClassCounts:
    """Correct, predicted and gold items of each class, by row or by block of rows, to be resampled.

    Args:
        classes: names of the classes.
    """

    def __init__(self, classes: Iterable[str]) -> None:
        self._index = {name: number for number, name in enumerate(classes)}
        self._blocks: list[Any] = []

    def add(
        self, number: int, *, correct: Iterable[str], predicted: Iterable[str], gold: Iterable[str]
    ) -> None:
        """Counts the classes of the items of a row; a class may occur several times."""
        if number < BLOCKS:
            self._blocks.append(np.zeros((3, len(self._index))))
        block = self._blocks[number % BLOCKS]
        for line, names in enumerate((correct, predicted, gold)):
            for name in names:
                if name in self._index:
                    block[line, self._index[name]] += 1

    def f1_intervals(self, seed: int) -> dict[str, list[float]]:
        """Returns the 95 % percentile interval of the F1 of each class, over rows drawn with replacement."""
        if not self._blocks or not self._index:
            return {}
        counts = np.stack(self._blocks).reshape(len(self._blocks), -1)
        generator = np.random.default_rng(seed)
        parts = []
        for weights in bootstrap_weights(generator, RESAMPLES, len(self._blocks)):
            correct, predicted, gold = np.split(weights @ counts, 3, axis=1)
            f1 = 2 * correct / np.maximum(predicted + gold, 1)
            parts.append({name: f1[:, number] for name, number in self._index.items()})
        return {name: interval(values) for name, values in joined(parts).items()}


@dataclass
class LengthSlices:
    """A mean score by length in words."""

    _sums: dict[int, list[float]] = field(default_factory=dict)

    def add(self, words: int, hits: float, out_of: float = 1.0) -> None:
        """Adds a row.

        Args:
            words: length of the row.
            hits: numerator of its score.
            out_of: denominator of its score.
        """
        at = next((number for number, edge in enumerate(LENGTHS) if words <= edge), len(LENGTHS))
        sums = self._sums.setdefault(at, [0, 0.0, 0.0])
        for number, value in enumerate((1, hits, out_of)):
            sums[number] += value

    def rows(self) -> list[Mapping[str, Any]]:
        """Returns name, number of rows and score of each slice, from the shortest on."""
        return [
            {"name": _length_name(at), "rows": int(rows), "score": hits / out_of if out_of else None}
            for at, (rows, hits, out_of) in sorted(self._sums.items())
        ]


def _length_name(at: int) -> str:
    return f"≤ {LENGTHS[at]}" if at < len(LENGTHS) else f"> {LENGTHS[-1]}"


@dataclass(frozen=True)
class Segment:
    """A stretch of text, and the label that marks it."""

    text: str
    label: str | None = None


def shortened(text: str, most: int = 700) -> str:
    """Returns a text cut to a number of characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def largest(items: Sequence[tuple[float, int, Any]], item: tuple[float, int, Any], most: int) -> list[Any]:
    """Returns the items with one more, largest first, of which only `most` are kept."""
    if len(items) == most and item[0] <= items[-1][0]:
        return list(items)
    return sorted([*items, item], key=lambda entry: (-entry[0], entry[1]))[:most]
