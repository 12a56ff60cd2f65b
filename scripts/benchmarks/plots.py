"""Bars of speed and utilisation, as PNG and SVG."""

from pathlib import Path
from typing import Any

COLOURS = {
    "trainer": "#9aa5b1",
    "trainer-grouped": "#6f8fa8",
    "trainer-bf16": "#c9b79c",
    "autotrain": "#c08497",
    "autotune": "#2a7f62",
}


def draw(results: dict[str, Any], output: Path) -> None:
    """ratio.* and utilisation.*; nothing where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return
    mpl.use("agg")
    for file, key, title in (
        ("ratio", "ratio_to_trainer", "real tokens per second, transformers.Trainer = 1"),
        ("utilisation", "utilisation", "share of the machine's best matrix product that real tokens use"),
    ):
        _bars(results["summary"], key, title, output / file)


def _bars(summary: dict[str, Any], key: str, title: str, file: Path) -> None:
    from matplotlib import pyplot

    cells = [name for name, cell in summary.items() if any(one[key] for one in cell["competitors"].values())]
    if not cells:
        return
    names = [name for name in COLOURS if any(name in summary[cell]["competitors"] for cell in cells)]
    figure, axes = pyplot.subplots(
        figsize=(8, 1.2 + 0.22 * len(cells) * (len(names) + 1)), layout="constrained"
    )
    height = 0.8 / len(names)
    for index, name in enumerate(names):
        found = [
            (row, summary[cell]["competitors"][name][key])
            for row, cell in enumerate(cells)
            if summary[cell]["competitors"].get(name, {}).get(key)
        ]
        middles = [spread["median"] for _, spread in found]
        axes.barh(
            [row + index * height for row, _ in found],
            middles,
            height=height,
            label=name,
            color=COLOURS[name],
            xerr=[
                [middle - spread["least"] for middle, (_, spread) in zip(middles, found, strict=True)],
                [spread["most"] - middle for middle, (_, spread) in zip(middles, found, strict=True)],
            ],
            error_kw={"linewidth": 0.8},
        )
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(cells))], cells)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    for ending in ("png", "svg"):
        figure.savefig(f"{file}.{ending}", dpi=150)
    pyplot.close(figure)
