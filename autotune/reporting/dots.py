"""A value with its interval as a small drawing for a cell of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 240, 16, 6
"""Size of a drawing, and what stays free at its left and right."""


@dataclass(frozen=True)
class Scale:
    """The horizontal axis that the drawings of a table share."""

    low: float
    high: float
    mark: float | None = None
    """Value of a dashed vertical line."""

    def draw(self, value: float | None, interval: Sequence[float] | None) -> Markup:
        """Returns a dot with a line from the lower to the upper end; an empty text for an unknown value."""
        if value is None:
            return Markup()
        middle = HEIGHT // 2
        shapes = []
        if self.mark is not None:
            mark = self._place(self.mark)
            shapes.append(f'<path d="M{mark} 0V{HEIGHT}" stroke="var(--muted)" stroke-dasharray="2 2"/>')
        if interval is not None:
            low, high = map(self._place, interval)
            shapes.append(f'<path d="M{low} {middle}H{high}" stroke="var(--c1)" stroke-width="2"/>')
        shapes.append(f'<circle cx="{self._place(value)}" cy="{middle}" r="4" fill="var(--c1)"/>')
        # The numbers are in the cell beside, so the drawing is hidden from screen readers.
        return Markup(
            f'<svg class="dots" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(shapes)}</svg>'
        )

    def _place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(EDGE + (WIDTH - 2 * EDGE) * share, 1)


def scale(values: Iterable[float | None], mark: float | None = None) -> Scale:
    """Returns the axis from the least to the greatest of some values.

    Args:
        values: values and ends of intervals; unknown ones are left out.
        mark: value of a dashed vertical line.
    """
    known = [value for value in (*values, mark) if value is not None]
    return Scale(min(known, default=0.0), max(known, default=1.0), mark)
