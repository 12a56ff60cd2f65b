"""What a search leaves: search.csv, search.md, and the best trial as an experiment."""

import logging
from collections.abc import Sequence
from pathlib import Path

from autotune.errors import shell_words
from autotune.metrics.objective import Objective
from autotune.pipeline.experiment import experiment_file
from autotune.pipeline.study import Row
from autotune.run.status import CONFIG
from autotune.runtime.files import atomic_write, make_folder
from autotune.runtime.table import Table

logger = logging.getLogger(__name__)

EXPERIMENT = "best"
"""Name of the experiment file."""


def write_report(folder: Path, rows: Sequence[Row], objective: Objective) -> None:
    """Writes the tables and the best trial's experiment file.

    Raises:
        DiskError: a file cannot be written.
    """
    metric = objective.metric
    table = _table(rows, metric)
    _write(folder / "search.csv", table.csv())
    _write(folder / "search.md", table.markdown())
    best = best_of(rows, objective)
    if best is not None and (folder / "trials" / best.run / CONFIG).is_file():
        make_folder(folder / "config" / "experiment")
        _write(folder / "config" / "experiment" / f"{EXPERIMENT}.yaml", _experiment(folder, best, metric))


def log_table(folder: Path, rows: Sequence[Row], objective: Objective) -> None:
    """Logs the trials, the best first, and the command that finishes the best one."""
    metric = objective.metric
    ordered = sorted(
        rows, key=lambda row: (row.state != "complete", -objective.rank(row.value or 0), row.number)
    )
    for line in _table(ordered, metric).text().splitlines():
        logger.info("%s", line)
    best = best_of(rows, objective)
    if best is None:
        return
    logger.info("best: trial %d, validation %s %.4f: %s", best.number, metric, best.value or 0.0,
                " ".join(f"{key}={value}" for key, value in best.values.items()))  # fmt: skip
    logger.info("save its model and score it on test, without training it again:")
    logger.info("  autotune --config-dir %s experiment=%s", shell_words(folder / "config"), EXPERIMENT)


def best_of(rows: Sequence[Row], objective: Objective) -> Row | None:
    """Returns the completed trial with the best score, of equal ones the first; None if there is none."""
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    return objective.best(complete, lambda row: row.value or 0.0)


def _table(rows: Sequence[Row], metric: str) -> Table:
    """Returns one row per trial."""
    searched = sorted({key for row in rows for key in row.values})
    header, table = ["trial", "state", metric, "steps", *searched, "run", "reason"], []
    for row in rows:
        score = "" if row.value is None else f"{row.value:.4f}"
        steps = "" if row.steps is None else str(row.steps)
        values = [str(row.values.get(key, "")) for key in searched]
        table.append([str(row.number), row.state, score, steps, *values, row.run, row.reason])
    return Table(header, table, texts=len(header))


def _experiment(folder: Path, best: Row, metric: str) -> str:
    """Returns the experiment file of a trial, with its folder, where its last checkpoint is."""
    run = folder / "trials" / best.run
    return experiment_file(
        run / CONFIG,
        f"Trial {best.number} of a search, {metric} {best.value or 0.0:.4f} on validation:",
        f"  autotune --config-dir {shell_words(folder / 'config')} experiment={EXPERIMENT}",
        name=best.run,
        runs=str(run.parent.absolute()),
    )


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))
