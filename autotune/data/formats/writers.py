"""Writers of canonical rows: one file, or one folder, per format."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from autotune.data.formats.brat import natural_key
from autotune.data.words import Span, entities, words_from_spans
from autotune.errors import DataError

__all__ = ["WRITERS", "default_words", "natural_key"]


MAX_CELL_CHARS = 32_767
"""Most characters in a cell of Excel."""
XML_INVALID = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML 1.0 cannot represent."""
LINE_BREAK = re.compile(r"[\r\n]")
MAX_SHEET_ROWS = 1_048_575
"""Most rows in a sheet of Excel below its header."""
SEPARATORS = (" ", "\t", "\r", "\n")
"""Characters that separate columns or lines of a CoNLL file."""


class Rows(Protocol):
    """Rows with the same columns: a `Dataset`, or anything else that can be iterated more than once."""

    @property
    def column_names(self) -> list[str]:
        """Names of the columns that all rows have."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


def _csv(rows: Rows, path: Path) -> None:
    _delimited(rows, path, ",")


def _tsv(rows: Rows, path: Path) -> None:
    _delimited(rows, path, "\t")


def _delimited(rows: Rows, path: Path, delimiter: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(rows.column_names)
        writer.writerows([_cell(row[name]) for name in rows.column_names] for row in rows)


def _cell(value: Any) -> str:
    """Returns a value as text; a list as JSON, which the readers parse as a Python literal."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _json_text(value)


def _json(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, row in enumerate(rows):
            file.write(("[\n" if number == 0 else ",\n") + _json_text(row))
        file.write("\n]\n")


def _jsonl(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{_json_text(row)}\n" for row in rows)


def _xlsx(rows: Rows, path: Path) -> None:
    """Writes numbers as numbers and everything else as text, so that Excel interprets neither = nor a leading 0."""
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as error:
        raise DataError(
            "Excel files are written with openpyxl, which is not installed",
            fix="pip install 'autotune[xlsx]'",
        ) from error
    if len(rows) > MAX_SHEET_ROWS:
        raise DataError(
            f"a sheet of Excel holds {MAX_SHEET_ROWS:,} rows", found=f"{len(rows):,}", fix="--to csv"
        )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    try:
        sheet.append(rows.column_names)
        for number, row in enumerate(rows):
            cells = []
            for name in rows.column_names:
                at = f"row {number} (id {row.get('id')}), column {name}"
                if _is_exact_number(row[name]):
                    cells.append(WriteOnlyCell(sheet, row[name]))
                    continue
                cell = WriteOnlyCell(sheet, _excel_text(_cell(row[name]), at))
                cell.data_type = "s"
                cells.append(cell)
            sheet.append(cells)
        book.save(path)
    except DataError:
        sheet.close()  # a write-only sheet writes to a temporary file while rows are added
        raise


def _is_exact_number(value: Any) -> bool:
    """Returns whether Excel, which calculates with 15 digits, keeps the value exactly."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _excel_text(text: str, at: str) -> str:
    if len(text) > MAX_CELL_CHARS:
        raise DataError(
            f"a cell of Excel holds {MAX_CELL_CHARS:,} characters",
            where=at,
            found=f"{len(text):,}",
            fix="--to csv, or jsonl",
        )
    if XML_INVALID.search(text):
        raise DataError(
            "a cell of Excel holds no control characters", where=at, found=repr(text[:80]), fix="--to jsonl"
        )
    return text


def _conll(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, row in enumerate(rows):
            _check_words(row, f"row {number} (id {row['id']})")
            tags = row.get("tags")
            lines = row["tokens"] if tags is None else map("\t".join, zip(row["tokens"], tags, strict=True))
            file.write("\n".join(lines) + "\n\n")


def _check_words(row: Mapping[str, Any], at: str) -> None:
    """Checks that the words and tags of a row can be read back.

    Raises:
        DataError: the row has no words, or one of them or a tag would be read as something else.
    """
    if not row["tokens"]:
        raise DataError("CoNLL holds no row without words", where=at, fix="delete the row, or --to jsonl")
    for column in ("tokens", "tags"):
        for index, text in enumerate(row.get(column) or ()):
            if (
                not text
                or any(separator in text for separator in SEPARATORS)
                or text.startswith("-DOCSTART-")
            ):
                raise DataError(
                    "CoNLL holds no empty word, and no blank or line break in one",
                    where=f"{at}, {column}, {index}",
                    found=repr(text[:80]),
                    fix="--to spans, or jsonl",
                )


def _spans(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            words = [
                {"text": token, "start": start, "end": start + len(token)}
                for token, start in zip(row["tokens"], row["starts"], strict=True)
            ]
            output = {"id": row["id"], "text": row["text"], "tokens": words}
            if row.get("tags") is not None:
                output["spans"] = [span._asdict() for span in _entities(row)]
            file.write(_json_text(output | ({"group": row["group"]} if "group" in row else {})) + "\n")


def _fasttext(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, row in enumerate(rows):
            text, label, at = row["text"], row.get("label"), f"row {number} (id {row['id']})"
            if label is None or len(label.split()) != 1 or label.split() != [label]:
                raise DataError("fastText holds no blank in a label, and no row without one", where=at, found=repr(label),
                                fix="--to jsonl")  # fmt: skip
            if LINE_BREAK.search(text) or text != text.lstrip(" \t") or text.startswith("__label__"):
                raise DataError("fastText holds a text in one line, without blanks before it", where=at, found=repr(text[:80]),
                                fix="--to jsonl")  # fmt: skip
            file.write(f"__label__{label} {text}\n")


def _brat(rows: Rows, path: Path) -> None:
    path.mkdir()
    for number, row in enumerate(rows):
        at, name = f"row {number} (id {row['id']})", row["id"]
        file = path / f"{name}.txt"
        if not name or name != Path(name).name or name.startswith(".") or len(name.encode()) > 200:
            raise DataError(
                "brat has one file per row, and this id is not a valid file name", where=at, fix="--to spans"
            )
        if file.exists():
            raise DataError(
                "brat has one file per row, and two rows have this id", where=at, fix="--to spans"
            )
        file.write_text(row["text"], encoding="utf-8", newline="")
        if row.get("tags") is not None:
            lines = []
            for count, span in enumerate(_entities(row), 1):
                if len(span.label.split()) != 1 or span.label.split() != [span.label]:
                    raise DataError(
                        "brat holds no blank in a label", where=at, found=repr(span.label), fix="--to spans"
                    )
                covered = " ".join(row["text"][span.start : span.end].split())
                lines.append(f"T{count}\t{span.label} {span.start} {span.end}\t{covered}\n")
            file.with_suffix(".ann").write_text("".join(lines), encoding="utf-8", newline="")


def default_words(row: Mapping[str, Any]) -> list[str]:
    """Returns the words into which the text of a row is split if the data provide none."""
    return words_from_spans(row["text"], _entities(row) if row.get("tags") is not None else ())[0]


def _entities(row: Mapping[str, Any]) -> Iterator[Span]:
    for label, first, last in entities(row["tags"]):
        yield Span(row["starts"][first], row["starts"][last - 1] + len(row["tokens"][last - 1]), label)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


WRITERS: Mapping[str, Callable[[Rows, Path], None]] = {
    "csv": _csv,
    "tsv": _tsv,
    "json": _json,
    "jsonl": _jsonl,
    "xlsx": _xlsx,
    "conll": _conll,
    "spans": _spans,
    "brat": _brat,
    "fasttext": _fasttext,
}
"""Writers by name of the format; Parquet and Arrow are written by `datasets`."""
