"""The table of the benchmark, and the bar that `autotune auto` has to clear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from statistics import mean, stdev
from typing import Any

from autotune.runtime.table import Table
from benchmarks.auto.tools import AUTO, CHEAP, MAJORITY

Result = dict[str, Any]
"""A file of the results: cell, classes (whether it is one of classification), alike (see `cells.Cell`), draw, time, asked
(seconds), tool, outcome."""
MEAN_REGRET, MAX_REGRET, BELOW_CHEAP, OPTIMISM = 0.015, 0.05, 0.01, 0.01
COVERAGE = (0.90, 0.99)
OVERRUN_SHARE, OVERRUN_SECONDS, FIRST_MODEL = 1.05, 20, 15
"""The bar: see `bar`."""


@dataclass(frozen=True)
class Check:
    """A line of the bar."""

    what: str
    value: float | None
    """None if there is nothing to measure it on."""
    passed: bool | None


def scores(results: Sequence[Result]) -> dict[str, dict[str, list[float]]]:
    """Returns the scores of all draws by cell and tool."""
    found: dict[str, dict[str, list[float]]] = {}
    for result in results:
        if result["outcome"]["score"] is not None:
            found.setdefault(result["cell"], {}).setdefault(result["tool"], []).append(
                result["outcome"]["score"]
            )
    return found


def regrets(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Returns by cell and tool how much less the tool scores, in the mean over draws, than the best tool of the cell."""
    means = {
        cell: {tool: mean(values) for tool, values in tools.items()}
        for cell, tools in scores(results).items()
    }
    return {
        cell: {tool: max(tools.values()) - value for tool, value in tools.items()}
        for cell, tools in means.items()
    }


def optimism(results: Sequence[Result], tool: str) -> list[float]:
    """Returns by how much each figure that a tool reports exceeds the score on test, where test is like train."""
    outcomes = _comparable(results, tool)
    return [
        outcome["reported"] - outcome["score"]
        for outcome in outcomes
        if None not in (outcome["reported"], outcome["score"])
    ]


def coverage(results: Sequence[Result], tool: str) -> list[bool]:
    """Returns whether each figure that a tool reports agrees with the score on test, where test is like train.

    Both have sampling errors: they agree if the 95 % interval of their difference, made of both intervals, holds 0 (MOVER,
    Zou & Donner 2008); where test has no interval, if the reported interval holds the score.
    """
    outcomes = _comparable(results, tool)
    return [_agree(outcome) for outcome in outcomes if outcome["interval"] and outcome["score"] is not None]


def _agree(outcome: dict[str, Any]) -> bool:
    reported, score = outcome["reported"], outcome["score"]
    (low, high), (test_low, test_high) = outcome["interval"], outcome["score_interval"] or (score, score)
    if reported > score:
        return bool(reported - score <= hypot(reported - low, test_high - score))
    return bool(score - reported <= hypot(high - reported, score - test_low))


def _comparable(results: Sequence[Result], tool: str) -> list[dict[str, Any]]:
    return [result["outcome"] for result in results if result["tool"] == tool and result["alike"]]


def bar(results: Sequence[Result]) -> list[Check]:
    """Returns what `autotune auto` has to clear at one time, with what it reached."""
    own = [result["outcome"] for result in results if result["tool"] == AUTO]
    asked = next((result["asked"] for result in results), None)
    classes = {result["cell"] for result in results if result["classes"]}
    by_cell = regrets(results)
    regret = [by_cell[cell][AUTO] for cell in sorted(classes) if AUTO in by_cell.get(cell, {})]
    lost = [
        max(mean(tools[name]) for name in (MAJORITY, CHEAP) if name in tools) - mean(tools[AUTO])
        for tools in scores(results).values()
        if AUTO in tools and {MAJORITY, CHEAP} & set(tools)
    ]
    flattery, covered = optimism(results, AUTO), coverage(results, AUTO)
    late = [
        outcome["seconds"] - OVERRUN_SHARE * asked
        for outcome in own
        if asked and outcome["seconds"] is not None
    ]
    first = [outcome["first_model_seconds"] for outcome in own if outcome["first_model_seconds"] is not None]
    same = [outcome["same_bytes"] for outcome in own if outcome["same_bytes"] is not None]
    unscored = sum(outcome["score"] is None for outcome in own)
    return [
        _at_most("mean regret on classes", mean(regret) if regret else None, MEAN_REGRET),
        _at_most("largest regret on classes", max(regret, default=None), MAX_REGRET),
        _at_most(
            "most below the better of majority and the cheap method", max(lost, default=None), BELOW_CHEAP
        ),
        _at_most("mean optimism, either way", abs(mean(flattery)) if flattery else None, OPTIMISM),
        _within("coverage of the reported interval", mean(covered) if covered else None, COVERAGE),
        _at_most("seconds over 105 % of the time asked", max(late, default=None), OVERRUN_SECONDS),
        _at_most("seconds from the check to the first model", max(first, default=None), FIRST_MODEL),
        _at_most("replays with other bytes", float(len(same) - sum(same)) if same else None, 0),
        _at_most("searches without a score", float(unscored) if own else None, 0),
    ]


