"""Curves of Unicode blocks, for a terminal."""

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = " ▁▂▃▄▅▆▇█"
LABEL = 9
"""Characters before the curve: a value of the axis."""


def plot(points: Sequence[tuple[int, float]], width: int, rows: int, last: int) -> list[str]:
    """Draws values over steps, as lines from top to bottom.

    Args:
        points: step and value, by step; several in one column are averaged, and a column without any repeats the one before.
        width: characters of a line, with the labels of the axis.
        rows: number of lines.
        last: step at the right end.
    """
    width = max(1, width - LABEL - 2)
    columns: list[list[float]] = [[] for _ in range(width)]
    for step, value in points:
        columns[min(width - 1, (step - 1) * width // max(1, last))].append(value)
    means = [sum(values) / len(values) if values else None for values in columns]
    low, high = (bound(mean for mean in means if mean is not None) for bound in (min, max))
    end = max(index for index, mean in enumerate(means) if mean is not None)
    heights: list[int] = []
    for mean in means[: end + 1]:
        share = None if mean is None else (mean - low) / (high - low) if high > low else 0.5
        heights.append(
            (heights[-1] if heights else 0) if share is None else 1 + round(share * (8 * rows - 1))
        )
    lines = []
    for row, (bottom, _) in enumerate(pairwise(range(8 * (rows - 1), -9, -8))):
        label = f"{high:.4g}" if row == 0 else f"{low:.4g}" if row == rows - 1 else ""
        cells = "".join(BLOCKS[min(8, max(0, height - bottom))] for height in heights)
        lines.append(f"{label:>{LABEL}} ▏{cells}".rstrip())
    return lines


def bar(done: int, total: int | None, width: int) -> str:
    """Draws a horizontal bar of blocks; empty if the total is not known."""
    filled = round(width * min(1.0, done / total)) if total else 0
    return "█" * filled + "░" * (width - filled)
