"""Percentile bootstrap (Efron 1979): how much a score would vary with another test set of the same size.

It resamples blocks of rows instead of rows: the metric state of a block is computed once, so the cost does not grow
with the split. Rows are distributed over the blocks in turn; with few rows, each row is a block.
"""

from collections.abc import Iterable

import numpy as np

from autotune.tasks.base import Prediction, Row, Task

BLOCKS, RESAMPLES, LEVEL = 200, 500, 0.95


def intervals(
    task: Task, rows: Iterable[Row], predictions: Iterable[Prediction], seed: int
) -> dict[str, list[float]]:
    """Returns the 95 % interval of every metric: lower and upper end.

    Args:
        task: scores the predictions.
        rows: rows of a split, with gold values.
        predictions: one per row, in order.
        seed: seed of the resampling.
    """
    metric = task.metric()
    blocks = []
    for number, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
        if number < BLOCKS:
            blocks.append(metric.empty())
        blocks[number % BLOCKS].add(*task.to_metric_inputs(row, prediction))
    generator, resampled = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        state = metric.empty()
        for block in generator.integers(len(blocks), size=len(blocks)):
            state.merge(blocks[block])
        resampled.append(state.values())
    names = list(resampled[0])
    tail = 100 * (1 - LEVEL) / 2
    table = [[values[name] for name in names] for values in resampled]
    ends = np.percentile(table, [tail, 100 - tail], axis=0)
    return {name: [float(low), float(high)] for name, low, high in zip(names, *ends, strict=True)}
