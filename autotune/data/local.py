"""Finds splits in local files: one file, files named in the config, or a folder whose files or subfolders are splits."""

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
from autotune.config.formats import READABLE, TEXT_SUFFIX
from autotune.config.schema import DatasetConfig
from autotune.config.split_spec import SPLITS
from autotune.data.columns import plain_name
from autotune.data.formats.annotation_tools import to_canonical_columns
from autotune.data.formats.brat import is_brat
from autotune.data.formats.conll import line_of
from autotune.data.formats.plain import is_class_folder, read_texts
from autotune.data.formats.readers import format_of, read_rows
from autotune.data.pipes import is_pipe, spooled, with_pipe_name
from autotune.errors import AutotuneError, DataError, format_override, format_text_override, listing, nearest
from autotune.runtime.files import read_errors

SPLIT_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "treino", "treinamento"),
    "validation": ("validation", "valid", "val", "dev", "validacao", "desenvolvimento"),
    "test": ("test", "teste"),
}
"""Names that the data may use for a split with its default name; case and accents are ignored."""
ALL_SPLIT_NAMES = {name for names in SPLIT_SYNONYMS.values() for name in names}
SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")
ERROR_PLACE = re.compile(r", row (?P<row>\d+)\b.*, word (?P<word>\d+)$")
"""Matches the end of `where` in errors about tags."""

Raw = Callable[[list[str]], Iterable[Mapping[str, Any]]]
"""Function that reads the raw rows from the start and appends notes to the given list."""


@dataclass(frozen=True)
class Source:
    """Raw rows of one split and the identity of their content."""

    raw: Raw
    identity: str
    """Part of the cache key: changes when the content changes."""
    where: str
    """File or Hub id, for messages."""
    line: Callable[[int, int], int] | None = None
    """Returns the line number for (row, word), if the rows are lines of a file."""


def with_known_columns(
    source: Source, columns: Sequence[Column], config: DatasetConfig, *, predicting: bool = False
) -> Source:
    """Returns the source with rows of other annotation tools converted to canonical columns."""

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        rows = source.raw(notes)
        return to_canonical_columns(rows, columns, config, source.where, notes, predicting=predicting)

    return replace(source, raw=raw)


def file_source(path: Path, config: DatasetConfig) -> Source:
    """Returns the rows of one file or pipe, of a folder written by `save_to_disk`, or of a brat folder."""
    form = format_of(path, config)
    if is_pipe(path):
        return _pipe_source(path, config)

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return read_rows(path, form, config, notes)

    def line(row: int, word: int) -> int:
        return line_of(path, config, row, word)

    return Source(raw, _content_hash(path), str(path), line if form is Format.conll else None)


def _pipe_source(path: Path, config: DatasetConfig) -> Source:
    """Returns the rows of a pipe, which is read immediately."""
    spool = spooled(path)
    source = file_source(spool, config)

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        try:
            yield from source.raw(notes)
        except AutotuneError as error:
            raise with_pipe_name(error, spool, path) from error

    return replace(source, raw=raw, where=str(path))


def lines_source(path: Path, config: DatasetConfig, name: str) -> Source:
    """Returns the lines of a text file as the values of one column."""

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return ({name: text} for text in read_texts(path, config, notes))

    return Source(raw, _content_hash(path), str(path))


@contextmanager
def naming_lines(source: Source) -> Iterator[None]:
    """Adds the line number to errors that name a row and a word, if the rows are lines of a file."""
    try:
        yield
    except DataError as error:
        place = ERROR_PLACE.search(error.where or "")
        if source.line is None or place is None:
            raise
        line = source.line(int(place["row"]), int(place["word"]))
        where = f"{source.where}:{line} (row {place['row']}, word {place['word']})"
        raise DataError(error.what, where=where, found=error.found, fix=error.fix) from error


