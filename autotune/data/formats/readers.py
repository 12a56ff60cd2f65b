"""Local files to raw rows: strict, one row at a time, every error with its file and line.

Parsing is Python's csv and json, pyarrow and datasets; what is ours is what they let pass in silence.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.config.compression import is_packed, suffix_of
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.formats.arrow import class_labels, rows_of
from autotune.data.formats.brat import is_brat, read_brat
from autotune.data.formats.conll import read_conll
from autotune.data.formats.delimited import read_delimited
from autotune.data.formats.encoding import lines, open_text
from autotune.data.formats.objects import KeyTwice, read_json
from autotune.data.formats.plain import is_class_folder, is_fasttext, read_fasttext, read_folders
from autotune.data.formats.sheets import read_sheet
from autotune.data.formats.spans import is_export
from autotune.errors import AutotuneError, DataError, format_text_override, listing
from autotune.runtime.files import read_errors
from autotune.runtime.library_errors import library_errors, message_of
from autotune.runtime.os_errors import is_refusal, system_error
from autotune.runtime.parsing import DEEPEST, refuse_depth

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

RawRow = Mapping[str, Any]
Notes = list[str]

SUFFIXES: Mapping[str, Format] = {
    ".csv": Format.csv,
    ".tsv": Format.csv,
    ".json": Format.json,
    ".jsonl": Format.jsonl,
    ".ndjson": Format.jsonl,
    ".parquet": Format.parquet,
    ".arrow": Format.arrow,
    ".xlsx": Format.xlsx,
    ".xlsm": Format.xlsx,
    ".conll": Format.conll,
    ".conllu": Format.conll,
    ".bio": Format.conll,
    ".iob": Format.conll,
    ".fasttext": Format.fasttext,
}
BINARY = (Format.xlsx, Format.parquet, Format.arrow)
"""Forms that are compressed themselves."""
NOT_READ = {
    ".xls": "Excel's old form: open it and save it as .xlsx or as CSV UTF-8",
    ".ods": "LibreOffice's form: open it and save it as .xlsx or as CSV UTF-8",
    ".zip": "compressed: unzip FILE",
}
"""Suffixes of files that are not read, and what to do with them."""


def format_of(path: Path, config: DatasetConfig) -> Format:
    """The form of a file: `dataset.format`, else by its suffix.

    Raises:
        DataError: the suffix says nothing.
    """
    if path.is_dir():
        if config.format is Format.brat or (is_brat(path) and config.format is not Format.arrow):
            return Format.brat
        return Format.folders if is_class_folder(path) else Format.arrow
    suffix = suffix_of(path)
    if suffix in NOT_READ:
        advice = NOT_READ[suffix].replace("FILE", path.name)
        raise DataError(f"{suffix} files are not read", where=str(path), fix=advice)
    named = config.format not in (Format.auto, Format.hub)
    if config.format in (Format.brat, Format.folders):
        raise DataError(
            f"{config.format} data are a folder",
            where=str(path),
            fix=format_text_override("dataset.path", str(path.parent)),
        )
    found = config.format if named else SUFFIXES.get(suffix)
    if found is None and is_fasttext(path, config):
        found = Format.fasttext
    if found is None:
        raise DataError(
            "the name of the file does not say what form it has",
            where=str(path),
            found=f"known suffixes: {listing(SUFFIXES, 20)}",
            fix="dataset.format=conll, or csv, json, jsonl, parquet, arrow, xlsx, spans, brat, fasttext, folders; "
            "predict: --format",
        )
    if is_packed(path) and found in BINARY:
        raise DataError(f"{found} files are not read compressed", where=str(path), fix=f"unpack {path.name}")
    return found


def read_rows(path: Path, form: Format, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Rows of a file with its own column names.

    Raises:
        DataError: the file is empty, or a line is not what its form demands.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("the file is empty", where=str(path))
    if path.is_file():
        with read_errors(path):
            _refuse_stand_ins(path)
    readers: Mapping[Format, Callable[[Path, DatasetConfig, Notes], Iterator[RawRow]]] = {
        Format.csv: read_delimited,
        Format.json: _json,
        Format.jsonl: _jsonl,
        Format.spans: _spans,
        Format.xlsx: read_sheet,
        Format.brat: read_brat,
        Format.fasttext: read_fasttext,
        Format.folders: read_folders,
        Format.conll: read_conll,
        Format.parquet: _parquet,
        Format.arrow: _arrow,
    }
    return readers[form](path, config, notes)


def named_labels(rows: Iterable[RawRow], features: "Features") -> Iterator[RawRow]:
    """Rows with the names of ClassLabel columns in place of their numbers; -1, which stands for none, is null."""
    from datasets import ClassLabel, LargeList, List

    single = {name: kind for name, kind in features.items() if isinstance(kind, ClassLabel)}
    several = {
        name: kind.feature
        for name, kind in features.items()
        if isinstance(kind, List | LargeList) and isinstance(kind.feature, ClassLabel)
    }

    def named(kind: ClassLabel, number: int | None) -> str | None:
        return None if number is None or number < 0 else str(kind.int2str(number))

    for row in rows:
        names: dict[str, Any] = {name: named(kind, row[name]) for name, kind in single.items()}
        for name, kind in several.items():
            names[name] = None if row[name] is None else [named(kind, number) for number in row[name]]
        yield {**row, **names}


def load_saved(folder: Path) -> "Dataset | DatasetDict":
    """What `save_to_disk` wrote.

    Raises:
        DataError: the folder is something else, or damaged.
    """
    from datasets import DatasetDict, load_from_disk

    def damaged(error: BaseException) -> AutotuneError:
        if isinstance(error, OSError) and is_refusal(error):
            return system_error(error, folder, doing="read", elsewhere="dataset.path=FOLDER")
        return DataError(
            "the folder was not written by save_to_disk, or is damaged",
            where=str(folder),
            found=message_of(error),
            fix="copy it again, or give a file; a folder of splits: dataset.path=FOLDER; brat: dataset.format=brat",
        )

    with library_errors(damaged):
        loaded = load_from_disk(str(folder))
        for data in loaded.values() if isinstance(loaded, DatasetDict) else [loaded]:
            data.data.validate(full=True)
    return loaded


def _refuse_stand_ins(path: Path) -> None:
    """What a download leaves in place of the data.

    Raises:
        DataError: the file is a pointer of git-lfs or a web page.
    """
    with path.open("rb") as file:
        begin = file.read(200).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if begin.startswith(b"version https://git-lfs"):
        fix = "git lfs pull in the folder of its repository"
        raise DataError("the file is a pointer of git-lfs, not the data", where=str(path), fix=fix)
    if begin.startswith((b"<!doctype html", b"<html")):
        fix = "download the file itself; pages that show a file have a button for the raw one"
        raise DataError("the file is a web page, not data", where=str(path), fix=fix)


def _json(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    with open_text(path, config, notes) as file:
        try:
            value = read_json(file.read())
            refuse_depth(value)
        except KeyTwice as error:
            raise _twice(error, f"{path}:{error.line}") from error
        except (ValueError, RecursionError) as error:  # a ValueError: a number of more than 4300 digits
            line = getattr(error, "lineno", 1)
            fix = "dataset.format=jsonl for one object a line" if "Extra data" in str(error) else None
            raise DataError(
                "the file is no valid JSON", where=f"{path}:{line}", found=str(error), fix=fix
            ) from error
    if isinstance(value, dict) and not is_export(value):
        value = _list_of(value, path)
    for number, item in enumerate(value if isinstance(value, list) else [value]):
        row = _object(item)
        if row is None:
            raise DataError("a row is no object", where=f"{path}, row {number}", found=json.dumps(item)[:80])
        yield row


def _list_of(value: dict[str, Any], path: Path) -> list[Any]:
    """The rows of an object that holds them in one of its lists."""
    lists = [name for name, inner in value.items() if isinstance(inner, list)]
    of_rows = [name for name in lists if value[name] and _object(value[name][0]) is not None]
    candidates = ["data"] if "data" in lists else of_rows if len(of_rows) == 1 else lists
    if len(candidates) != 1:
        raise DataError(
            "the file holds an object, and it is not clear which of its lists are the rows",
            where=str(path),
            found=f"lists: {listing(lists)}" if lists else f"keys: {listing(value)}",
            fix="a list of objects, or an object with one list",
        )
    rows: list[Any] = value[candidates[0]]
    return rows


def _jsonl(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    with open_text(path, config, notes) as file:
        for number, line in lines(file, path):
            if not line.strip():
                continue
            try:
                item = read_json(line)
                if line.count("[") + line.count("{") > DEEPEST:
                    refuse_depth(item)
            except KeyTwice as error:
                raise _twice(error, f"{path}:{number}") from error
            except (ValueError, RecursionError) as error:
                fix = "dataset.format=json for one JSON list over many lines" if number == 1 else None
                if line.lstrip().startswith("{'"):
                    fix = "keys and texts in double quotes, as json.dumps writes them; print(row) does not"
                raise DataError(
                    "the line is no valid JSON", where=f"{path}:{number}", found=str(error), fix=fix
                ) from error
            row = _object(item)
            if row is None:
                raise DataError(
                    "the line is no JSON object", where=f"{path}:{number}", found=line.strip()[:80]
                )
            yield row


def _twice(error: KeyTwice, where: str) -> DataError:
    return DataError(str(error), where=where, fix="rename one, or delete the one that is not meant")


def _object(item: Any) -> RawRow | None:
    """A row of JSON; spaCy writes [text, {"entities": …}]. None for anything else."""
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], dict):
        return {"text": item[0], **item[1]}
    return item if isinstance(item, dict) else None


def _spans(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Texts with entities by character offsets; `autotune.data.formats.spans` makes one form of what tools write."""
    readers = {Format.json: _json, Format.parquet: _parquet, Format.arrow: _arrow}
    return readers.get(SUFFIXES.get(suffix_of(path), Format.jsonl), _jsonl)(path, config, notes)


