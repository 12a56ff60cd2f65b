"""Loads data sets from the Hub, using only `datasets`."""

import re
from pathlib import Path

from datasets import Dataset, IterableDataset, load_dataset_builder

from autotune.config.schema import DatasetConfig
from autotune.errors import DataError, format_override, format_text_override
from autotune.runtime.hub_errors import HubDiagnosis, HubFailure, classify_hub_error

COMMIT = re.compile(r"[0-9a-f]{40}")
CONVERSION = "refs/convert/parquet"
"""Branch with the Hub's own conversion of a repository: CONFIGURATION/SPLIT/0000.parquet, without the names of configurations."""


def load_hub(config: DatasetConfig) -> tuple[dict[str, Dataset | IterableDataset], str | None]:
    """Returns all splits of a Hub data set (or of a folder in the Hub's layout) and its commit (None for a folder).

    With `dataset.streaming`, data are downloaded only when they are read.

    Raises:
        DataError: the data set does not exist, requires a token or the network, or only has a loading script.
    """
    try:
        builder = load_dataset_builder(
            config.path, name=config.name, revision=config.revision, data_files=config.data_files or None
        )
        if config.streaming:
            loaded = builder.as_streaming_dataset()
        else:
            builder.download_and_prepare()
            loaded = builder.as_dataset()
    except Exception as error:
        raise _to_data_error(config, error) from error
    # For a Hub repository, the `hash` of a `datasets` builder is its commit, also when read from the cache.
    return dict(loaded), builder.hash if COMMIT.fullmatch(builder.hash or "") else None


def _to_data_error(config: DatasetConfig, error: Exception) -> DataError:
    """Translates an error of `datasets` or the Hub into one with a fix."""
    diagnosis = classify_hub_error(error)
    text = diagnosis.text
    where = f"dataset.path={config.path}"
    if "Dataset scripts are no longer supported" in text:
        return DataError(
            "the repository holds a loading script, which is never run",
            where=where,
            fix="dataset.revision=refs/convert/parquet, the Hub's own conversion; "
            "or download the data files and give their path",
        )
    if diagnosis.failure is HubFailure.gated:
        return DataError(
            "the data set is gated: its owners ask you to accept their terms first",
            where=where,
            fix=f"accept the terms at https://huggingface.co/datasets/{config.path}, then hf auth login (or HF_TOKEN)",
        )
    if diagnosis.failure in (HubFailure.offline, HubFailure.unreachable):
        return DataError(
            "the data set is not in the cache, and the Hub cannot be reached",
            where=where,
            fix="download it where there is a network, or give the path of local files: dataset=csv dataset.path=FILE",
        )
    return _missing_data_error(config, error, diagnosis) or DataError(
        "the data set could not be read",
        where=where,
        found=f"{type(diagnosis.chain[-1]).__name__}: {diagnosis.chain[-1]}"[:400],
    )


def _missing_data_error(config: DatasetConfig, error: Exception, diagnosis: HubDiagnosis) -> DataError | None:
    """Returns the error for a missing repository, configuration, revision or data file; None for other errors."""
    where = f"dataset.path={config.path}"
    text = diagnosis.text
    names = re.findall(r"'([^']+)'", text.partition("vailable")[2])
    if "BuilderConfig" in text and config.revision == CONVERSION:
        files = {split: f"{config.name}/{split}/*.parquet" for split in ("train", "test")}
        return DataError(
            f"the data set has no configuration {config.name!r}",
            where=f"{where} dataset.revision={CONVERSION}",
            found="that branch has a folder for each configuration and split, and no list of configurations",
            fix=f"dataset.name=null {format_override('dataset.data_files', files)}",
        )
    if "Config name is missing" in text or "BuilderConfig" in text:
        return DataError(
            f"the data set has no configuration {config.name!r}"
            if config.name
            else "the data set has several configurations",
            where=where,
            found=", ".join(names[:30]) or str(error)[:300],
            fix=format_text_override("dataset.name", names[0] if names else "NAME"),
        )
    if "Revision" in text and "doesn't exist" in text:
        return DataError(
            f"the data set has no revision {config.revision!r}", where=where, fix="dataset.revision=main"
        )
    is_empty_folder = Path(config.path).is_dir() and isinstance(error, FileNotFoundError)
    if is_empty_folder or "data files found" in text or "Unable to find" in text:
        return DataError(
            "the data set has no data files that can be read",
            where=where if not config.data_files else f"dataset.data_files={config.data_files}",
            found=str(error)[:300],
            fix="'dataset.data_files={train: train.jsonl}' names the files; local files: dataset=csv dataset.path=FILE",
        )
    if isinstance(error, FileNotFoundError) or diagnosis.failure is HubFailure.no_repository:
        return DataError(
            "there is no such data set on the Hub, or it is private and you are not logged in",
            where=where,
            fix="check the id; hf auth login (or HF_TOKEN) for private ones; local files: dataset=csv dataset.path=FILE",
        )
    return None
