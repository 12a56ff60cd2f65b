"""Splits in local files: a file, files that the config names, a folder whose files or subfolders are splits."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from autotune.config.columns import Column
from autotune.config.compression import stem_of, suffix_of
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.columns import plain_name
from autotune.data.formats.annotation_tools import to_canonical_columns
from autotune.data.formats.brat import is_brat
from autotune.data.formats.conll import line_of
from autotune.data.formats.plain import is_class_folder, read_texts
from autotune.data.formats.readers import SUFFIXES, format_of, read_rows
from autotune.data.pipes import is_pipe, renamed, spooled
from autotune.errors import AutotuneError, DataError, format_override, format_text_override, listing, nearest
from autotune.runtime.files import read_errors

SPLITS = ("train", "validation", "test")
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "treino", "treinamento"),
    "validation": ("validation", "valid", "val", "dev", "validacao", "desenvolvimento"),
    "test": ("test", "teste"),
}
"""How a split may be called besides what the config calls it by default; case and accents do not count."""
ALL_NAMES = {name for names in OTHER_NAMES.values() for name in names}
SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")
PLACE = re.compile(r", row (?P<row>\d+)\b.*, word (?P<word>\d+)$")
"""How errors of tags end their place."""

Raw = Callable[[list[str]], Iterable[Mapping[str, Any]]]
"""Reads the raw rows from the start; takes a list for notes."""


@dataclass(frozen=True)
class Source:
    """Raw rows of one split, and what their content depends on."""

    raw: Raw
    identity: str
    where: str
    line: Callable[[int, int], int] | None = None
    """The line of a word of a row, where rows are lines of a file."""


def with_known_columns(
    source: Source, columns: Sequence[Column], config: DatasetConfig, *, predicting: bool = False
) -> Source:
    """The source, with rows that another tool wrote brought into our columns."""

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        rows = source.raw(notes)
        return to_canonical_columns(rows, columns, config, source.where, notes, predicting=predicting)

    return replace(source, raw=raw)


def file_source(path: Path, config: DatasetConfig) -> Source:
    """The rows of one file or pipe, of a folder that `save_to_disk` wrote, or of a folder of brat."""
    form = format_of(path, config)
    if is_pipe(path):
        return _piped(path, config)

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return read_rows(path, form, config, notes)

    def line(row: int, word: int) -> int:
        return line_of(path, config, row, word)

    return Source(raw, _content_hash(path), str(path), line if form is Format.conll else None)


def _piped(path: Path, config: DatasetConfig) -> Source:
    """The rows of a pipe, which are read now."""
    spool = spooled(path)
    source = file_source(spool, config)

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        try:
            yield from source.raw(notes)
        except AutotuneError as error:
            raise renamed(error, spool, path) from error

    return replace(source, raw=raw, where=str(path))


def lines_source(path: Path, config: DatasetConfig, name: str) -> Source:
    """The lines of a text file as the values of one column."""

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return ({name: text} for text in read_texts(path, config, notes))

    return Source(raw, _content_hash(path), str(path))


@contextmanager
def naming_lines(source: Source) -> Iterator[None]:
    """Inside, an error that names a row and a word of a file of lines names the line, too."""
    try:
        yield
    except DataError as error:
        place = PLACE.search(error.where or "")
        if source.line is None or place is None:
            raise
        line = source.line(int(place["row"]), int(place["word"]))
        where = f"{source.where}:{line} (row {place['row']}, word {place['word']})"
        raise DataError(error.what, where=where, found=error.found, fix=error.fix) from error


def explicit_file(name: str, split: str, config: DatasetConfig) -> Source | None:
    """The rows of a split that names a file: where the command is run, or in the folder `dataset.path`.

    Raises:
        DataError: there is no such file.
    """
    if suffix_of(Path(name)) not in SUFFIXES and "/" not in name:
        return None
    beside = Path(config.path).expanduser() / name
    file = beside if beside.exists() else Path(name).expanduser()
    if not file.exists():
        raise DataError(
            "there is no such file",
            where=f"dataset.splits.{split}={name}",
            fix=near_file(file, f"dataset.splits.{split}"),
        )
    return file_source(file, config)


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
    """Files that are named after splits, and their shards: train.csv, reli_test.csv, train-00000-of-00002.parquet.

    Where the folder has no data files, those in its `data/` are meant, as on the Hub.

    Raises:
        DataError: a split has no file, several, or not all of its shards.
    """
    files = _data_files(folder, config)
    if not files and (folder / "data").is_dir():
        files = _data_files(folder / "data", config)
    found: dict[str, Source] = {}
    for split, wanted_name in wanted.items():
        matches = _matches(files, split_names(wanted_name))
        if len(matches) > 1 and (shards := _shards(matches)) is not None:
            found[split] = _chained(shards, config)
        elif len(matches) > 1:
            raise DataError(
                f"several files may be {split}",
                where=str(folder),
                found=listing(path.name for path in matches),
                fix=format_text_override(f"dataset.splits.{split}", matches[0].name),
            )
        elif matches:
            found[split] = file_source(matches[0], config)
        elif wanted_name != split or split == "train":
            raise _no_file(folder, split, wanted_name, files)
    used = {path for wanted_name in wanted.values() for path in _matches(files, split_names(wanted_name))}
    unused = [path.name for path in files if path not in used]
    if unused and "train" in found:
        note = f"files of {folder} that no split reads: {listing(unused)}; dataset.splits.validation=FILE reads one"
        found["train"] = _with_note(found["train"], note)
    return found


def corpus_splits(
    folder: Path, wanted: Mapping[str, str], config: DatasetConfig, form: Format
) -> dict[str, Source]:
    """Subfolders with a corpus each that are named after splits; a folder without such is train."""
    folders = {plain_name(path.name): path for path in sorted(folder.iterdir()) if path.is_dir()}
    named = {name for split in SPLITS for name in split_names(wanted.get(split, split))}
    if not named & set(folders):
        return one_file(folder, wanted, replace(config, format=form))
    found: dict[str, Source] = {}
    for split, name in wanted.items():
        path = next((folders[one] for one in split_names(name) if one in folders), None)
        if path is not None:
            found[split] = file_source(path, replace(config, format=form))
        elif name != split or split == "train":
            raise DataError(
                f"the folder has no subfolder for {name}",
                where=f"dataset.path={folder}",
                found=f"subfolders: {listing(folders)}",
                fix=format_text_override(f"dataset.splits.{split}", next(iter(folders))),
            )
    return found


def corpus_form(folder: Path, config: DatasetConfig) -> Format | None:
    """The form of a folder that is one corpus of many files, itself or in its subfolders; None where it is not."""
    if config.format in (Format.brat, Format.folders):
        return config.format
    if config.format is not Format.auto:
        return None
    if is_brat(folder):
        return Format.brat
    if _data_files(folder, config):
        return None
    subfolders = [path for path in folder.iterdir() if path.is_dir()]
    if any(map(is_brat, subfolders)):
        return Format.brat
    of_splits = [path for path in subfolders if plain_name(path.name) in ALL_NAMES]
    return Format.folders if is_class_folder(folder) or any(map(is_class_folder, of_splits)) else None


def split_names(wanted: str) -> tuple[str, ...]:
    """What the data may call a split that is wanted by a name, without case and accents."""
    return OTHER_NAMES.get(wanted, (plain_name(wanted),))


def near_file(path: Path, key: str = "dataset.path") -> str:
    """The override for the file that was probably meant, else where was looked."""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either; relative paths start at {Path.cwd()}"
    near = nearest(path.name, [one.name for one in path.parent.iterdir()])
    return (
        format_text_override(key, str(path.parent / near))
        if near
        else f"relative paths start at {Path.cwd()}"
    )


def _matches(files: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Files that are called like a split, else those with it as a part of their name."""
    stems = {path: plain_name(stem_of(path)) for path in files}
    exact = [path for path in files if stems[path] in names]
    return exact or [path for path in files if set(names) & set(re.split(r"[-_.\s]", stems[path]))]


