"""Scores a finished run again, or predicts with it. Imports neither the checks nor what trains and publishes, and torch only
for a neural network."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.config.schema import RunConfig
from autotune.data.gold import require_known_labels, require_targets, without_null_labels
from autotune.data.sources import Rows, load_file, load_rows, original_rows
from autotune.data.splits import scored_splits
from autotune.data.texts import rows_from_texts
from autotune.errors import AutotuneError, ConfigError, DataError, listing, shell_words
from autotune.evaluation.robustness import ROBUSTNESS
from autotune.metrics import recipe
from autotune.pipeline.bundled import bundled_rows
from autotune.pipeline.load import SavedModel, load_saved
from autotune.pipeline.outputs import Output, inputs_of, kept, print_rows, refuse_input
from autotune.pipeline.robustness import measure
from autotune.pipeline.summary import log_scores
from autotune.run.status import is_run
from autotune.run.sweeps import dataset_of, path_of, warn_of_changed_rows
from autotune.runtime.files import atomic_write
from autotune.runtime.places import cache_of
from autotune.runtime.streams import need_stdout
from autotune.tasks.base import Scores

logger = logging.getLogger(__name__)


def evaluate(
    run: str,
    change: Callable[[RunConfig], RunConfig],
    *,
    data: str | None,
    split: str | None,
    output: Output | None,
    form: str | None,
    robustness: bool = False,
    keep: bool = False,
) -> int:
    """Scores a finished run on one of its splits or on a file; returns the exit code.

    Args:
        run: run folder, or a folder with a saved model.
        change: what overrides make of the run's configuration.
        data: file to score instead of the run's own data.
        split: of the run's own data; None: the one that is the run's result, test where there is one.
        output: JSON file for the figures.
        form: of `data`, where its name does not say it.
        robustness: whether to score changed texts, too.
        keep: whether their scores are kept in the run folder.
    """
    if output is None:
        need_stdout()
    loaded = load_saved(run, change)
    if output is not None and data is None:
        refuse_input(output.path, inputs_of(dataset_of(run, loaded.config)))
    name, rows = rows_to_score(loaded, run, data=data, split=split, form=form)
    scores = _score(loaded, name, rows)
    log_scores(scores)
    figures = figures_of(loaded, scores)
    if robustness:
        figures["robustness"] = _robustness(loaded, run, name, rows, keep=keep)
    if output is None:
        need_stdout()
    else:
        output.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n")
    return 0


def _robustness(loaded: SavedModel, run: str, name: str, rows: Dataset, *, keep: bool) -> dict[str, Any]:
    """Scores changed texts; returns the content of robustness.json, and writes it into the run folder."""
    predictions = loaded.new_cache() / "predictions.jsonl"
    with predictions.open("w", encoding="utf-8") as file:
        for prediction in loaded.predictor.stream(rows):
            file.write(json.dumps(prediction, ensure_ascii=False) + "\n")
    content = measure(loaded.predictor, name, rows, predictions).as_dict()
    if keep and is_run(Path(run)):
        with atomic_write(Path(run, ROBUSTNESS)) as file:
            file.write((json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
        logger.info("these scores are in %s, and after `autotune report %s` in the report",
                    Path(run, ROBUSTNESS), shell_words(run))  # fmt: skip
    return content


def score(loaded: SavedModel, run: str, *, data: str | None, split: str | None, form: str | None) -> Scores:
    """Scores a saved model on one of its run's splits or on a file.

    Args:
        loaded: the model.
        run: its folder.
        data: file to score instead of the run's own data.
        split: of the run's own data; None: the one that is the run's result, test where there is one.
        form: of `data`, where its name does not say it.

    Raises:
        ConfigError: the run has no such split.
        DataError: the file has no gold values, or labels that the model does not know.
    """
    return _score(loaded, *rows_to_score(loaded, run, data=data, split=split, form=form))


def rows_to_score(
    loaded: SavedModel, run: str, *, data: str | None, split: str | None, form: str | None
) -> tuple[str, Dataset]:
    """Returns the name of a split or file, and its rows; see `score`."""
    dataset, columns, cache = loaded.config.dataset, loaded.task.columns, Path(loaded.scratch.name)
    if data is None:
        own_rows = _own_rows(loaded, run, cache)
        warn_of_changed_rows(run, own_rows.fingerprint)
        split = split or scored_splits(own_rows.splits)[-1]
        if split not in own_rows.splits:
            raise ConfigError(
                f"the run has no split {split!r}", where="--split", found=listing(own_rows.splits)
            )
        rows = own_rows.splits[split]
    else:
        rows = load_file(data, dataset, columns, cache=cache, form=form)
        rows = without_null_labels(columns, rows, dataset)
        require_targets(columns, rows, data)
        require_known_labels(columns, rows, loaded.task.labels(), dataset, data)
    return data or str(split), rows


def _score(loaded: SavedModel, name: str, rows: Dataset) -> Scores:
    scores, predictor = loaded.predictor.score(rows), loaded.predictor
    if predictor.precision is None:
        logger.info("%s, %d rows", name, len(rows))
    else:
        logger.info("%s, %d rows, scored in %s on %s", name, len(rows), predictor.precision, predictor.device)
    return scores


def _own_rows(loaded: SavedModel, run: str, cache: Path) -> Rows:
    """Returns the rows of a run: those of its bundle if it was trained from one, else those of its data set."""
    config = loaded.config
    file = path_of(run, config.bundle) if config.bundle is not None else None
    if file is not None and file.is_file():
        shared = cache_of(Path(run).expanduser().resolve().parent)
        return bundled_rows(str(file), shared if shared.is_dir() else cache)
    try:
        return load_rows(dataset_of(run, config), loaded.task.columns, cache=cache)
    except AutotuneError as error:
        if file is None:
            raise
        raise DataError(
            "the bundle that the run was trained from is missing, and its data set cannot be read",
            where=f"bundle={config.bundle}",
            found=error.errors[0].what,
            fix=f"copy the bundle to {file}; or autotune evaluate {shell_words(run)} --data FILE",
        ) from error


def figures_of(loaded: SavedModel, scores: Scores) -> dict[str, Any]:
    """Returns scores as JSON, with how they are computed and in which precision."""
    precision = loaded.predictor.precision
    return {
        **scores.as_dict(),
        "recipe": recipe(scores.values),
        **({} if precision is None else {"precision": precision}),
    }


def predict(
    run: str,
    change: Callable[[RunConfig], RunConfig],
    *,
    file: str | None,
    texts: Sequence[str],
    pairs: Sequence[str],
    output: Output | None,
    keep: Sequence[str],
    form: str | None,
) -> int:
    """Predicts for a file or for texts; returns the exit code.

    Args:
        run: run folder, or a folder with a saved model.
        change: what overrides make of the run's configuration.
        file: rows in any form that training takes; gold values are not needed.
        texts: instead of a file.
        pairs: second texts of a model of pairs, one for each of `texts`.
        output: file for the predictions; None prints them.
        keep: columns of the file that stand beside the predictions.
        form: of the file, where its name does not say it.
    """
    if output is None:
        need_stdout()
    loaded = load_saved(run, change)
    columns = loaded.task.columns
    rows = rows_to_predict(loaded, file, texts, form, pairs)
    predictor = loaded.predictor
    predictions: Iterable[Mapping[str, Any]] = predictor.stream(rows)
    if file is not None and keep:
        predictions = kept(predictions, original_rows(file, loaded.config.dataset, columns, form), keep)
    if output is None:
        print_rows(predictions)
    else:
        output.write_rows(predictions, Path(loaded.scratch.name))
        if predictor.precision is None:
            logger.info("%d predictions in %s", len(rows), output.path)
        else:
            logger.info("%d predictions in %s, made in %s on %s",
                        len(rows), output.path, predictor.precision, predictor.device)  # fmt: skip
    return 0


def rows_to_predict(
    loaded: SavedModel, file: str | None, texts: Sequence[str], form: str | None, pairs: Sequence[str] = ()
) -> Dataset:
    """Returns the rows of a file, or of texts where there is no file; gold values are not needed.

    Raises:
        ConfigError: the model takes pairs and there are single texts, or the other way round.
    """
    columns, cache = loaded.task.columns, Path(loaded.scratch.name)
    takes_pairs = loaded.config.dataset.columns.text_pair is not None
    if file is None and takes_pairs != bool(pairs):
        raise ConfigError(
            "the model takes pairs of texts" if takes_pairs else "the model takes single texts, not pairs",
            where="--text-pair",
            fix='autotune predict RUN --text "…" --text-pair "…"' if takes_pairs else "leave it out",
        )
    if file is None:
        return rows_from_texts(texts, columns, pairs=pairs, given=True)
    return load_file(file, loaded.config.dataset, columns, cache=cache, form=form, given=True)