def _parquet(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    import pyarrow.parquet as pq

    with library_errors(partial(_damaged, "Parquet", path)):
        file = pq.ParquetFile(path)
        features = class_labels(file.schema_arrow, partial(_damaged, "Parquet", path))
        for batch in file.iter_batches(1000):
            batch.validate(full=True)
            yield from named_labels(rows_of(batch, str(path)), features)


def _arrow(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """A folder of `save_to_disk`, or a file in either of Arrow's two layouts."""
    import pyarrow as pa
    from datasets import DatasetDict

    if path.is_dir():
        data = load_saved(path)
        if isinstance(data, DatasetDict):
            raise DataError(
                "the folder holds several splits",
                where=str(path),
                fix=format_text_override("dataset.path", str(path / next(iter(data), ""))),
            )
        yield from named_labels(data, data.features)
        return
    with library_errors(partial(_damaged, "Arrow", path)), pa.memory_map(str(path)) as file:
        with_index = file.read(6) == b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_file(file) if with_index else pa.ipc.open_stream(file)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if with_index else reader
        features = class_labels(reader.schema, partial(_damaged, "Arrow", path))
        for batch in batches:
            batch.validate(full=True)  # offsets that lead out of the buffers would be followed
            yield from named_labels(rows_of(batch, str(path)), features)


def _damaged(form: str, path: Path, error: BaseException) -> AutotuneError:
    if isinstance(error, OSError) and is_refusal(error):
        return system_error(error, path, doing="read", elsewhere="dataset.path=FILE")
    return DataError(
        f"the file is no readable {form}",
        where=str(path),
        found=message_of(error),
        fix="it was cut off, or is something else: copy or download it again",
    )
