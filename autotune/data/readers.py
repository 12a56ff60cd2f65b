"""Local files to raw rows: strict, one row at a time, every error with its file and line.

Parsing is Python's csv and json, pyarrow and datasets; what is ours is what they let pass in silence.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from autotune.config import DatasetConfig, Format
from autotune.errors import DataError, listing

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
DELIMITERS = (",", ";", "\t")
LONGEST_FIELD = 50_000_000
"""Characters; csv's own limit of 131072 is shorter than some court decisions."""
LINES_IN_A_FIELD = 500
"""A quoted field over more lines than this is a quote that was never closed."""

csv.field_size_limit(LONGEST_FIELD)


def format_of(path: Path, config: DatasetConfig) -> Format:
    """The form of a file: `dataset.format`, else by its suffix.

    Raises:
        DataError: the suffix says nothing.
    """
    if config.format is not Format.auto:
        return config.format
    if path.is_dir():
        return Format.arrow
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
        Format.csv: _csv,
        Format.json: _json,
        Format.jsonl: _jsonl,
        Format.spans: _spans,
        Format.conll: _conll,
        Format.parquet: _parquet,
        Format.arrow: _arrow,
    }
    return readers[form](path, config, notes)


def open_text(path: Path, config: DatasetConfig, notes: Notes) -> TextIO:
    """A text file in `dataset.encoding`, else UTF-8 (a byte order mark is skipped), else cp1252, which is noted.

    Guessing among more encodings takes Portuguese for Polish or Chinese, so only these two are tried.

    Raises:
        DataError: the file is not text in the encoding that was given.
    """
    if config.encoding is not None:
        _decode_all(path, config.encoding)
        return path.open(encoding=config.encoding, newline="")
    try:
        _decode_all(path, "utf-8")
    except DataError:
        notes.append(
            f"{path.name} is not UTF-8 and was read as cp1252 (Windows); if accents look wrong: dataset.encoding=…"
        )
        return path.open(encoding="cp1252", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _decode_all(path: Path, encoding: str) -> None:
    try:
        with path.open(encoding=encoding) as file:
            while file.read(1 << 20):
                pass
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(
            f"the file is not {encoding} text",
            where=str(path),
            found=str(error),
            fix="dataset.encoding=cp1252",
        ) from error


def _csv(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    with open_text(path, config, notes) as file:
        delimiter = config.delimiter or _delimiter(path, file)
        reader = csv.reader(_without_nul(file, path), delimiter=delimiter, strict=True)
        header: list[str] = []
        line = 1
        try:
            for fields in reader:
                if reader.line_num - line > LINES_IN_A_FIELD:
                    raise DataError(
                        f"a quoted field goes over {reader.line_num - line} lines: a quote was opened and not closed",
                        where=f"{path}:{line}",
                        found=next((field[:60] for field in fields if "\n" in field), ""),
                        fix='close the quote, or write it twice ("") inside a quoted field',
                    )
                if not header:
                    header = [name.strip() for name in fields]
                    _check_header(header, path)
                elif fields:
                    if len(fields) != len(header):
                        raise _ragged(path, line, fields, header, delimiter)
                    yield dict(zip(header, fields, strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                "the line is no valid CSV",
                where=f"{path}:{line}",
                found=str(error),
                fix='a quote inside a quoted field is written twice (""); a field with a line break is quoted',
            ) from error


def _delimiter(path: Path, file: TextIO) -> str:
    """The delimiter that cuts the header into most fields; a tab for .tsv."""
    header = file.readline()
    file.seek(0)
    if path.suffix.lower() == ".tsv":
        return "\t"
    counts = {mark: len(next(csv.reader(io.StringIO(header), delimiter=mark), [])) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: counts[mark])


def _without_nul(file: TextIO, path: Path) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        if "\0" in line:
            raise DataError(
                "the file holds NUL bytes: it is not text, or UTF-16", where=f"{path}:{number}",
                fix="save it as CSV UTF-8, or dataset.encoding=utf-16",
            )  # fmt: skip
        yield line


def _check_header(header: list[str], path: Path) -> None:
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise DataError(
            f"columns with the same name: {listing(sorted(twice))}", where=f"{path}:1", fix="rename one"
        )


def _ragged(path: Path, line: int, fields: list[str], header: list[str], delimiter: str) -> DataError:
    return DataError(
        f"the row has {len(fields)} fields, the header {len(header)}",
        where=f"{path}:{line}",
        found=delimiter.join(fields)[:120],
        fix=f"quote fields that hold {delimiter!r}, or name the delimiter: dataset.delimiter=';'",
    )


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
        if len(lists) != 1:
            raise DataError(
                "the file holds an object, and it is not clear which of its lists are the rows",
                where=str(path),
                found=f"lists: {listing(lists)}" if lists else f"keys: {listing(value)}",
                fix="a list of objects, or an object with one list",
            )
        value = value[lists[0]]
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
    """Texts with entities by character offsets; HAREM's names for the same things are understood."""
    rows = _json(path, config, notes) if path.suffix.lower() == ".json" else _jsonl(path, config, notes)
    columns = config.columns
    for row in rows:
        text = row.get(columns.text or ("text" if "text" in row else "doc_text"))
        names = [columns.spans] if columns.spans else ["spans", "entities", "label", "labels"]
        spans = next((row[name] for name in names if name in row), None)
        named = {} if columns.id or "doc_id" not in row else {"id": row["doc_id"]}
        yield {**row, **named, "text": text, "spans": spans}


def _conll(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    """Sentences of a column file. Blanks and tabs part columns; a no-break space is part of a word."""
    tokens: list[str] = []
    tags: list[str] = []
    with open_text(path, config, notes) as file:
        for number, raw in enumerate(file, 1):
            line = raw.rstrip("\r\n")
            if not line.strip(" \t"):
                if tokens:
                    yield {"tokens": tokens, "tags": tags}
                tokens, tags = [], []
                continue
            if line.startswith("-DOCSTART-") or (line.startswith("# ") and not tokens):
                continue
            columns = (
                line.split(config.delimiter) if config.delimiter else re.split(r"[ \t]+", line.strip(" \t"))
            )
            if len(columns) < 2:
                raise DataError(
                    "the line has a word and no tag", where=f"{path}:{number}", found=repr(line),
                    fix="a word, a blank and its tag; dataset.delimiter names another mark between columns",
                )  # fmt: skip
            try:
                tokens.append(columns[config.token_column])
                tags.append(columns[config.tag_column])
            except IndexError as error:
                raise DataError(
                    f"the line has {len(columns)} columns", where=f"{path}:{number}", found=repr(line),
                    fix="dataset.token_column and dataset.tag_column count from 0; negative numbers count from the right",
                ) from error  # fmt: skip
    if tokens:
        yield {"tokens": tokens, "tags": tags}


def _parquet(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(1000):
            yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError("the file is no readable Parquet", where=str(path), found=str(error)) from error


def _arrow(path: Path, config: DatasetConfig, notes: Notes) -> Iterator[RawRow]:
    from datasets import Dataset, DatasetDict, load_from_disk

    from autotune.data.hub import named_labels

    try:
        data = load_from_disk(str(path)) if path.is_dir() else Dataset.from_file(str(path))
    except Exception as error:
        raise DataError("the path holds no readable Arrow data", where=str(path), found=str(error)) from error
    if isinstance(data, DatasetDict):
        raise DataError("the folder holds several splits", where=str(path), found=listing(data))
    yield from named_labels(data)
