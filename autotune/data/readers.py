"""Local files to raw rows: strict, one row at a time, every error with its file and line.

Parsing is Python's csv and json, pyarrow and datasets; what is ours is what they let pass in silence.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.config import DatasetConfig, Format
from autotune.data.conll import read_conll
from autotune.data.delimited import read_delimited
from autotune.data.encoding import open_text
from autotune.errors import DataError, listing

if TYPE_CHECKING:
    from datasets import Features

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
    ".conll": Format.conll,
    ".conllu": Format.conll,
    ".bio": Format.conll,
    ".iob": Format.conll,
}
SPANS = ("spans", "entities", "label", "labels")
"""What tools call the entities of a text; the first that a row has counts."""


def format_of(path: Path, config: DatasetConfig) -> Format:
    """The form of a file: `dataset.format`, else by its suffix.

    Raises:
        DataError: the suffix says nothing.
    """
    if path.is_dir():
        return Format.arrow
    if config.format not in (Format.auto, Format.hub):
        return config.format
    found = SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise DataError(
            "the name of the file does not say what form it has",
            where=str(path),
            found=f"known suffixes: {listing(SUFFIXES, 20)}",
            fix="dataset.format=conll, or csv, json, jsonl, parquet, arrow, spans",
        )
    return found


def read_rows(path: Path, form: Format, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Rows of a file with its own column names.

    Raises:
        DataError: the file is empty, or a line is not what its form demands.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("the file is empty", where=str(path))
    readers: Mapping[Format, Callable[[Path, DatasetConfig, Notes], Iterator[RawRow]]] = {
        Format.csv: read_delimited,
        Format.json: _json,
        Format.jsonl: _jsonl,
        Format.spans: _spans,
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


def _json(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    with open_text(path, config, notes) as file:
        try:
            value = json.load(file)
        except (json.JSONDecodeError, RecursionError) as error:
            line = getattr(error, "lineno", 1)
            fix = "dataset.format=jsonl for one object a line" if "Extra data" in str(error) else None
            raise DataError(
                "the file is no valid JSON", where=f"{path}:{line}", found=str(error), fix=fix
            ) from error
    if isinstance(value, dict):
        lists = [name for name, inner in value.items() if isinstance(inner, list)]
        if "data" not in lists and len(lists) != 1:
            raise DataError(
                "the file holds an object, and it is not clear which of its lists are the rows",
                where=str(path),
                found=f"lists: {listing(lists)}" if lists else f"keys: {listing(value)}",
                fix="a list of objects, or an object with one list",
            )
        value = value["data" if "data" in lists else lists[0]]
    for number, row in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(row, dict):
            raise DataError("a row is no object", where=f"{path}, row {number}", found=json.dumps(row)[:80])
        yield row


def _jsonl(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    with open_text(path, config, notes) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                fix = "dataset.format=json for one JSON list over many lines" if number == 1 else None
                raise DataError(
                    "the line is no valid JSON", where=f"{path}:{number}", found=str(error), fix=fix
                ) from error
            if not isinstance(row, dict):
                raise DataError(
                    "the line is no JSON object", where=f"{path}:{number}", found=line.strip()[:80]
                )
            yield row


def _spans(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Texts with entities by character offsets; other tools' and HAREM's names for the same things are read."""
    rows = _json(path, config, notes) if path.suffix.lower() == ".json" else _jsonl(path, config, notes)
    others = {"id": ("id", "doc_id"), "text": ("text", "doc_text"), "spans": SPANS}
    for row in rows:
        found = {
            role: next((name for name in names if name in row), None)
            for role, names in others.items()
            if getattr(config.columns, role) is None
        }
        yield {**row, **{role: row[name] for role, name in found.items() if name is not None}}


def _parquet(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features

    try:
        file = pq.ParquetFile(path)
        features = Features.from_arrow_schema(file.schema_arrow)
        for batch in file.iter_batches(1000):
            yield from named_labels(batch.to_pylist(), features)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError("the file is no readable Parquet", where=str(path), found=str(error)) from error


def _arrow(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """A folder of `save_to_disk`, or a file in either of Arrow's two layouts."""
    import pyarrow as pa
    from datasets import DatasetDict, Features, load_from_disk

    if path.is_dir():
        try:
            data = load_from_disk(str(path))
        except (OSError, ValueError) as error:
            raise DataError("the folder was not written by save_to_disk", where=str(path)) from error
        if isinstance(data, DatasetDict):
            raise DataError(
                "the folder holds several splits", where=str(path), fix=str(path / next(iter(data), ""))
            )
        yield from named_labels(data, data.features)
        return
    try:
        with pa.memory_map(str(path)) as file:
            with_index = file.read(6) == b"ARROW1"
            file.seek(0)
            reader = pa.ipc.open_file(file) if with_index else pa.ipc.open_stream(file)
            batches = map(reader.get_batch, range(reader.num_record_batches)) if with_index else reader
            features = Features.from_arrow_schema(reader.schema)
            for batch in batches:
                yield from named_labels(batch.to_pylist(), features)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError("the file is no readable Arrow", where=str(path), found=str(error)) from error