def _shards(files: Sequence[Path]) -> list[Path] | None:
    """The files in the order of their numbers when they are the shards of one table; None when they are not.

    Raises:
        DataError: some are missing.
    """
    found = [SHARD.fullmatch(stem_of(path)) for path in files]
    tables = {(one["stem"], one["count"]) for one in found if one is not None}
    if None in found or len(tables) != 1 or len({suffix_of(path) for path in files}) != 1:
        return None
    numbers = {int(one["number"]): path for one, path in zip(found, files, strict=True) if one is not None}
    stem, count = tables.pop()
    missing = [f"{stem}-{number:05}-of-{count}" for number in range(int(count)) if number not in numbers]
    if missing:
        raise DataError(
            "shards are missing",
            where=str(files[0].parent),
            found=f"{len(files)} of {int(count)}; missing: {listing(missing, 3)}",
            fix="copy them there, or dataset.splits.train=FILE for one of them",
        )
    return [numbers[number] for number in sorted(numbers)]


def _chained(files: Sequence[Path], config: DatasetConfig) -> Source:
    """The rows of several files, one behind the other."""
    sources = [file_source(path, config) for path in files]

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return chain.from_iterable(source.raw(notes) for source in sources)

    identity = hashlib.sha256("".join(source.identity for source in sources).encode()).hexdigest()
    return Source(raw, identity, f"{sources[0].where} … {files[-1].name}")


def _no_file(folder: Path, split: str, wanted: str, files: Sequence[Path]) -> DataError:
    taken = {path for one in SPLITS if one != split for path in _matches(files, split_names(one))}
    nested = any(SUFFIXES.get(suffix_of(path)) for path in folder.glob("*/*"))
    others = [path.name for path in files if path not in taken]
    return DataError(
        f"the folder has no file for {wanted}",
        where=f"dataset.path={folder}",
        found=f"files: {listing(path.name for path in files)}" if files else "no data files",
        fix=format_override(f"dataset.splits.{split}", others[0] if others else "FILE")
        + ("; for a folder in the Hub's layout: dataset.format=hub" if nested and not files else ""),
    )


def _with_note(source: Source, note: str) -> Source:
    """A source that says something when it is read."""

    def raw(notes: list[str]) -> Iterable[Mapping[str, Any]]:
        notes.append(note)
        return source.raw(notes)

    return replace(source, raw=raw)


def _data_files(folder: Path, config: DatasetConfig) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and _is_data(path, config))


def _is_data(path: Path, config: DatasetConfig) -> bool:
    """Whether the suffix is one that the format has; names that begin with a dot or ~$ are for systems and locks."""
    known = SUFFIXES.get(suffix_of(path))
    if path.name.startswith((".", "~$")):
        return False
    if config.format is Format.auto:
        return known is not None
    if config.format is Format.spans:
        return known in (Format.json, Format.jsonl)
    plain = config.format in (Format.csv, Format.conll, Format.fasttext) and suffix_of(path) == ".txt"
    return known is config.format or plain


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder.

    Raises:
        DiskError: they cannot be read.
    """
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        with read_errors(file):
            digest.update(str(file.relative_to(path)).encode("utf-8", "surrogateescape"))
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
