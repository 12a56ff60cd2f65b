"""Splits in local files: a file, files that the config names, a folder whose files are named after splits."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.config import DatasetConfig, Format
from autotune.data.readers import SUFFIXES, format_of, read_rows
from autotune.errors import DataError, listing, nearest

SPLITS = ("train", "validation", "test")
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {"validation": ("validation", "valid", "val", "dev")}
"""How a split may be called besides what the config calls it by default."""
SLICE = re.compile(r"(?P<name>.+?)\[(?P<first>\d+%?)?:(?P<last>\d+%?)?\]")
SHARD = re.compile(r"-\d{5}-of-\d{5}")

Raw = Callable[[list[str]], Iterable[Mapping[str, Any]]]
"""Reads the raw rows from the start; takes a list for notes."""


@dataclass(frozen=True)
class Source:
    """Raw rows of one split, and what their content depends on."""

    raw: Raw
    identity: str
    where: str


def file_source(path: Path, config: DatasetConfig) -> Source:
    """The rows of one file, or of a folder that `save_to_disk` wrote."""
    form = format_of(path, config)

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return read_rows(path, form, config, notes)

    return Source(raw, _content_hash(path), str(path))


def explicit_files(config: DatasetConfig) -> dict[str, Source]:
    """Splits that name a file: where the command is run, or in the folder `dataset.path`."""
    found = {}
    for split in SPLITS:
        name = split_name(getattr(config.splits, split))
        if name is None or (Path(name).suffix.lower() not in SUFFIXES and "/" not in name):
            continue
        beside = Path(config.path).expanduser() / name
        file = beside if beside.exists() else Path(name).expanduser()
        if not file.exists():
            raise DataError(
                "there is no such file", where=f"dataset.splits.{split}={name}", fix=near_file(file)
            )
        found[split] = file_source(file, config)
    return found


def one_file(path: Path, wanted: Mapping[str, str], config: DatasetConfig) -> dict[str, Source]:
    """A file is the split `train`; validation and test may be slices of it."""
    for split, name in wanted.items():
        if name not in ("train", split):
            raise DataError(
                f"there is no file for the split {name!r}",
                where=f"dataset.splits.{split}",
                found=f"dataset.path={config.path}, which is one file",
                fix=f"dataset.splits.{split}=FILE, or null for none",
            )
    source = file_source(path, config)
    return {split: source for split, name in wanted.items() if name == "train"}


def folder_splits(folder: Path, wanted: Mapping[str, str], config: DatasetConfig) -> dict[str, Source]:
    """Files that are named after splits: train.csv, reli_test.csv, FirstHAREM-selective-dev.json."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and _is_data(path, config))
    found: dict[str, Source] = {}
    for split, wanted_name in wanted.items():
        names = OTHER_NAMES.get(split, (split,)) if wanted_name == split else (wanted_name.lower(),)
        exact = [path for path in files if path.stem.lower() in names]
        partly = [path for path in files if set(names) & set(re.split(r"[-_.\s]", path.stem.lower()))]
        matches = exact or partly
        if len(matches) > 1:
            shards = all(SHARD.search(path.stem) for path in matches)
            raise DataError(
                f"several files may be {split}",
                where=str(folder),
                found=listing(path.name for path in matches),
                fix="dataset.format=hub" if shards else f"dataset.splits.{split}={matches[0].name}",
            )
        if matches:
            found[split] = file_source(matches[0], config)
        elif wanted_name != split or split == "train":
            raise _no_file(folder, split, wanted_name, files)
    return found


def _no_file(folder: Path, split: str, wanted: str, files: Sequence[Path]) -> DataError:
    nested = any(SUFFIXES.get(path.suffix.lower()) for path in folder.glob("*/*"))
    name = files[0].name if files else "FILE"
    return DataError(
        f"the folder has no file for {wanted}",
        where=f"dataset.path={folder}",
        found=f"files: {listing(path.name for path in files)}" if files else "no data files",
        fix=f"dataset.splits.{split}={name}"
        + ("; for a folder in the Hub's layout: dataset.format=hub" if nested and not files else ""),
    )


def _is_data(path: Path, config: DatasetConfig) -> bool:
    """Whether the suffix is one that the format has; files that begin with a dot are the system's."""
    known = SUFFIXES.get(path.suffix.lower())
    if path.name.startswith("."):
        return False
    if config.format is Format.auto:
        return known is not None
    if config.format is Format.spans:
        return known in (Format.json, Format.jsonl)
    plain = config.format in (Format.csv, Format.conll) and path.suffix.lower() == ".txt"
    return known is config.format or plain


def split_name(split: str | None) -> str | None:
    """The name of a split without its slice.

    Raises:
        DataError: what stands in brackets is no slice.
    """
    if split is None:
        return None
    found = SLICE.fullmatch(split)
    if found is None and split.endswith("]") and not Path(split).exists():
        raise DataError(
            "what stands in brackets is no slice",
            where="dataset.splits",
            found=split,
            fix="train[:1000], train[1000:], train[:10%] or train[10%:20%]",
        )
    return found["name"] if found else split


def near_file(path: Path) -> str:
    """The file that was probably meant, else where was looked."""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either; relative paths start at {Path.cwd()}"
    near = nearest(path.name, [one.name for one in path.parent.iterdir()])
    return str(path.parent / near) if near else f"relative paths start at {Path.cwd()}"


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder.

    Raises:
        DataError: they cannot be read.
    """
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    try:
        for file in files:
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise DataError("the file cannot be read", where=str(path), found=error.strerror) from error
    return digest.hexdigest()