def _at_most(what: str, value: float | None, limit: float) -> Check:
    return Check(f"{what} (at most {limit:g})", value, None if value is None else value <= limit)


def _within(what: str, value: float | None, limits: tuple[float, float]) -> Check:
    passed = None if value is None else limits[0] <= value <= limits[1]
    return Check(f"{what} ({limits[0]:.0%} to {limits[1]:.0%})", value, passed)


def markdown(results: Sequence[Result], about: str) -> str:
    """Returns the report: for each time, scores by cell and tool, what they cost, the bar, and what was left out."""
    parts = [f"{about}\n"]
    for time in dict.fromkeys(result["time"] for result in results):
        part = [result for result in results if result["time"] == time]
        parts += [f"## Time: {time}\n", *(f"{table.markdown()}\n" for table in _tables(part))]
        notes = list(_notes(part))
        if notes:
            parts.append("Without a score: " + "; ".join(notes) + ".\n")
    return "\n".join(parts)


def _tables(results: Sequence[Result]) -> Iterator[Table]:
    by_cell, by_regret = scores(results), regrets(results)
    tools = [
        tool
        for tool in dict.fromkeys(result["tool"] for result in results)
        if any(tool in cell for cell in by_cell.values())
    ]
    lines = [[cell, *(_spread(scored.get(tool, []), best=by_regret[cell].get(tool) == 0) for tool in tools)]
             for cell, scored in by_cell.items()]  # fmt: skip
    yield Table(["score on test, mean ± sd", *tools], lines)
    columns = ("mean regret", "largest regret", "optimism", "coverage", "seconds", "CPU s", "peak MB", "model MB",
               "predict s", "words")  # fmt: skip
    yield Table(
        ["", *columns],
        [
            _costs(results, tool, [cell[tool] for cell in by_regret.values() if tool in cell])
            for tool in tools
        ],
    )
    yield Table(
        [AUTO, "reached", ""],
        [[check.what, _number(check.value), {True: "passed", False: "missed", None: "not measured"}[check.passed]]
         for check in bar(results)],
    )  # fmt: skip


def _costs(results: Sequence[Result], tool: str, regret: Sequence[float]) -> list[str]:
    outcomes = [result["outcome"] for result in results if result["tool"] == tool]
    costs = []
    for name, digits in (
        ("seconds", 0),
        ("cpu_seconds", 0),
        ("memory_mb", 0),
        ("artifact_mb", 1),
        ("predict_seconds", 1),
        ("words", 0),
    ):
        values = [outcome[name] for outcome in outcomes if outcome[name] is not None]
        costs.append(_number(mean(values) if values else None, digits))
    flattery, covered = optimism(results, tool), coverage(results, tool)
    figures = [
        mean(regret),
        max(regret),
        mean(flattery) if flattery else None,
        mean(covered) if covered else None,
    ]
    return [tool, *(_number(figure, 3) for figure in figures), *costs]


def _notes(results: Sequence[Result]) -> Iterator[str]:
    """Yields why tools have no score, each reason once."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result["outcome"]["score"] is None:
            reasons.setdefault(f"{result['tool']}: {result['outcome']['note']}", []).append(result["cell"])
    for reason, cells in reasons.items():
        yield f"{reason} ({', '.join(dict.fromkeys(cells))})"


def _spread(values: Sequence[float], *, best: bool) -> str:
    if not values:
        return "–"
    text = f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
    return f"**{text}**" if best else text


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
