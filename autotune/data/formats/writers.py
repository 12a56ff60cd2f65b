"""Canonical rows to one file, or one folder, of a form."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from autotune.data.formats.brat import natural
from autotune.data.words import Span, entities, words_from_spans
from autotune.errors import DataError

__all__ = ["WRITERS", "natural", "words_of"]


LONGEST_CELL = 32_767
"""Characters that a cell of Excel holds."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML 1.0 does not hold."""
LINE_BREAK = re.compile(r"[\r\n]")
MOST_ROWS = 1_048_575
"""Rows that a sheet of Excel holds below its header."""
BORDERS = (" ", "\t", "\r", "\n")
"""What parts words or lines of a CoNLL file."""


class Rows(Protocol):
    """Rows with the same columns: a `Dataset`, or what else can be gone through more than once."""

    @property
    def column_names(self) -> list[str]:
        """Of all rows."""

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
    """Text; a list as JSON, which Python's own notation of lists includes."""
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
    """Numbers are numbers; every other cell is text, so that neither = nor a leading 0 means anything to Excel."""
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as error:
        raise DataError(
            "Excel files are written with openpyxl, which is not installed",
            fix="pip install 'autotune[xlsx]'",
        ) from error
    if len(rows) > MOST_ROWS:
        raise DataError(f"a sheet of Excel holds {MOST_ROWS:,} rows", found=f"{len(rows):,}", fix="--to csv")
    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    try:
        sheet.append(rows.column_names)
        for number, row in enumerate(rows):
            cells = []
            for name in rows.column_names:
                at = f"row {number} (id {row.get('id')}), column {name}"
                if _is_number(row[name]):
                    cells.append(WriteOnlyCell(sheet, row[name]))
                    continue
                cell = WriteOnlyCell(sheet, _for_excel(_cell(row[name]), at))
                cell.data_type = "s"
                cells.append(cell)
            sheet.append(cells)
        book.save(path)
    except DataError:
        sheet.close()  # it writes while rows come
        raise


def _is_number(value: Any) -> bool:
    """Whether Excel, which calculates with 15 digits, shows the value as it is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _for_excel(text: str, at: str) -> str:
    if len(text) > LONGEST_CELL:
        raise DataError(
            f"a cell of Excel holds {LONGEST_CELL:,} characters",
            where=at,
            found=f"{len(text):,}",
            fix="--to csv, or jsonl",
        )
    if CONTROL.search(text):
        raise DataError(
            "a cell of Excel holds no control characters", where=at, found=repr(text[:80]), fix="--to jsonl"
        )
    return text


def _conll(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, row in enumerate(rows):
            _refuse_words(row, f"row {number} (id {row['id']})")
            tags = row.get("tags")
            lines = row["tokens"] if tags is None else map("\t".join, zip(row["tokens"], tags, strict=True))
            file.write("\n".join(lines) + "\n\n")


def _refuse_words(row: Mapping[str, Any], at: str) -> None:
    """What would be read as something else than a word or a tag."""
    if not row["tokens"]:
        raise DataError("CoNLL holds no row without words", where=at, fix="delete the row, or --to jsonl")
    for kind in ("tokens", "tags"):
        for index, text in enumerate(row.get(kind) or ()):
            if not text or any(border in text for border in BORDERS) or text.startswith("-DOCSTART-"):
                raise DataError(
                    "CoNLL holds no empty word, and no blank or line break in one",
                    where=f"{at}, {kind}, {index}",
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
            made = {"id": row["id"], "text": row["text"], "tokens": words}
            if row.get("tags") is not None:
                made["spans"] = [span._asdict() for span in _entities(row)]
            file.write(_json_text(made | ({"group": row["group"]} if "group" in row else {})) + "\n")


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
            raise DataError("brat has a file a row, and the id is no name of one", where=at, fix="--to spans")
        if file.exists():
            raise DataError("brat has a file a row, and two rows have this id", where=at, fix="--to spans")
        file.write_text(row["text"], encoding="utf-8", newline="")
        if row.get("tags") is not None:
            lines = []
            for count, span in enumerate(_entities(row), 1):
                if len(span.label.split()) != 1 or span.label.split() != [span.label]:
                    raise DataError(
                        "brat holds no blank in a label", where=at, found=repr(span.label), fix="--to spans"
                    )
                said = " ".join(row["text"][span.start : span.end].split())
                lines.append(f"T{count}\t{span.label} {span.start} {span.end}\t{said}\n")
            file.with_suffix(".ann").write_text("".join(lines), encoding="utf-8", newline="")


def words_of(row: Mapping[str, Any]) -> list[str]:
    """The words into which the text of a row is parted where the data do not part it."""
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
"""Parquet and Arrow are `datasets`' own business."""
