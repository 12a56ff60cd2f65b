"""Finds the rows of each split: bundled samples, local files, a saved folder or the Hub."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, IterableDataset

from autotune.config.columns import Column
from autotune.config.compression import suffix_of
from autotune.config.enums import Format
from autotune.config.formats import READABLE
from autotune.config.schema import DatasetConfig, FolderFilesConfig
from autotune.config.split_spec import SPLITS, Slice
from autotune.data.columns import plain_name
from autotune.data.formats.readers import load_saved_dataset, with_label_names
from autotune.data.hub import load_hub
from autotune.data.local import (
    Source,
    corpus_format,
    corpus_splits,
    explicit_file,
    folder_splits,
    single_file_splits,
    split_names,
    suggest_path,
    with_known_columns,
)
from autotune.data.parts import parts_of
from autotune.data.pipes import is_pipe
from autotune.errors import DataError, format_text_override, listing, nearest
from autotune.runtime.files import read_errors

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
AUTOTRAIN = "autotrain-data"
"""Folder inside an AutoTrain project that holds its rows."""


@dataclass(frozen=True)
class SourcePart:
    """A slice of a source."""

    source: Source
    part: Slice


def resolve_splits(
    config: DatasetConfig, columns: Sequence[Column] | None
) -> tuple[dict[str, list[SourcePart]], dict[str, Any]]:
    """Returns the parts of each split that exists, and their origin as JSON.

    A split that names a file is read from that file, the others from `dataset.path`.

    Args:
        config: the section `dataset`.
        columns: columns of the task. None: rows of annotation tools stay as the tool wrote them.

    Raises:
        DataError: a file or split that the config names does not exist, or the config is ambiguous.
        DiskError: a file or folder cannot be read.
    """
    with read_errors():
        return _resolve(config, columns)


def _resolve(
    config: DatasetConfig, columns: Sequence[Column] | None
) -> tuple[dict[str, list[SourcePart]], dict[str, Any]]:
    folder = Path(config.path).expanduser()
    requested = _with_folder_files(
        {split: parts_of(getattr(config.splits, split), folder) for split in SPLITS},
        config.folder_files,
        folder,
    )
    origin: dict[str, Any] = {"path": config.path}
    located: dict[str, list[SourcePart]] = {split: [] for split in SPLITS}
    for number in range(max(map(len, requested.values()))):
        current = {split: items[number] for split, items in requested.items() if len(items) > number}
        sources: dict[str, Source] = {}
        for split, part in current.items():
            source = explicit_file(part.name, split, config)
            if source is not None:
                sources[split] = source
        from_path = {split: part.name for split, part in current.items() if split not in sources}
        if from_path:
            more_sources, more_origin = _sources_of_path(config, from_path)
            sources |= more_sources
            origin |= more_origin
        for split, source in sources.items():
            known = source if columns is None else with_known_columns(source, columns, config)
            located[split].append(SourcePart(known, current[split]))
    for split, items in located.items():
        if items and len(items) < len(requested[split]):
            _raise_part_missing(split, requested[split], config)
    if not located["train"]:
        raise DataError(
            "there are no rows to learn from",
            where=f"dataset.path={config.path}",
            fix="dataset.splits.train=FILE",
        )
    origin["files"] = {
        split: " + ".join(item.source.where for item in items) for split, items in located.items() if items
    }
    return {split: items for split, items in located.items() if items}, origin


def _with_folder_files(
    requested: Mapping[str, list[Slice]], files: FolderFilesConfig, folder: Path
) -> dict[str, list[Slice]]:
    """Returns the requested parts, with the file in place of a split's name if the folder has all files of the set."""
    names = {split: name for split in SPLITS if (name := getattr(files, split)) is not None}
    if not names or not all((folder / name).is_file() for name in names.values()):
        return dict(requested)
    return {
        split: [
            replace(part, name=names.get(part.name, part.name))
            for part in parts
            if part.name in names or part.name not in SPLITS
        ]
        for split, parts in requested.items()
    }


