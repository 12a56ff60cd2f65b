"""What the predictions of the winner say beside its score: suspect labels, rows it can decide, and whether more labels help."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autotune.auto.board import SEED, Board
from autotune.auto.decide import Classified, classified
from autotune.config.formats import Form
from autotune.data.duplicates import iter_texts, text_column
from autotune.evaluation.abstention import threshold_for_error
from autotune.evaluation.more_labels import gain_of_more_labels
from autotune.evaluation.suspects import label_suspects
from autotune.metrics.calibration import tempered
from autotune.pipeline.outputs import Output
from autotune.pipeline.suspects import Suspect, label_suspect, write_suspects

logger = logging.getLogger(__name__)

ERRORS = (0.01, 0.05, 0.1)
"""Shares of errors for which the decided share of the rows is reported."""
FACTOR = 2
"""How many times as many rows `more_labels` is about."""


def coverage(rows: Classified, temperature: float | None) -> list[dict[str, float]]:
    """Returns for some shares of errors how many rows can be decided, as result.json has it.

    Args:
        rows: probabilities out of fold.
        temperature: by which the saved model divides its logits.
    """
    probabilities = tempered(rows.probabilities, temperature or 1.0)
    found = [(error, threshold_for_error(probabilities, rows.gold, error)) for error in ERRORS]
    return [
        {"error": error, "threshold": abstention.threshold, "coverage": abstention.coverage}
        for error, abstention in found
        if abstention is not None
    ]


def more_labels(board: Board, expired: Callable[[], bool]) -> dict[str, Any] | None:
    """Returns what twice as many labels would bring to TF-IDF, as result.json has it; None with few rows or without labels, or
    when the time is up."""
    judging = board.judging
    if judging.task.labels() is None or not isinstance(judging.gold_rows[0][judging.target], str):
        return None
    texts = list(iter_texts(judging.train, text_column(judging.task.columns)))
    gain = gain_of_more_labels(texts, list(judging.train[judging.target]), SEED, expired)
    if gain is None and expired():
        logger.info("whether more labels would help was not computed: the time is up")
    return None if gain is None else {"factor": FACTOR, "gain": gain.gain, "interval": [gain.low, gain.high]}


def suspects(board: Board, winner: str, cheap: str | None, share: float, file: Path) -> dict[str, Any] | None:
    """Writes the rows whose label is probably wrong; removes nothing.

    Args:
        board: has the predictions.
        winner: trial whose probabilities are used.
        cheap: another one, whose probabilities are averaged with them: a model that memorizes finds less.
        share: of the rows that is listed at most.
        file: suspects.csv.

    Returns:
        Number of rows and the file, as result.json has it; None where there are no probabilities of labels.
    """
    of_trials = [classified(board, trial) for trial in dict.fromkeys((winner, cheap or winner))]
    known = [rows for rows in of_trials if rows is not None]
    if not known or not share:
        return None
    rows, probabilities = known[0], np.mean([each.probabilities for each in known], axis=0)
    ranked = label_suspects(probabilities, rows.gold)[: int(share * len(rows.gold))]
    judging = board.judging
    split = "train" if judging.validation is None else "validation"
    texts = list(iter_texts(judging.rows, text_column(judging.task.columns)))

    def lines() -> Iterator[Suspect]:
        for number in ranked.tolist():
            position = rows.positions[number]
            yield label_suspect(
                split, position, judging.gold_rows[position]["id"], rows.labels, int(rows.gold[number]),
                probabilities[number], texts[position],
            )  # fmt: skip

    written = write_suspects(lines(), Output(file, Form.csv))
    return {"rows": len(written), "file": str(file)}