def explicit_file(name: str, split: str, config: DatasetConfig) -> Source | None:
    """Returns the rows of a split that names a file, relative to `dataset.path` or the working folder; else None.

    Raises:
        DataError: the file does not exist.
    """
    if suffix_of(Path(name)) not in READABLE and "/" not in name:
        return None
    in_folder = Path(config.path).expanduser() / name
    file = in_folder if in_folder.exists() else Path(name).expanduser()
    if not file.exists():
        raise DataError(
            "there is no such file",
            where=f"dataset.splits.{split}={name}",
            fix=suggest_path(file, f"dataset.splits.{split}"),
        )
    return file_source(file, config)


def single_file_splits(
    path: Path, names_by_split: Mapping[str, str], config: DatasetConfig
) -> dict[str, Source]:
    """Returns the source of each requested split if `dataset.path` is one file: it is `train`, others may be slices of it.

    Raises:
        DataError: a split has another name.
    """
    for split, name in names_by_split.items():
        if name not in ("train", split):
            raise DataError(
                f"there is no file for the split {name!r}",
                where=f"dataset.splits.{split}",
                found=f"dataset.path={config.path}, which is one file",
                fix=f"dataset.splits.{split}=FILE, or null for none",
            )
    source = file_source(path, config)
    return {split: source for split, name in names_by_split.items() if name == "train"}


def folder_splits(
    folder: Path, names_by_split: Mapping[str, str], config: DatasetConfig
) -> dict[str, Source]:
    """Returns the sources of files named after splits: train.csv, reli_test.csv, train-00000-of-00002.parquet (shards).

    If the folder has no data files, those in its subfolder `data/` are used, as on the Hub.

    Raises:
        DataError: a split has no file, several files, or missing shards.
    """
    files = _data_files(folder, config)
    if not files and (folder / "data").is_dir():
        files = _data_files(folder / "data", config)
    sources: dict[str, Source] = {}
    for split, name in names_by_split.items():
        matches = _files_of_split(files, split_names(name))
        if len(matches) > 1 and (shards := _ordered_shards(matches)) is not None:
            sources[split] = _concatenated_source(shards, config)
        elif len(matches) > 1:
            raise DataError(
                f"several files may be {split}",
                where=str(folder),
                found=listing(path.name for path in matches),
                fix=format_text_override(f"dataset.splits.{split}", matches[0].name),
            )
        elif matches:
            sources[split] = file_source(matches[0], config)
        elif name != split or split == "train":
            raise _missing_file_error(folder, split, name, files)
    used = {path for name in names_by_split.values() for path in _files_of_split(files, split_names(name))}
    unused = [path.name for path in files if path not in used]
    if unused and "train" in sources:
        note = f"files of {folder} that no split reads: {listing(unused)}; dataset.splits.validation=FILE reads one"
        sources["train"] = _with_note(sources["train"], note)
    return sources


def corpus_splits(
    folder: Path, names_by_split: Mapping[str, str], config: DatasetConfig, form: Format
) -> dict[str, Source]:
    """Returns the sources of subfolders named after splits, each a corpus; a folder without such subfolders is train.

    Raises:
        DataError: a split has no subfolder.
    """
    folders = {plain_name(path.name): path for path in sorted(folder.iterdir()) if path.is_dir()}
    named = {name for split in SPLITS for name in split_names(names_by_split.get(split, split))}
    if not named & set(folders):
        return single_file_splits(folder, names_by_split, replace(config, format=form))
    sources: dict[str, Source] = {}
    for split, name in names_by_split.items():
        path = next((folders[option] for option in split_names(name) if option in folders), None)
        if path is not None:
            sources[split] = file_source(path, replace(config, format=form))
        elif name != split or split == "train":
            raise DataError(
                f"the folder has no subfolder for {name}",
                where=f"dataset.path={folder}",
                found=f"subfolders: {listing(folders)}",
                fix=format_text_override(f"dataset.splits.{split}", next(iter(folders))),
            )
    return sources


def corpus_format(folder: Path, config: DatasetConfig) -> Format | None:
    """Returns the format of a folder that is a corpus of many files, itself or in its subfolders; else None."""
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
    of_splits = [path for path in subfolders if plain_name(path.name) in ALL_SPLIT_NAMES]
    return Format.folders if is_class_folder(folder) or any(map(is_class_folder, of_splits)) else None