def _raise_part_missing(split: str, parts: Sequence[Slice], config: DatasetConfig) -> None:
    """Raises DataError for a sum with a missing part, even a part that could be missing on its own."""
    raise DataError(
        f"a part of {split} does not exist",
        where=f"dataset.splits.{split}={'+'.join(part.name for part in parts)}",
        found=f"dataset.path={config.path}",
        fix=format_text_override(f"dataset.splits.{split}", parts[0].name),
    )


def _sources_of_path(
    config: DatasetConfig, names_by_split: Mapping[str, str]
) -> tuple[dict[str, Source], dict[str, Any]]:
    """Returns the sources of the requested splits in `dataset.path`, whatever kind of data it is."""
    path = Path(config.path).expanduser()
    if config.path.startswith("sample/"):
        path = SAMPLES / config.path.removeprefix("sample/")
        if not path.is_dir():
            samples = sorted(f"sample/{folder.name}" for folder in SAMPLES.iterdir())
            raise DataError(
                "autotune has no such sample", where=f"dataset.path={config.path}", found=listing(samples)
            )
    elif is_pipe(path):
        return single_file_splits(path, names_by_split, config), {}
    elif config.format is Format.hub:
        return _sources_of_hub(config, names_by_split)
    if (path / AUTOTRAIN).is_dir():
        path = path / AUTOTRAIN
    if path.is_dir() and any((path / name).exists() for name in ("dataset_info.json", "dataset_dict.json")):
        loaded = load_saved_dataset(path)
        splits = dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}
        return _match_splits(splits, names_by_split, config.path), {}
    form = corpus_format(path, config) if path.is_dir() else None
    if form is not None:
        return corpus_splits(path, names_by_split, config, form), {}
    if path.is_dir():
        return folder_splits(path, names_by_split, config), {}
    if path.exists():
        return single_file_splits(path, names_by_split, config), {}
    local = suffix_of(path) in READABLE or config.path.startswith((".", "/", "~")) or len(path.parts) > 2
    if local or config.format is not Format.auto:
        raise DataError(
            "there is no such file or folder", where=f"dataset.path={config.path}", fix=suggest_path(path)
        )
    return _sources_of_hub(config, names_by_split)


def _sources_of_hub(
    config: DatasetConfig, names_by_split: Mapping[str, str]
) -> tuple[dict[str, Source], dict[str, Any]]:
    splits, commit = load_hub(config)
    sources = _match_splits(splits, names_by_split, config.path)
    if config.streaming:
        # A streamed data set has no fingerprint: a commit identifies it, and a folder is identified by its files.
        content = commit or _list_files(Path(config.path))
        sources = {
            split: replace(source, identity=f"{content} {config.name} {split}")
            for split, source in sources.items()
        }
    return sources, {"name": config.name, "commit": commit}


def _list_files(folder: Path) -> str:
    """Returns the files of a folder with their sizes and modification times."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return " ".join(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files)


def _match_splits(
    splits: Mapping[str, Dataset | IterableDataset], names_by_split: Mapping[str, str], where: str
) -> dict[str, Source]:
    """Returns the sources of the requested splits; only those with their default name may be missing."""
    sources = {}
    for split, requested_name in names_by_split.items():
        names = {plain_name(option): option for option in reversed(list(splits))} | {
            option: option for option in splits
        }
        name = next(
            (names[option] for option in (requested_name, *split_names(requested_name)) if option in names),
            None,
        )
        if name is not None:
            sources[split] = _dataset_source(splits[name], f"{where}, {name}")
        elif requested_name != split or split == "train":
            raise DataError(
                f"the data have no split {requested_name!r}",
                where=f"dataset.path={where}",
                found=f"splits: {listing(splits)}",
                fix=format_text_override(
                    f"dataset.splits.{split}", nearest(requested_name, splits) or next(iter(splits))
                ),
            )
    return sources


def _dataset_source(data: Dataset | IterableDataset, where: str) -> Source:
    return Source(
        lambda notes: with_label_names(data, data.features or {}), getattr(data, "_fingerprint", ""), where
    )
