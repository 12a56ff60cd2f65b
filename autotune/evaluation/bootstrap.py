"""How far a figure would move with another test set of the same size: percentile bootstrap (Efron 1979).

Not rows are drawn but blocks of rows: what a tally of a block holds need not be counted again, so the cost does not
grow with the split. Rows are dealt to the blocks in turns; with few rows each is a block of its own.
"""

from collections.abc import Iterable

import numpy as np

from autotune.tasks.base import Prediction, Row, Task

BLOCKS, DRAWS, LEVEL = 200, 500, 0.95


def intervals(
    task: Task, rows: Iterable[Row], predictions: Iterable[Prediction], seed: int
) -> dict[str, list[float]]:
    """The 95 % interval of every figure: lower and upper end.

    Args:
        task: scores.
        rows: of a split, with gold values.
        predictions: one a row, in order.
        seed: of the drawing.
    """
    metric = task.metric()
    blocks = []
    for number, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
        if number < BLOCKS:
            blocks.append(metric.empty())
        blocks[number % BLOCKS].add(*task.to_metric_inputs(row, prediction))
    draw, found = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        tally = metric.empty()
        for block in draw.integers(len(blocks), size=len(blocks)):
            tally.merge(blocks[block])
        found.append(tally.values())
    names = list(found[0])
    tail = 100 * (1 - LEVEL) / 2
    ends = np.percentile([[one[name] for name in names] for one in found], [tail, 100 - tail], axis=0)
    return {name: [float(low), float(high)] for name, low, high in zip(names, *ends, strict=True)}
