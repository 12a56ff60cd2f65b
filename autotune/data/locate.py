"""Where the rows of each split are: our samples, local files, a saved folder or the Hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, load_from_disk

from autotune.config import DatasetConfig, Format
from autotune.data.hub import load_hub
from autotune.data.local import (
    OTHER_NAMES,
    SLICE,
    SPLITS,
    Source,
    explicit_files,
    folder_splits,
    near_file,
    one_file,
    split_name,
)
from autotune.data.readers import SUFFIXES, named_labels
from autotune.errors import DataError, listing, nearest

SAMPLES = Path(__file__).parent.parent / "assets" / "samples"


def locate(config: DatasetConfig) -> tuple[dict[str, Source], dict[str, Any]]:
    """Raw rows of each split that exists, and where they are from, as JSON.

    A split whose name is a file is read from there, the others from `dataset.path`.

    Raises:
        DataError: what the config names does not exist, or it is not clear which file is meant.
    """
    found = explicit_files(config)
    rest = {
        split: name
        for split in SPLITS
        if split not in found and (name := split_name(getattr(config.splits, split))) is not None
    }
    about: dict[str, Any] = {"path": config.path}
    if rest:
        others, more = _base(config, rest)
        found |= others
        about |= more
    if "train" not in found:
        raise DataError(
            "there are no rows to learn from",
            where=f"dataset.path={config.path}",
            fix="dataset.splits.train=FILE",
        )
    about["files"] = {split: source.where for split, source in found.items()}
    return {split: found[split] for split in SPLITS if split in found}, about


def sliced(data: Dataset, split: str | None) -> Dataset:
    """Rows of train[:100], train[10%:20%]."""
    found = SLICE.fullmatch(split or "")
    if found is None:
        return data

    def position(text: str | None, default: int) -> int:
        if text is None:
            return default
        return len(data) * int(text[:-1]) // 100 if text.endswith("%") else min(int(text), len(data))

    rows = range(position(found["first"], 0), position(found["last"], len(data)))
    return data.select(rows or [])  # select refuses an empty range that begins behind the last row


def _base(config: DatasetConfig, wanted: Mapping[str, str]) -> tuple[dict[str, Source], dict[str, Any]]:
    """The splits, by the names that are wanted, of what `dataset.path` is."""
    path = Path(config.path).expanduser()
    if config.path.startswith("sample/"):
        path = SAMPLES / config.path.removeprefix("sample/")
        if not path.is_dir():
            known = sorted(f"sample/{folder.name}" for folder in SAMPLES.iterdir())
            raise DataError(
                "autotune has no such sample", where=f"dataset.path={config.path}", found=listing(known)
            )
    elif config.format is Format.hub:
        return _hub(config, wanted)
    if path.is_dir() and any((path / name).exists() for name in ("dataset_info.json", "dataset_dict.json")):
        loaded = load_from_disk(str(path))
        splits = dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}
        return _by_name(splits, wanted, config.path), {}
    if path.is_dir():
        return folder_splits(path, wanted, config), {}
    if path.exists():
        return one_file(path, wanted, config), {}
    local = path.suffix.lower() in SUFFIXES or config.path.startswith((".", "/", "~")) or len(path.parts) > 2
    if local or config.format is not Format.auto:
        raise DataError(
            "there is no such file or folder", where=f"dataset.path={config.path}", fix=near_file(path)
        )
    return _hub(config, wanted)


def _hub(config: DatasetConfig, wanted: Mapping[str, str]) -> tuple[dict[str, Source], dict[str, Any]]:
    splits, commit = load_hub(config)
    return _by_name(splits, wanted, config.path), {"name": config.name, "commit": commit}


def _by_name(splits: Mapping[str, Dataset], wanted: Mapping[str, str], where: str) -> dict[str, Source]:
    """Splits by the names that are wanted; only those wanted by default may be absent."""
    found = {}
    for split, wanted_name in wanted.items():
        names = OTHER_NAMES.get(split, (split,)) if wanted_name == split else (wanted_name,)
        name = next((one for one in names if one in splits), None)
        if name is not None:
            found[split] = _loaded(splits[name], f"{where}, {name}")
        elif wanted_name != split or split == "train":
            raise DataError(
                f"the data have no split {wanted_name!r}",
                where=f"dataset.path={where}",
                found=f"splits: {listing(splits)}",
                fix=f"dataset.splits.{split}={nearest(wanted_name, splits) or next(iter(splits))}",
            )
    return found


def _loaded(data: Dataset, where: str) -> Source:
    return Source(lambda notes: named_labels(data, data.features), data._fingerprint, where)