def split_names(name: str) -> tuple[str, ...]:
    """Returns the names that the data may use for a requested split, without case and accents."""
    return SPLIT_SYNONYMS.get(name, (plain_name(name),))


def suggest_path(path: Path, key: str = "dataset.path") -> str:
    """Returns the override for the file that was probably meant, or where the path was looked up."""
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either; relative paths start at {Path.cwd()}"
    guess = nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    return (
        format_text_override(key, str(path.parent / guess))
        if guess
        else f"relative paths start at {Path.cwd()}"
    )


def _files_of_split(files: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Returns the files with the name of a split, or else those with the split as a part of their name."""
    stems = {path: plain_name(stem_of(path)) for path in files}
    exact = [path for path in files if stems[path] in names]
    return exact or [path for path in files if set(names) & set(re.split(r"[-_.\s]", stems[path]))]


def _ordered_shards(files: Sequence[Path]) -> list[Path] | None:
    """Returns files in the order of their shard numbers; None if they are not the shards of one table.

    Raises:
        DataError: shards are missing.
    """
    matches = [SHARD.fullmatch(stem_of(path)) for path in files]
    tables = {(match["stem"], match["count"]) for match in matches if match is not None}
    if None in matches or len(tables) != 1 or len({suffix_of(path) for path in files}) != 1:
        return None
    numbers = {
        int(match["number"]): path for match, path in zip(matches, files, strict=True) if match is not None
    }
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


def _concatenated_source(files: Sequence[Path], config: DatasetConfig) -> Source:
    """Returns the rows of several files, one after the other."""
    sources = [file_source(path, config) for path in files]

    def raw(notes: list[str]) -> Iterator[Mapping[str, Any]]:
        return chain.from_iterable(source.raw(notes) for source in sources)

    identity = hashlib.sha256("".join(source.identity for source in sources).encode()).hexdigest()
    return Source(raw, identity, f"{sources[0].where} … {files[-1].name}")


def _missing_file_error(folder: Path, split: str, name: str, files: Sequence[Path]) -> DataError:
    taken = {
        path for other in SPLITS if other != split for path in _files_of_split(files, split_names(other))
    }
    has_nested_data = any(READABLE.get(suffix_of(path)) for path in folder.glob("*/*"))
    unused = [path.name for path in files if path not in taken]
    return DataError(
        f"the folder has no file for {name}",
        where=f"dataset.path={folder}",
        found=f"files: {listing(path.name for path in files)}" if files else "no data files",
        fix=format_override(f"dataset.splits.{split}", unused[0] if unused else "FILE")
        + ("; for a folder in the Hub's layout: dataset.format=hub" if has_nested_data and not files else ""),
    )


def _with_note(source: Source, note: str) -> Source:
    """Returns a source that adds a note when it is read."""

    def raw(notes: list[str]) -> Iterable[Mapping[str, Any]]:
        notes.append(note)
        return source.raw(notes)

    return replace(source, raw=raw)


def _data_files(folder: Path, config: DatasetConfig) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and _is_data(path, config))


def _is_data(path: Path, config: DatasetConfig) -> bool:
    """Whether the suffix belongs to the format; names that begin with a dot or ~$ are system and lock files."""
    suffix_format = READABLE.get(suffix_of(path))
    if path.name.startswith((".", "~$")):
        return False
    if config.format is Format.auto:
        return suffix_format is not None
    if config.format is Format.spans:
        return suffix_format in (Format.json, Format.jsonl)
    is_text_file = (
        config.format in (Format.csv, Format.conll, Format.fasttext) and suffix_of(path) == TEXT_SUFFIX
    )
    return suffix_format is config.format or is_text_file


def _content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file, or of the names and contents of all files of a folder.

    Raises:
        DiskError: a file cannot be read.
    """
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
    for file in files:
        with read_errors(file):
            digest.update(str(file.relative_to(path)).encode("utf-8", "surrogateescape"))
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
