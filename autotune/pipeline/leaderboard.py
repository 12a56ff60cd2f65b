"""Run folders as leaderboards: one for each set of scored rows, so that only comparable scores are ranked."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune import registry
from autotune.config.enums import CardLanguage
from autotune.errors import AutotuneError, ConfigError
from autotune.metrics.objective import Objective
from autotune.publishing.card.facts import Facts, read_facts
from autotune.reporting import charts
from autotune.reporting.page import FIX
from autotune.reporting.tables_page import Section, render_page
from autotune.reporting.texts import translated
from autotune.run.status import STATUS, State, open_finished, read_status, state_of
from autotune.run.sweep_members import MemberState, present_state
from autotune.runtime.language import language, local, word
from autotune.runtime.records import damaged
from autotune.runtime.table import Table, shown_interval

MAX_BARS = 12
"""Runs whose intervals are drawn, the best ones."""

SEARCH = "auto.yaml"
"""File in the folder of `autotune auto`, whose runs are in `trials`."""


@dataclass(frozen=True)
class Scored:
    """A finished run with its result."""

    folder: str
    facts: Facts
    score: float
    """Main metric on the split that is the result."""
    interval: Sequence[float] | None

    @property
    def key(self) -> tuple[str, str, str]:
        """Task, split, and fingerprint of its rows: runs are ranked together if these and the main metric are the same."""
        data = self.facts.data
        by_split: Mapping[str, str] = data.get("fingerprints", {})
        return (
            self.facts.config.task.name,
            self.facts.split,
            by_split.get(self.facts.split, data["fingerprint"]),
        )

    @property
    def best_baseline(self) -> tuple[str, float] | None:
        """Name and main metric of the best baseline; None if none has that metric."""
        values = self.facts.metrics["baseline"][self.facts.split]
        known = {
            name: scores[self.main] for name, scores in values.items() if scores.get(self.main) is not None
        }
        best = objective_of(self.facts).best(known, lambda name: known[name])
        return None if best is None else (best, known[best])

    @property
    def main(self) -> str:
        """Name of the main metric."""
        return objective_of(self.facts).metric

    @property
    def rank(self) -> float:
        """Greater for a better score."""
        return objective_of(self.facts).rank(self.score)

    @property
    def peft(self) -> str:
        """Method of the adapter; none for full fine-tuning."""
        peft = self.facts.config.peft
        return "none" if peft is None else str(peft.method)


@dataclass(frozen=True)
class Unscored:
    """A run that is not finished, or whose folder is damaged."""

    folder: str
    state: MemberState
    reason: str
    """One line in the user's language."""


@dataclass(frozen=True)
class Leaderboard:
    """All runs of some folders."""

    groups: Sequence[Sequence[Scored]]
    """Runs that were scored on the same rows, the best one first; groups in the order of their names."""
    others: Sequence[Unscored]


def objective_of(facts: Facts) -> Objective:
    """Returns the main metric of a run and its direction."""
    return registry.task(facts.config.task.name).objective_of(facts.config.task)


def leaderboard(paths: Sequence[str]) -> Leaderboard:
    """Reads all runs in some folders, at any depth.

    Args:
        paths: run folders, and folders of runs. Files among them, as a pattern of the shell gives, are ignored.

    Raises:
        ConfigError: a path does not exist, or there is no run in any of them.
    """
    scored: list[Scored] = []
    others: list[Unscored] = []
    for folder in run_folders(paths):
        entry = _read(folder)
        if isinstance(entry, Scored):
            scored.append(entry)
        else:
            others.append(entry)
    groups: dict[tuple[str, ...], list[Scored]] = {}
    for run in sorted(scored, key=lambda run: (run.key, run.main, -run.rank, run.folder)):
        groups.setdefault((*run.key, run.main), []).append(run)
    return Leaderboard(list(groups.values()), others)


def run_folders(paths: Sequence[str]) -> list[Path]:
    """Returns the run folders in some folders, each once; what is inside of a run folder is not searched.

    Raises:
        ConfigError: see `leaderboard`.
    """
    folders: dict[Path, Path] = {}
    for name in paths:
        path = Path(name).expanduser()
        if not path.exists():
            raise ConfigError("there is no such folder of runs", where=name)
        for folder in _runs_in(path):
            folders.setdefault(folder.resolve(), folder)
    if not folders:
        raise ConfigError(
            "there is no run in these folders",
            where="autotune table",
            found=" ".join(paths),
            fix="autotune table runs",
        )
    return list(folders.values())


