"""Readers that turn local files into raw rows: strict, one row at a time, every error with its file and line.

Python's csv and json, pyarrow and datasets do the parsing; these modules add checks for what they accept silently.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.config.compression import is_compressed, suffix_of
from autotune.config.enums import Format
from autotune.config.formats import BINARY, FOLDERS, READABLE, REFUSED
from autotune.config.schema import DatasetConfig
from autotune.data.formats.arrow import class_labels, rows_of
from autotune.data.formats.brat import is_brat, read_brat
from autotune.data.formats.conll import read_conll
from autotune.data.formats.delimited import read_delimited
from autotune.data.formats.encoding import lines, open_text
from autotune.data.formats.objects import DuplicateKeyError, read_json
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


def format_of(path: Path, config: DatasetConfig) -> Format:
    """Returns the format of a file or folder: `dataset.format` if set, else detected from suffix and content.

    Raises:
        DataError: the format is unknown or not supported, does not fit a file, or cannot be read compressed.
    """
    if path.is_dir():
        if config.format is Format.brat or (is_brat(path) and config.format is not Format.arrow):
            return Format.brat
        return Format.folders if is_class_folder(path) else Format.arrow
    suffix = suffix_of(path)
    if suffix in REFUSED:
        raise DataError(REFUSED[suffix].what, where=str(path), fix=REFUSED[suffix].fix)
    is_configured = config.format not in (Format.auto, Format.hub)
    if config.format in FOLDERS:
        raise DataError(
            f"{config.format} data are a folder",
            where=str(path),
            fix=format_text_override("dataset.path", str(path.parent)),
        )
    form = config.format if is_configured else READABLE.get(suffix)
    if form is None and is_fasttext(path, config):
        form = Format.fasttext
    if form is None:
        raise DataError(
            "the format of the file is unknown",
            where=str(path),
            found=f"known suffixes: {listing(READABLE, 20)}",
            fix="dataset.format=conll, or csv, json, jsonl, parquet, arrow, xlsx, spans, brat, fasttext, folders; "
            "predict: --format",
        )
    if is_compressed(path) and form in BINARY:
        raise DataError(f"{form} files are not read compressed", where=str(path), fix=f"unpack {path.name}")
    return form


def read_rows(path: Path, form: Format, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Yields the rows of a file under the file's own column names.

    Raises:
        DataError: the file is empty, is a git-lfs pointer or a web page, or has a line that is invalid in its format.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("the file is empty", where=str(path))
    if path.is_file():
        with read_errors(path):
            _reject_placeholders(path)
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


def with_label_names(rows: Iterable[RawRow], features: "Features") -> Iterator[RawRow]:
    """Yields rows with label names in place of ClassLabel numbers; -1, which means "no label", becomes null."""
    from datasets import ClassLabel, LargeList, List

    label_columns = {name: feature for name, feature in features.items() if isinstance(feature, ClassLabel)}
    list_columns = {
        name: feature.feature
        for name, feature in features.items()
        if isinstance(feature, List | LargeList) and isinstance(feature.feature, ClassLabel)
    }

    def label_name(feature: ClassLabel, number: int | None) -> str | None:
        return None if number is None or number < 0 else str(feature.int2str(number))

    for row in rows:
        names: dict[str, Any] = {
            name: label_name(feature, row[name]) for name, feature in label_columns.items()
        }
        for name, feature in list_columns.items():
            names[name] = None if row[name] is None else [label_name(feature, number) for number in row[name]]
        yield {**row, **names}


def load_saved_dataset(folder: Path) -> "Dataset | DatasetDict":
    """Loads a folder that `save_to_disk` wrote.

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
        # load_from_disk maps the files without checking them; damage would surface only while rows are read.
        for data in loaded.values() if isinstance(loaded, DatasetDict) else [loaded]:
            data.data.validate(full=True)
    return loaded


def _reject_placeholders(path: Path) -> None:
    """Rejects what a download may leave in place of the data.

    Raises:
        DataError: the file is a git-lfs pointer or a web page.
    """
    with path.open("rb") as file:
        start = file.read(200).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if start.startswith(b"version https://git-lfs"):
        fix = "git lfs pull in the folder of its repository"
        raise DataError("the file is a pointer of git-lfs, not the data", where=str(path), fix=fix)
    if start.startswith((b"<!doctype html", b"<html")):
        fix = "download the file itself; pages that show a file have a button for the raw one"
        raise DataError("the file is a web page, not data", where=str(path), fix=fix)


