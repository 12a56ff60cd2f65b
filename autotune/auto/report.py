"""report.html of `autotune auto`: what was decided, what was measured and what won, on one page that needs nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from markupsafe import Markup

from autotune.auto.folder import AutoFolder, read_auto
from autotune.auto.trust import remarks
from autotune.config.enums import CardLanguage
from autotune.config.secrets import redact
from autotune.reporting import charts
from autotune.reporting.dots import Scale, scale
from autotune.reporting.templates import style, template
from autotune.reporting.texts import texts
from autotune.reporting.trust import BAD
from autotune.runtime.files import atomic_write
from autotune.runtime.language import Pieces
from autotune.runtime.language import language as users_language

REPORT = "report.html"
GROUPS = {
    "auto_data": ("task", "text", "label", "group", "left_out", "language", "duplicates"),
    "auto_protocol": ("test", "folds", "metric"),
    "auto_training": ("models", "epochs", "batch_size", "learning_rate", "class_weights", "length", "adapter", "seeds", "budget"),
    "auto_outcome": ("winner", "refit", "refit_test", "temperature"),
}  # fmt: skip
"""Decisions under their headings; those that a newer version makes follow under the last one."""
KNOWN = tuple(chain.from_iterable(GROUPS.values()))
"""Decisions whose names are translated."""
COLUMNS = ("text", "label", "group", "left_out")
"""Decisions whose value is a name in the user's data, which is never translated."""


def write_report(folder: Path, output: Path | None = None, language: CardLanguage | None = None) -> Path:
    """Writes the report of an auto folder from its files alone; returns its path.

    Args:
        folder: auto folder; of a search that is not finished, the report shows what there is so far.
        output: path of the page; None: report.html in the folder.
        language: its language; None: the user's.

    Raises:
        ConfigError: `autotune auto` has not made the folder, or status.json is damaged.
        ModelError: another file is damaged or missing.
        DiskError: the page cannot be written.
    """
    path = output or folder / REPORT
    page = render(read_auto(folder), language or CardLanguage(users_language()))
    with atomic_write(path) as file:
        file.write(redact(page).encode("utf-8", "replace"))
    return path


def render(folder: AutoFolder, language: CardLanguage) -> str:
    """Returns the page; the same files give the same page."""
    text, board, result = texts(language), folder.leaderboard(), folder.result
    # Other trials are not scored on test, so the winner is shown beside them with the score that chose it.
    own = None if result is None else {"score": result["chosen"]["score"], "interval": board[0]["interval"]}
    trust = remarks(folder)
    page: str = template("auto", language).render(
        style=style(),
        language=language,
        folder=folder,
        result=result,
        chose=result is not None and result["chosen"]["candidates"] > 1,
        headline=None if result is None else result["test"] or _corrected(result),
        trust=trust,
        verdict="verdict_bad" if any(remark.level == BAD for remark in trust) else "verdict_good",
        board=board,
        board_scale=_scale(board),
        own=own,
        beside_scale=None
        if result is None or own is None
        else _scale([own, *result["beside"]], own["score"]),
        chart=_best_so_far(folder, text("auto_best_so_far"), text("auto_seconds")),
        decisions=dict(_grouped(folder.decisions)),
        known=set(KNOWN),
        columns=COLUMNS,
    )
    return page.lstrip()


def _corrected(result: Mapping[str, Any]) -> dict[str, Any]:
    chosen = result["chosen"]
    return {"rows": chosen["rows"], "score": chosen["corrected"], "interval": chosen["interval"]}


def _scale(scored: Sequence[Mapping[str, Any]], mark: float | None = None) -> Scale:
    """Returns the axis of a table of scores with intervals."""
    return scale(chain.from_iterable((row["score"], *(row["interval"] or ())) for row in scored), mark)


def _grouped(decisions: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yields the headings with their decisions, in the order of `GROUPS`; values are texts."""
    decisions = [
        decision
        | {"value": _plain(decision["value"])}
        # Names of models, and why they are left out.
        | {"alternatives": [Pieces(*other.partition(": ")) for other in decision["alternatives"]]}
        for decision in decisions
    ]
    last = list(GROUPS)[-1]
    for heading, names in GROUPS.items():
        group = [decision for name in names for decision in decisions if decision["id"] == name]
        if heading == last:
            group += [decision for decision in decisions if decision["id"] not in KNOWN]
        if group:
            yield heading, group


def _plain(value: Any) -> str:
    """Returns the value of a decision as text."""
    if value is None:
        return "—"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _best_so_far(folder: AutoFolder, title: str, xlabel: str) -> Markup | None:
    """Returns a chart of the best score over the seconds; None if fewer than two measurements have led."""
    leaders = [
        (measurement["seconds"], measurement["score"])
        for measurement in folder.measurements
        if measurement["fate"] == "leads" and None not in (measurement["seconds"], measurement["score"])
    ]
    if len(leaders) < 2:
        return None
    points = leaders[:1]
    for second, score in leaders[1:]:
        points += [(second, points[-1][1]), (second, score)]
    used = None if folder.result is None else folder.result["time"]["used"]
    if used is not None and used > points[-1][0]:
        points.append((used, points[-1][1]))
    return charts.lines(title, {"": points}, xlabel)
