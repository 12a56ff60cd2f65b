"""Where the rows of each split are: our samples, local files, a saved folder or the Hub."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, IterableDataset

from autotune.config.columns import Column
from autotune.config.compression import suffix_of
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.columns import plain_name
from autotune.data.formats.readers import SUFFIXES, load_saved_dataset, with_label_names
from autotune.data.hub import load_hub
from autotune.data.local import (
    SPLITS,
    Source,
    corpus_form,
    corpus_splits,
    explicit_file,
    folder_splits,
    near_file,
    one_file,
    split_names,
    with_known_columns,
)
from autotune.data.parts import Part, parts
from autotune.data.pipes import is_pipe
from autotune.errors import DataError, format_text_override, listing, nearest
from autotune.runtime.files import read_errors

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
AUTOTRAIN = "autotrain-data"
"""The folder inside an AutoTrain project that holds its rows."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a source."""

    source: Source
    part: Part


def resolve_splits(
    config: DatasetConfig, columns: Sequence[Column]
) -> tuple[dict[str, list[Piece]], dict[str, Any]]:
    """The pieces of each split that exists, and where they are from, as JSON.

    A split whose name is a file is read from there, the others from `dataset.path`.

    Raises:
        DataError: what the config names does not exist, or it is not clear which file is meant.
        DiskError: it cannot be read.
    """
    with read_errors():
        return _pieces(config, columns)


def _pieces(
    config: DatasetConfig, columns: Sequence[Column]
) -> tuple[dict[str, list[Piece]], dict[str, Any]]:
    folder = Path(config.path).expanduser()
    wanted = {split: parts(getattr(config.splits, split), folder) for split in SPLITS}
    about: dict[str, Any] = {"path": config.path}
    found: dict[str, list[Piece]] = {split: [] for split in SPLITS}
    for number in range(max(map(len, wanted.values()))):
        own = {split: pieces[number] for split, pieces in wanted.items() if len(pieces) > number}
        sources: dict[str, Source] = {}
        for split, part in own.items():
            source = explicit_file(part.name, split, config)
            if source is not None:
                sources[split] = source
        rest = {split: part.name for split, part in own.items() if split not in sources}
        if rest:
            others, more = _base(config, rest)
            sources |= others
            about |= more
        for split, source in sources.items():
            found[split].append(Piece(with_known_columns(source, columns, config), own[split]))
    for split, pieces in found.items():
        if pieces and len(pieces) < len(wanted[split]):
            _refuse_gap(split, wanted[split], config)
    if not found["train"]:
        raise DataError(
            "there are no rows to learn from",
            where=f"dataset.path={config.path}",
            fix="dataset.splits.train=FILE",
        )
    about["files"] = {
        split: " + ".join(piece.source.where for piece in pieces) for split, pieces in found.items() if pieces
    }
    return {split: pieces for split, pieces in found.items() if pieces}, about


def _refuse_gap(split: str, wanted: Sequence[Part], config: DatasetConfig) -> None:
    """A sum is read whole or not at all, also where one of its parts may be absent alone."""
    raise DataError(
        f"a part of {split} does not exist",
        where=f"dataset.splits.{split}={'+'.join(part.name for part in wanted)}",
        found=f"dataset.path={config.path}",
        fix=format_text_override(f"dataset.splits.{split}", wanted[0].name),
    )


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
    elif is_pipe(path):
        return one_file(path, wanted, config), {}
    elif config.format is Format.hub:
        return _hub(config, wanted)
    if (path / AUTOTRAIN).is_dir():
        path = path / AUTOTRAIN
    if path.is_dir() and any((path / name).exists() for name in ("dataset_info.json", "dataset_dict.json")):
        loaded = load_saved_dataset(path)
        splits = dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}
        return _by_name(splits, wanted, config.path), {}
    form = corpus_form(path, config) if path.is_dir() else None
    if form is not None:
        return corpus_splits(path, wanted, config, form), {}
    if path.is_dir():
        return folder_splits(path, wanted, config), {}
    if path.exists():
        return one_file(path, wanted, config), {}
    local = suffix_of(path) in SUFFIXES or config.path.startswith((".", "/", "~")) or len(path.parts) > 2
    if local or config.format is not Format.auto:
        raise DataError(
            "there is no such file or folder", where=f"dataset.path={config.path}", fix=near_file(path)
        )
    return _hub(config, wanted)


def _hub(config: DatasetConfig, wanted: Mapping[str, str]) -> tuple[dict[str, Source], dict[str, Any]]:
    splits, commit = load_hub(config)
    sources = _by_name(splits, wanted, config.path)
    if config.streaming:
        # What streams has no fingerprint; a commit does not change, and folders are told apart by their files.
        content = commit or _listed(Path(config.path))
        sources = {
            split: replace(source, identity=f"{content} {config.name} {split}")
            for split, source in sources.items()
        }
    return sources, {"name": config.name, "commit": commit}


def _listed(folder: Path) -> str:
    """The files of a folder with their sizes and times."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return " ".join(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files)


def _by_name(
    splits: Mapping[str, Dataset | IterableDataset], wanted: Mapping[str, str], where: str
) -> dict[str, Source]:
    """Splits by the names that are wanted; only those wanted by default may be absent."""
    found = {}
    for split, wanted_name in wanted.items():
        names = {plain_name(one): one for one in reversed(list(splits))} | {one: one for one in splits}
        name = next((names[one] for one in (wanted_name, *split_names(wanted_name)) if one in names), None)
        if name is not None:
            found[split] = _loaded(splits[name], f"{where}, {name}")
        elif wanted_name != split or split == "train":
            raise DataError(
                f"the data have no split {wanted_name!r}",
                where=f"dataset.path={where}",
                found=f"splits: {listing(splits)}",
                fix=format_text_override(
                    f"dataset.splits.{split}", nearest(wanted_name, splits) or next(iter(splits))
                ),
            )
    return found


def _loaded(data: Dataset | IterableDataset, where: str) -> Source:
    return Source(
        lambda notes: with_label_names(data, data.features or {}), getattr(data, "_fingerprint", ""), where
    )
