"""Charts as SVG inside the page: their colors are those of the page, so they are readable in light, dark and print."""

import io
import logging
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import cycle, product
from typing import TYPE_CHECKING

from markupsafe import Markup

from autotune.runtime.files import scratch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {"#000001": "currentColor", "#000002": "var(--muted)", "#000003": "var(--line)",
          "#000011": "var(--c1)", "#000012": "var(--c2)", "#000013": "var(--c3)", "#000014": "var(--c4)"}  # fmt: skip
"""Stand-ins that matplotlib draws with, and the colors of the page that replace them."""
TEXT, MUTED, GRID, *SERIES = COLORS
FOLDER = "MPLCONFIGDIR"
"""Variable with the folder in which matplotlib keeps files."""
STYLES = ("-", "--", ":", "-.")
"""Styles of lines, where there are more curves than colors."""
SIZE, PLACE = (4.6, 2.5), (0.13, 0.19, 0.85, 0.72)
"""Inches, which the page scales to the width there is; and the place of the axes in it: left, bottom, width, height."""
SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": "autotune", "text.parse_math": False, "font.size": 9,
    "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": MUTED,
    "axes.labelcolor": TEXT, "text.color": TEXT, "xtick.color": MUTED, "ytick.color": MUTED, "grid.color": GRID,
    "axes.grid": True, "axes.axisbelow": True, "legend.frameon": False, "figure.facecolor": "none",
    "axes.facecolor": "none", "axes.formatter.useoffset": False, "axes.formatter.use_locale": False,
}  # fmt: skip

Points = Sequence[tuple[float, float]]


def lines(title: str, series: Mapping[str, Points], xlabel: str, mark: float | None = None) -> Markup:
    """Returns a chart of curves; with several, a legend.

    Args:
        title: read aloud by screen readers.
        series: points of each curve by its name.
        xlabel: label of the horizontal axis.
        mark: position of a dashed vertical line.
    """

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        for (name, points), (style, color) in zip(
            series.items(), cycle(product(STYLES, SERIES)), strict=False
        ):
            marker = "o" if len(points) < 40 else ""
            axes.plot(
                *zip(*points, strict=True),
                color=color,
                linestyle=style,
                label=name,
                marker=marker,
                markersize=3,
                linewidth=1.4,
            )
        if mark is not None:
            axes.axvline(mark, color=MUTED, linestyle="--", linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(xlabel)
        if len(series) > 1:
            axes.legend()

    return _svg(title, draw)


def bars(title: str, series: Mapping[str, Mapping[str, float]], xlabel: str, ylabel: str) -> Markup:
    """Returns a chart of groups of bars.

    Args:
        title: read aloud by screen readers.
        series: height of each bar by its name, for each color of bars.
        xlabel: label of the horizontal axis.
        ylabel: label of the vertical axis.
    """

    def draw(axes: "Axes") -> None:
        names = list(dict.fromkeys(name for heights in series.values() for name in heights))
        width = 0.8 / max(1, len(series))
        for number, ((label, heights), color) in enumerate(zip(series.items(), SERIES, strict=False)):
            at = [place + (number - (len(series) - 1) / 2) * width for place in range(len(names))]
            axes.bar(at, [heights.get(name, 0) for name in names], width, color=color, label=label)
        axes.set_xticks(range(len(names)), names)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        if len(series) > 1:
            axes.legend()

    return _svg(title, draw)


def intervals(title: str, rows: Mapping[str, tuple[float, float, float]], xlabel: str) -> Markup:
    """Returns a chart of values with their intervals, the first row on top.

    Args:
        title: read aloud by screen readers.
        rows: lower end, value and upper end by name.
        xlabel: label of the horizontal axis.
    """

    def draw(axes: "Axes") -> None:
        for number, (name, (low, value, high)) in enumerate(rows.items()):
            axes.plot([low, high], [-number, -number], color=SERIES[0], linewidth=1.4)
            axes.plot([value], [-number], color=SERIES[0], marker="o", markersize=4)
            axes.text(low, 0.18 - number, name, fontsize=8)
        axes.set(ylim=(0.5 - len(rows), 0.7), yticks=[], xlabel=xlabel)
        axes.grid(visible=False, axis="y")

    return _svg(title, draw)


def reliability(title: str, bins: Sequence[tuple[float, float]], xlabel: str, ylabel: str) -> Markup:
    """Returns a reliability diagram.

    Args:
        title: read aloud by screen readers.
        bins: mean confidence and accuracy of each bin that has rows.
        xlabel: label of the horizontal axis.
        ylabel: label of the vertical axis.
    """

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
        axes.plot(*zip(*bins, strict=True), color=SERIES[0], marker="o", markersize=4, linewidth=1.4)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel=xlabel, ylabel=ylabel)

    return _svg(title, draw)


def _svg(title: str, draw: "Callable[[Axes], None]") -> Markup:
    """Returns what is drawn as an SVG element that can stand in HTML: the same drawing gives the same bytes."""
    _list_fonts()
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS), warnings.catch_warnings():  # type: ignore[arg-type]  # keys as strings
        warnings.filterwarnings(
            "ignore", message="Glyph"
        )  # the reader's fonts draw the text, not matplotlib's
        figure = Figure(figsize=SIZE)
        FigureCanvasSVG(figure)
        draw(figure.add_axes(PLACE))
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r'<svg \1 role="img">', text, count=1)
    text = re.sub(r"<style.*?</style>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r"(font-size: \d+(?:\.\d+)?px); font-family: [^;\"]*", r"\1", text)
    text = re.sub(r" (font: \d+(?:\.\d+)?px) [^;\"]*", r" \1 inherit", text)
    for stand_in, color in COLORS.items():
        text = text.replace(f": {stand_in}", f": {color}")
    text = re.sub(r"\n\s*", "\n", text)
    return Markup(text.replace('role="img">', Markup('role="img" aria-label="{}">').format(title), 1))


@cache
def _list_fonts() -> None:
    """Imports what lists the fonts of the machine. matplotlib would write the list into the home folder, which may be missing,
    or not ours to write; only the import reads it."""
    # It tells where it caches fonts, at the first use on a machine.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    given = os.environ.get(FOLDER)
    with scratch() as folder:
        os.environ.setdefault(FOLDER, folder)
        try:
            import matplotlib.font_manager  # noqa: F401
        finally:
            if given is None:
                del os.environ[FOLDER]
