"""The round-trip proof: a fresh process reads the saved model and must predict what this one predicts, and so must
`transformers.pipeline` where the task has one."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from autotune.errors import TrainingError
from autotune.evaluation.predictor import Predictor
from autotune.evaluation.served import differences, rows_to_compare
from autotune.models.files import ADAPTER
from autotune.run.folder import RunFolder
from autotune.runtime import child_process
from autotune.runtime.files import scratch
from autotune.tasks.base import Prediction, Task

logger = logging.getLogger(__name__)

PROOF_ROWS = 32
"""So many rows are predicted again by a fresh process that reads the saved model."""

PROOF_TOLERANCE = 1e-4
"""By how much a probability may differ between the two processes: they may choose other kernels."""


def verify_round_trip(predictor: Predictor, rows: Dataset, folder: RunFolder, plugins: Sequence[str]) -> None:
    """A fresh process reads the saved model and must give the same predictions as the one that trained it; then
    `transformers.pipeline` must, with a neural network (see `autotune.evaluation.served`).

    The model is on the CPU afterwards.

    Raises:
        TrainingError: it does not.
    """
    task = predictor.task
    inputs = [column.role for column in task.columns if not column.target]
    some = rows.select(range(min(PROOF_ROWS, len(rows))))
    with scratch() as folder_of_rows:
        rows_file, answers_file = (
            Path(folder_of_rows, "rows.jsonl"),
            Path(folder_of_rows, "predictions.jsonl"),
        )
        rows_file.write_text(
            "".join(
                json.dumps({role: row[role] for role in ("id", *inputs) if role in row}) + "\n"
                for row in some
            ),
            encoding="utf-8",
        )
        expected = list(predictor.stream(some))
        predictor.free()  # the other process needs the GPU's memory
        options = [word for plugin in plugins for word in ("--plugin", plugin)]
        done = child_process.run(
            [*options, "predict", str(folder.path), str(rows_file), "-o", str(answers_file)]
        )
        if done.returncode:
            raise TrainingError(
                "a fresh process could not read the saved model back",
                where=str(folder.model),
                found=done.output.strip(),
                fix="the trained weights are safe in the run folder; please report this with the log",
            )
        actual = [json.loads(line) for line in answers_file.read_text(encoding="utf-8").splitlines()]
    different = [
        index for index, pair in enumerate(zip(expected, actual, strict=True)) if not _same_prediction(*pair)
    ]
    if different:
        raise TrainingError(
            f"the saved model, read by a fresh process, predicts {len(different)} of {len(expected)} rows differently",
            where=str(folder.model),
            found=f"row {expected[different[0]]['id']}: {expected[different[0]]['prediction']!r} became "
            f"{actual[different[0]]['prediction']!r}",
            fix="the trained weights are safe in the run folder; please report this with the log",
        )
    if predictor.precision is None:
        logger.info(
            "proof: a fresh process read the saved model and gave the same predictions for %d rows",
            len(expected),
        )
        return
    logger.info(
        "proof: a fresh process read the saved model and gave the same predictions for %d rows, in %s",
        len(expected), predictor.precision,
    )  # fmt: skip
    verify_pipeline(task, folder.model, some)


def verify_pipeline(task: Task, folder: Path, rows: Dataset) -> None:
    """`transformers.pipeline` reads the saved model and must answer as the task does.

    Args:
        task: of the model; where it has no pipeline, nothing is done.
        folder: of the saved model; a pipeline cannot read an adapter without its base.
        rows: some of the scored split.

    Raises:
        TrainingError: it does not.
    """
    if task.pipeline is None or (folder / ADAPTER).exists():
        return
    compared = rows_to_compare(task, list(rows))
    different = list(differences(task, folder, compared))
    if different:
        raise TrainingError(
            f"transformers.pipeline answers differently with the saved model, in {len(different)} of {len(compared)} rows",
            where=str(folder),
            found=different[0],
            fix="the trained weights are safe in the run folder; please report this with the log",
        )
    if compared:
        logger.info("proof: transformers.pipeline answers the same for %d rows", len(compared))


def _same_prediction(one: Prediction, other: Prediction) -> bool:
    pairs = zip(_numbers(one), _numbers(other), strict=True)
    same = all(abs(a - b) <= PROOF_TOLERANCE * max(1.0, abs(a)) for a, b in pairs)
    return same and (_is_number(one) or one["prediction"] == other["prediction"])


def _is_number(prediction: Prediction) -> bool:
    return isinstance(prediction["prediction"], float | dict)


def _numbers(prediction: Prediction) -> list[float]:
    """Returns the numbers of a prediction, which may differ by rounding."""
    if _is_number(prediction):
        value = prediction["prediction"]
        return list(value.values()) if isinstance(value, dict) else [value]
    entities = [entity.get("probability", 0.0) for entity in prediction.get("entities", ())]
    return [*prediction.get("probabilities", {}).values(), *entities]
