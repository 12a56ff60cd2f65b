"""Splits in local files: a file, files that the config names, a folder whose files are named after splits."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.config import DatasetConfig, Format
from autotune.data.readers import SUFFIXES, format_of, read_rows
from autotune.errors import DataError, listing, nearest

SPLITS = ("train", "validation", "test")
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""How files of a split are called; the first that is found counts."""
SLICE = re.compile(r"(?P<name>.+?)\[(?P<first>\d+%?)?:(?P<last>\d+%?)?\]")

Raw = Callable[[list[str]], Iterable[Mapping[str, Any]]]
"""Reads the raw rows from the start; takes a list for notes."""


@dataclass(frozen=True)
class Source:
    """Raw rows of one split, and what their content depends on."""

    raw: Raw
    identity: str
    where: str


def explicit_files(config: DatasetConfig) -> dict[str, Source]:
    """Splits that name a file of their own."""
    found = {}
    for split in SPLITS:
        name = split_name(getattr(config.splits, split))
        if name is None or (Path(name).suffix.lower() not in SUFFIXES and "/" not in name):
            continue
        file = Path(name).expanduser()
        beside = Path(config.path).expanduser() / name
        file = file if file.exists() or not beside.exists() else beside
        if not file.exists():
            raise DataError(
                "there is no such file", where=f"dataset.splits.{split}={name}", fix=near_file(file)
            )
        found[split] = file_source(file, config)
    return found


def folder_splits(folder: Path, config: DatasetConfig) -> dict[str, Source]:
    """Files of a folder that are named after splits: train.csv, reli_test.csv, FirstHAREM-selective-dev.json."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and _readable(path, config))
    found: dict[str, Source] = {}
    for split in SPLITS:
        wanted = split_name(getattr(config.splits, split))
        if wanted is None or Path(wanted).suffix.lower() in SUFFIXES:
            continue
        names = OTHER_NAMES.get(split, (split,)) if wanted == split else (wanted,)
        exact = [path for name in names for path in files if path.stem.lower() == name.lower()]
        partly = [
            path
            for name in names
            for path in files
            if name.lower() in re.split(r"[-_.\s]", path.stem.lower())
        ]
        matches = exact[:1] or partly
        if len(matches) > 1:
            raise DataError(
                f"several files may be {split}",
                where=str(folder),
                found=listing(path.name for path in matches),
                fix=f"dataset.splits.{split}={matches[0].name}",
            )
        if matches:
            found[split] = file_source(matches[0], config)
        elif wanted != split or split == "train":
            raise DataError(
                f"the folder has no file for {wanted}",
                where=f"dataset.path={folder}",
                found=f"files: {listing(path.name for path in files)}" if files else "no data files",
                fix=f"dataset.splits.{split}={files[0].name if files else 'FILE'}",
            )
    return found


def file_source(path: Path, config: DatasetConfig) -> Source:
    """The rows of a file, or of a folder of Arrow data."""
    form = format_of(path, config)

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return read_rows(path, form, config, notes)

    return Source(raw, _file_hash(path), str(path))


def split_name(split: str | None) -> str | None:
    """The name of a split without its slice."""
    sliced = SLICE.fullmatch(split or "")
    return sliced["name"] if sliced else split


def near_file(path: Path) -> str | None:
    """The file that was probably meant."""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either; relative paths start at {Path.cwd()}"
    near = nearest(path.name, [one.name for one in path.parent.iterdir()])
    return str(path.parent / near) if near else f"relative paths start at {Path.cwd()}"


def _readable(path: Path, config: DatasetConfig) -> bool:
    known = SUFFIXES.get(path.suffix.lower())
    return known is not None or (config.format is not Format.auto and path.suffix.lower() == ".txt")


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