def _json(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    with open_text(path, config, notes) as file:
        try:
            value = read_json(file.read())
            refuse_depth(value)
        except DuplicateKeyError as error:
            raise _duplicate_key_error(error, f"{path}:{error.line}") from error
        except (
            ValueError,
            RecursionError,
        ) as error:  # json raises ValueError for numbers of more than 4300 digits
            line = getattr(error, "lineno", 1)
            fix = "dataset.format=jsonl for one object per line" if "Extra data" in str(error) else None
            raise DataError(
                "the file is not valid JSON", where=f"{path}:{line}", found=str(error), fix=fix
            ) from error
    if isinstance(value, dict) and not is_export(value):
        value = _rows_in_object(value, path)
    for number, item in enumerate(value if isinstance(value, list) else [value]):
        row = _json_row(item)
        if row is None:
            raise DataError(
                "a row is not an object", where=f"{path}, row {number}", found=json.dumps(item)[:80]
            )
        yield row


def _rows_in_object(value: dict[str, Any], path: Path) -> list[Any]:
    """Returns the list that holds the rows of a JSON object.

    Raises:
        DataError: several of its lists, or none, may hold the rows.
    """
    lists = [name for name, inner in value.items() if isinstance(inner, list)]
    row_lists = [name for name in lists if value[name] and _json_row(value[name][0]) is not None]
    candidates = ["data"] if "data" in lists else row_lists if len(row_lists) == 1 else lists
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
                # Walking every value is slow; a line with few brackets cannot nest too deeply.
                if line.count("[") + line.count("{") > DEEPEST:
                    refuse_depth(item)
            except DuplicateKeyError as error:
                raise _duplicate_key_error(error, f"{path}:{number}") from error
            except (ValueError, RecursionError) as error:
                fix = "dataset.format=json for one JSON list over many lines" if number == 1 else None
                if line.lstrip().startswith("{'"):
                    fix = "keys and texts in double quotes, as json.dumps writes them; print(row) does not"
                raise DataError(
                    "the line is not valid JSON", where=f"{path}:{number}", found=str(error), fix=fix
                ) from error
            row = _json_row(item)
            if row is None:
                raise DataError(
                    "the line is not a JSON object", where=f"{path}:{number}", found=line.strip()[:80]
                )
            yield row


def _duplicate_key_error(error: DuplicateKeyError, where: str) -> DataError:
    return DataError(str(error), where=where, fix="rename one of them, or delete the wrong one")


def _json_row(item: Any) -> RawRow | None:
    """Returns a JSON value as a row, None if it is not one; spaCy writes rows as [text, {"entities": …}]."""
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], dict):
        return {"text": item[0], **item[1]}
    return item if isinstance(item, dict) else None


def _spans(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Yields texts with entities by character offsets; `autotune.data.formats.spans` later unifies the tools' layouts."""
    readers = {Format.json: _json, Format.parquet: _parquet, Format.arrow: _arrow}
    return readers.get(READABLE.get(suffix_of(path), Format.jsonl), _jsonl)(path, config, notes)


def _parquet(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    import pyarrow.parquet as pq

    with library_errors(partial(_damaged, "Parquet", path)):
        file = pq.ParquetFile(path)
        features = class_labels(file.schema_arrow, partial(_damaged, "Parquet", path))
        for batch in file.iter_batches(1000):
            batch.validate(full=True)
            yield from with_label_names(rows_of(batch, str(path)), features)


def _arrow(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Yields the rows of a `save_to_disk` folder, or of a file in Arrow's file or stream layout."""
    import pyarrow as pa
    from datasets import DatasetDict

    if path.is_dir():
        data = load_saved_dataset(path)
        if isinstance(data, DatasetDict):
            raise DataError(
                "the folder holds several splits",
                where=str(path),
                fix=format_text_override("dataset.path", str(path / next(iter(data), ""))),
            )
        yield from with_label_names(data, data.features)
        return
    with library_errors(partial(_damaged, "Arrow", path)), pa.memory_map(str(path)) as file:
        has_footer = file.read(6) == b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_file(file) if has_footer else pa.ipc.open_stream(file)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if has_footer else reader
        features = class_labels(reader.schema, partial(_damaged, "Arrow", path))
        for batch in batches:
            batch.validate(full=True)  # else Arrow would follow offsets that point outside its buffers
            yield from with_label_names(rows_of(batch, str(path)), features)


def _damaged(form: str, path: Path, error: BaseException) -> AutotuneError:
    if isinstance(error, OSError) and is_refusal(error):
        return system_error(error, path, doing="read", elsewhere="dataset.path=FILE")
    return DataError(
        f"the file is not readable as {form}",
        where=str(path),
        found=message_of(error),
        fix="it was cut off, or is something else: copy or download it again",
    )
