"""`autotune suspects`: writes the rows whose gold value is probably wrong, the most suspicious first. It removes nothing."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune import registry
from autotune.config.columns import Column, Kind
from autotune.config.formats import Form
from autotune.config.schema import RunConfig
from autotune.data.cache import iter_column
from autotune.data.cache_use import entries_in_use
from autotune.data.duplicates import iter_texts, text_column
from autotune.data.folds import assign_folds, clusters
from autotune.data.formats.formulas import guarded
from autotune.data.sources import load_rows
from autotune.errors import ConfigError, DataError, shell_words
from autotune.evaluation.cross_fit import FOLDS, SEED, cross_fitted
from autotune.evaluation.suspects import entity_suspects, label_suspects
from autotune.pipeline.check import cache_folder
from autotune.pipeline.compare import FinishedRun, open_runs
from autotune.pipeline.outputs import Output, inputs_of, refuse_input
from autotune.run.sweeps import dataset_of
from autotune.runtime.files import scratch

logger = logging.getLogger(__name__)

Suspect = dict[str, Any]


def suspects_of_run(run: str, output: Output) -> int:
    """Writes the suspects among the rows of a finished run; returns the exit code.

    Its predictions for validation and test are probabilities of a model that has not learned from these rows. For labels,
    they are averaged with those of the cheap model; for entities, they are all there is.

    Args:
        run: run folder.
        output: file to write.

    Raises:
        DataError: the run has predicted other rows than its data have now.
        ModelError: the run is not finished.
    """
    (opened,) = open_runs([run])
    return _write(replace(opened.config, dataset=dataset_of(run, opened.config)), output, opened)


def suspects_of_data(config: RunConfig, output: Output) -> int:
    """Writes the suspects among the rows of a data set; returns the exit code.

    Args:
        config: its `task` and `dataset` say which rows.
        output: file to write.

    Raises:
        ConfigError: the task needs a run.
        DataError: the data cannot be read.
    """
    return _write(config, output, None)


@entries_in_use()
def _write(config: RunConfig, output: Output, run: FinishedRun | None) -> int:
    refuse_input(output.path, inputs_of(config.dataset))
    columns = registry.task(config.task.name).columns
    kinds = {column.kind for column in columns if column.target}
    if Kind.label not in kinds and (Kind.tags not in kinds or run is None):
        raise ConfigError(
            "suspects are found among labels, and among entities of a finished run",
            where="autotune suspects",
            found=f"task={config.task.name}",
            fix="autotune suspects RUN" if Kind.tags in kinds else "task=sentiment, or a run of task=ner",
        )
    if config.dataset.streaming:
        raise ConfigError("suspects are found among all rows, so they cannot be streamed", where="dataset.streaming",
                          fix="dataset.streaming=false")  # fmt: skip
    rows = load_rows(config.dataset, columns, cache=cache_folder(config)).splits
    if run is not None:
        _refuse_other_rows(run, rows)
    if Kind.label in kinds:
        found, total = _labels(rows, columns, run), sum(map(len, rows.values()))
    else:
        assert run is not None, "refused above"
        found, total = _entities(run, rows), sum(len(rows[split]) for split in _predicted(run, rows))
    ranked = [{"rank": rank, **suspect} for rank, suspect in enumerate(found, 1)]
    with scratch() as folder:
        output.write_rows(_guarded(ranked) if output.form in (Form.csv, Form.tsv) else ranked, Path(folder))
    logger.info("%d suspects in %d rows: %s", len(ranked), total, output.path)
    for suspect in islice(ranked, 3):
        logger.info("  %s row %d (id %s): %r, perhaps %r", suspect["split"], suspect["row"], suspect["id"],
                    suspect["gold"], suspect["suggested"])  # fmt: skip
    if Kind.label in kinds and ranked:
        fixes = shell_words(f"dataset.label_fixes={output.path}")
        logger.info(
            "nothing was changed: write the right label into the column `label` and train with %s", fixes
        )
    return 0


def _labels(
    rows: Mapping[str, Dataset], columns: Iterable[Column], run: FinishedRun | None
) -> Iterator[Suspect]:
    """Yields the suspects among labels; models do not learn from test."""
    columns = list(columns)
    role = next(column.role for column in columns if column.kind is Kind.label)
    places = [(split, position) for split, data in rows.items() for position in range(len(data))]
    texts = [text for data in rows.values() for text in iter_texts(data, text_column(columns))]
    gold = [label for data in rows.values() for label in iter_column(data, role)]
    ids = [name for data in rows.values() for name in iter_column(data, "id")]
    groups = None
    if all("group" in data.column_names for data in rows.values()):
        groups = [group for data in rows.values() for group in iter_column(data, "group")]
    names = sorted(set(gold)) if run is None else list(run.facts.saved["facts"]["labels"])
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[label] for label in gold], dtype=np.int64)
    folds = assign_folds(gold, clusters(texts, groups), count=FOLDS, seed=SEED)
    learned = np.array([split != "test" or len(rows) == 1 for split, _ in places])
    probabilities = cross_fitted(texts, labels, folds, learned, len(names))
    averaged = np.array([run is not None and split in _predicted(run, rows) for split, _ in places])
    if run is not None and averaged.any():
        of_run = [_probabilities(run, split, names) for split in _predicted(run, rows)]
        probabilities[averaged] = (probabilities[averaged] + np.concatenate(of_run)) / 2
    # Apart, because the mean of two models is surer or less sure than one, and the thresholds are means over rows.
    suspects = np.concatenate(
        [
            part[label_suspects(probabilities[part], labels[part])]
            for part in map(np.flatnonzero, (averaged, ~averaged))
        ]
    )
    own = probabilities[suspects, labels[suspects]]
    for number in suspects[np.argsort(own, kind="stable")].tolist():
        suggested = int(probabilities[number].argmax())
        split, position = places[number]
        yield {
            "split": split,
            "row": position,
            "id": ids[number],
            "gold": gold[number],
            "suggested": names[suggested],
            "probability": round(float(probabilities[number, suggested]), 4),
            "gold_probability": round(float(probabilities[number, labels[number]]), 4),
            "label": "",
            "text": texts[number],
        }


def _entities(run: FinishedRun, rows: Mapping[str, Dataset]) -> Iterator[Suspect]:
    """Yields disagreements about entities: those that a model predicts by their probability, then those it does not find."""
    suspects = [
        (not suspect.suggested, -(suspect.probability or 0.0), split, position, prediction, suspect)
        for split in _predicted(run, rows)
        for position, prediction in enumerate(run.predictions(split))
        for suspect in entity_suspects(prediction)
    ]
    for _, _, split, position, prediction, suspect in sorted(suspects, key=lambda item: item[:2]):
        yield {
            "split": split,
            "row": position,
            "id": prediction["id"],
            "word": suspect.word,
            "gold": suspect.gold,
            "suggested": suspect.suggested,
            "probability": None if suspect.probability is None else round(suspect.probability, 4),
            "text": prediction["text"],
        }


def _predicted(run: FinishedRun, rows: Mapping[str, Dataset]) -> list[str]:
    """Returns the splits that a run has predicted and not learned from."""
    return [split for split in rows if split != "train" and run.file(split).is_file()]


def _probabilities(run: FinishedRun, split: str, names: list[str]) -> NDArray[np.float64]:
    return np.array([[row["probabilities"][name] for name in names] for row in run.predictions(split)])


def _refuse_other_rows(run: FinishedRun, rows: Mapping[str, Dataset]) -> None:
    """Raises DataError if a run has predicted other rows, or rows with other gold values, than its data have now."""
    targets = [column.role for column in registry.task(run.config.task.name).columns if column.target]
    for split in _predicted(run, rows):
        keys = ["id", *targets]
        now = list(zip(*(iter_column(rows[split], key) for key in keys), strict=True))
        then = [tuple(row[key] for key in keys) for row in run.predictions(split)]
        if now != then:
            raise DataError(
                "the data have changed since this run predicted them",
                where=f"{run.folder}, {split}",
                found=f"{len(then)} rows then, {len(now)} now, with ids or gold values that differ",
                fix="train again, or look at the data alone: autotune suspects task=… dataset=…",
            )


def _guarded(suspects: Iterable[Suspect]) -> Iterator[Suspect]:
    """Yields suspects whose texts no spreadsheet runs as formulas."""
    for suspect in suspects:
        yield {name: guarded(value) if isinstance(value, str) else value for name, value in suspect.items()}
