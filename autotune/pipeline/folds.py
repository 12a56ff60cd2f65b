"""The score of all folds of a sweep together: its predictions out of fold, scored as one set."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError
from autotune.run.sweep_folder import SweepFolder
from autotune.run.sweep_folds import SPLIT, FoldGroup, Pooled, fold_groups, pooled_of
from autotune.runtime.files import atomic_write

logger = logging.getLogger(__name__)

SEED = 42
"""Seed of the bootstrap: the same runs give the same interval."""


def pool_folds(sweep: SweepFolder) -> None:
    """Scores the folds whose runs are all finished, where that was not done yet, and writes the figures into the sweep's folder.

    A group that cannot be scored is named in a warning.

    Raises:
        ConfigError: a file of the sweep is damaged.
        DiskError: its folder cannot be written.
    """
    known, pooled = sweep.pooled(), list[Pooled]()
    for number, group in enumerate(fold_groups(sweep.read())):
        entry = pooled_of(group, known)
        if entry is None and group.complete:
            try:
                entry = _pool(
                    group,
                    sweep.path.parent,
                    sweep.path / f"out_of_fold{f'-{number + 1}' if number else ''}.jsonl",
                )
            except AutotuneError as error:
                logger.warning("the folds have no score together: %s", error)
        pooled += [entry] if entry is not None else []
    if pooled != known:
        sweep.write_pooled(pooled)


def _pool(group: FoldGroup, runs: Path, output: Path) -> Pooled:
    """Scores the predictions of all folds of a group, and writes them into one file, each with its fold."""
    # What is heavy to import is imported where there is something to score: the table of a sweep must not wait for it.
    from autotune.evaluation.bootstrap import Blocks, intervals
    from autotune.pipeline.compare import open_runs, task_of_run

    finished = open_runs([str(runs / fold.run) for fold in group.folds])
    task = task_of_run(finished[0])
    metric = task.metric()
    blocks, total = Blocks(metric.empty), metric.empty()

    def lines() -> Iterator[dict[str, Any]]:
        for fold, run in zip(group.folds, finished, strict=True):
            for row in run.predictions(SPLIT):
                state = metric.empty()
                state.add(*task.to_metric_inputs(row, row))
                blocks.add_state(state)
                total.merge(state)
                yield {"fold": fold.fold, **row}

    with atomic_write(output) as file:
        file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in lines())
    return Pooled(
        overrides=group.overrides,
        main=task.main_metric,
        rows=blocks.rows,
        scores={name: float(value) for name, value in total.values().items()},
        interval=intervals(blocks.states, metric.empty, SEED),
        folds=group.folds,
    )
