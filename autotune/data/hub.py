"""Data sets of the Hub, through `datasets` alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from datasets import ClassLabel, Dataset, LargeList, List, load_dataset
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from autotune.config import DatasetConfig
from autotune.errors import DataError, listing, nearest


def load_hub(config: DatasetConfig) -> tuple[dict[str, Dataset], str | None]:
    """All splits of a Hub data set (or of a folder in the Hub's layout) and its commit, where it is known.

    Raises:
        DataError: it does not exist, cannot be read without a token or the network, or has only a script.
    """
    try:
        loaded = load_dataset(
            config.path, name=config.name, revision=config.revision, data_files=config.data_files or None
        )
    except Exception as error:
        raise _explained(config, error) from error
    return dict(loaded), _commit(config)


def named_labels(data: Dataset) -> Iterator[Mapping[str, Any]]:
    """Rows with the names of ClassLabel columns in place of their numbers."""
    single = {name: kind for name, kind in data.features.items() if isinstance(kind, ClassLabel)}
    several = {
        name: kind.feature
        for name, kind in data.features.items()
        if isinstance(kind, List | LargeList) and isinstance(kind.feature, ClassLabel)
    }
    for row in data:
        for name, kind in single.items():
            row[name] = None if row[name] is None or row[name] < 0 else kind.int2str(row[name])
        for name, kind in several.items():
            row[name] = [kind.int2str(number) for number in row[name]]
        yield row


def _commit(config: DatasetConfig) -> str | None:
    try:
        return HfApi().dataset_info(config.path, revision=config.revision, timeout=10).sha
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError):
        # Offline, or a local folder: the data are there all the same, only their commit is not known.
        return None


def _explained(config: DatasetConfig, error: Exception) -> DataError:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    text = " ".join(str(one) for one in chain)
    where = f"dataset.path={config.path}"
    if "Dataset scripts are no longer supported" in text:
        return DataError(
            "the repository holds a loading script, which is never run, and no data files beside it",
            where=where,
            fix="dataset.revision=refs/convert/parquet, the Hub's own conversion; or download the files and give their path",
        )
    if any(isinstance(one, GatedRepoError) for one in chain) or "gated" in text.lower():
        return DataError(
            "the data set is gated: its owners must let you in",
            where=where,
            fix=f"accept the terms at https://huggingface.co/datasets/{config.path}, then hf auth login (or HF_TOKEN)",
        )
    if (
        any(isinstance(one, OfflineModeIsEnabled) for one in chain)
        or "ConnectionError" in type(error).__name__
    ):
        return DataError(
            "the data set is not in the cache, and the Hub cannot be asked",
            where=where,
            fix="download it where there is a network, or give the path of local files: dataset=csv dataset.path=FILE",
        )
    if "Config name is missing" in text or "BuilderConfig" in text:
        return DataError(
            "the data set has several configurations",
            where=where,
            found=str(error)[:300],
            fix="dataset.name=…",
        )
    if any(isinstance(one, RepositoryNotFoundError) for one in chain) or "NotFound" in type(error).__name__:
        return DataError(
            "there is no such data set on the Hub, or it is private and you are not logged in",
            where=where,
            fix="check the id; hf auth login (or HF_TOKEN) for private ones; local files: dataset=csv dataset.path=FILE",
        )
    return DataError("the data set could not be read", where=where, found=str(chain[-1] or error)[:400])


def pick_split(splits: Mapping[str, Dataset], name: str, config: DatasetConfig) -> Dataset | None:
    """A split by name; None when train is there and the name is a default that the data do not have."""
    if name in splits:
        return splits[name]
    near = nearest(name, splits)
    raise DataError(
        f"the data have no split {name!r}",
        where=config.path,
        found=f"splits: {listing(splits)}",
        fix=f"dataset.splits.{name if name in ('train', 'validation', 'test') else 'train'}={near or next(iter(splits))}",
    )
