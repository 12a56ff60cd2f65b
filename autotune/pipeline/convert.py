"""`autotune convert`: reads a data set as training does, and writes its rows in another form."""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from autotune import registry
from autotune.config.schema import DatasetConfig, RunConfig
from autotune.data.canonical import Converter
from autotune.data.columns import find_columns
from autotune.data.export import export
from autotune.data.locate import resolve_splits
from autotune.data.sources import load_rows
from autotune.errors import AutotuneError, ConfigError, DataError
from autotune.pipeline.outputs import Output, inputs_of, refuse_input
from autotune.runtime.files import scratch

logger = logging.getLogger(__name__)


def convert(configs: Mapping[str, RunConfig], output: Output) -> int:
    """Writes the rows of `dataset.path`; returns the exit code.

    Args:
        configs: by task; where there are several, the one whose columns the data have is meant.
        output: file or folder, which may be written.

    Raises:
        ConfigError: see `export`; no task or several have the columns of the data.
        DataError: the data cannot be read, or the form cannot hold them.
    """
    path = output.path
    for config in configs.values():
        refuse_input(path, inputs_of(config.dataset))
    name = next(iter(configs)) if len(configs) == 1 else _task(configs)
    config, columns = configs[name], registry.task(name).columns
    with scratch() as cache:
        rows = load_rows(config.dataset, columns, cache=Path(cache))
        # That there is no test split matters to a run only.
        notes = [note for note in rows.notes if "dataset.test_fraction" not in note]
        notes += export(rows.splits, columns, path, output.form, overwrite=True, special=output.special)
    for note in notes:
        logger.info("data: %s", note)
    counts = ", ".join(f"{split} {len(data)} rows" for split, data in rows.splits.items())
    logger.info("%s (%s): %s", path, name, counts)
    return 0


def _task(configs: Mapping[str, RunConfig]) -> str:
    """The one task whose columns the data have.

    Raises:
        ConfigError: there is none, or there are several.
        DataError: the data cannot be read.
    """
    refused: dict[str, AutotuneError] = {}
    for name, config in configs.items():
        error = _unfit(name, config.dataset)
        if error is not None:
            refused[name] = error
    fitting = _most_general([name for name in configs if name not in refused])
    path = next(iter(configs.values())).dataset.path
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigError(
            "the data have the columns of several tasks",
            where=path,
            found=f"tasks: {', '.join(fitting)}",
            fix=f"task={fitting[0]}",
        )
    raise ConfigError(
        "the data have the columns of no task",
        where=path,
        found="\n".join(
            f"{name}: {error.what}" + (f" ({error.fix})" if error.fix else "")
            for name, error in refused.items()
        ),
        fix="task=NAME with dataset.columns.…=COLUMN",
    )


def _most_general(names: Sequence[str]) -> list[str]:
    """Returns the tasks without those that derive from another one of them, as sentiment from classification."""
    classes = {name: registry.task(name) for name in names}
    return [
        name
        for name, task in classes.items()
        if not any(other is not task and issubclass(task, other) for other in classes.values())
    ]


def _unfit(name: str, config: DatasetConfig) -> DataError | None:
    """Why the first row is none of this task, or None."""
    columns = registry.task(name).columns
    source = resolve_splits(config, columns)[0]["train"][0].source
    first = list(islice(source.raw([]), 1))
    converter = Converter(columns, config, source.where, predicting=True, training=False, tags=None)
    try:
        for row in first:
            find_columns(row, columns, config, source.where, predicting=False)
        list(converter.convert(first))
    except DataError as error:
        return error
    return None