def _runs_in(top: Path) -> Iterator[Path]:
    for name, below, files in os.walk(top):
        folder = Path(name)
        if SEARCH in files:
            below[:] = [inner for inner in below if inner == "trials"]
        elif STATUS in files:
            below.clear()
            # Trials of a search are paused where they are compared; only those that were finished have a score to show.
            if not (folder.parent.parent / SEARCH).is_file() or state_of(folder) is State.finished:
                yield folder
        below.sort()


def _read(folder: Path) -> Scored | Unscored:
    """Reads a run folder; whatever is wrong with it is the reason why it has no place."""
    name = str(folder)
    try:
        status = read_status(folder)
        state = present_state(folder, status)
        if state is not MemberState.finished:
            return Unscored(name, state, local(str(status.get("reason") or "").partition("\n")[0]))
        config, status = open_finished(folder)
        facts = read_facts(folder, config, status["command"])
        if not facts.metrics:
            raise damaged(folder / "metrics.json", "there is no such file", FIX)
        main = objective_of(facts).metric
        score = facts.metrics[facts.split].get(main)
        if not isinstance(score, float):
            raise damaged(folder / "metrics.json", f"{facts.split}.{main}: {score}", FIX)
        return Scored(name, facts, score, facts.metrics.get("interval", {}).get(facts.split, {}).get(main))
    except AutotuneError as error:
        found = f": {local(error.found)}" if error.found else ""
        return Unscored(name, MemberState.damaged, f"{local(error.what)}{found}".partition("\n")[0])
    except OSError as error:  # the folder may be another user's
        return Unscored(name, MemberState.damaged, str(error.strerror or error))


def tables(board: Leaderboard) -> list[Table]:
    """Returns a table for each set of scored rows, and one of the runs without a score, in the user's language."""
    made = [*map(_group_table, board.groups), _others_table(board)]
    return [table.translated(word, local) for table in made if table.rows]


def _group_table(group: Sequence[Scored]) -> Table:
    rows, message = [], translated(CardLanguage(language()))
    for run in group:
        baseline, training = run.best_baseline, run.facts.metrics["training"]
        rows.append(
            [
                run.facts.base,
                run.peft,
                f"{run.score:.4f}{shown_interval(run.interval)}",
                "—" if baseline is None else f"{baseline[1]:.4f} {message(baseline[0])}",
                str(training["steps"]),
                f"{training['seconds']:.0f} s",
                run.folder,
            ]
        )
    task, split, fingerprint = group[0].key
    count = group[0].facts.data["rows"][split]
    title = f"{task}, {_names(group)}: {count} rows of {split}, fingerprint {fingerprint}"
    header = ["model", "peft", group[0].main, "best baseline", "steps", "time", "folder"]
    return Table(header, rows, title, texts=2, texts_right=1)


def _names(group: Sequence[Scored]) -> str:
    return " / ".join(dict.fromkeys(run.facts.dataset for run in group))


def _others_table(board: Leaderboard) -> Table:
    rows = [[run.folder, word(run.state), run.reason] for run in board.others]
    return Table(["folder", "state", "reason"], rows, "runs without a score", texts=3)


def csv_table(board: Leaderboard) -> Table:
    """Returns all runs in one table for programs, with full numbers and English names."""
    rows = []
    for run in (run for group in board.groups for run in group):
        baseline, training = run.best_baseline or ("", None), run.facts.metrics["training"]
        low, high = run.interval or (None, None)
        values = [*run.key, run.facts.dataset, run.facts.data["rows"][run.facts.split], run.facts.base, run.peft,
                  run.facts.config.seed, run.main, run.score, low, high, *baseline, training["steps"],
                  training["seconds"], run.folder, MemberState.finished, ""]  # fmt: skip
        rows.append(values)
    for other in board.others:
        rows.append([*[""] * (len(CSV_HEADER) - 3), other.folder, other.state, other.reason])
    return Table(CSV_HEADER, [["" if value is None else str(value) for value in row] for row in rows])


CSV_HEADER = (
    "task", "split", "fingerprint", "dataset", "rows", "model", "peft", "seed", "metric", "score", "low", "high",
    "baseline", "baseline_score", "steps", "seconds", "folder", "state", "reason",
)  # fmt: skip
"""Columns of the CSV."""


def page(board: Leaderboard) -> str:
    """Returns the tables as a page, with the intervals of the best runs of each."""
    made = tables(board)
    sections = []
    for number, table in enumerate(made):
        drawn: dict[str, Any] = {}
        if number < len(board.groups):
            group = board.groups[number]
            bars = {
                Path(run.folder).name: (run.interval[0], run.score, run.interval[1])
                for run in group[:MAX_BARS]
                if run.interval is not None
            }
            drawn = {group[0].main: charts.intervals(group[0].main, bars, group[0].main)} if bars else {}
        sections.append(Section(table.title, tables=[table.untitled()], charts=drawn))
    return render_page(word("leaderboard"), sections)
