"""CSV and TSV: strict, every cell is text, every error has its line.

Python's csv does the parsing. This module adds checks for what it accepts silently: rows of the wrong length, quotes
that swallow rows, delimiters that were never declared.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from autotune.config.compression import suffix_of
from autotune.config.schema import DatasetConfig
from autotune.data.formats.encoding import LONGEST_LINE, lines, open_text
from autotune.data.formats.quotes import FIX, QuoteNormalizer
from autotune.errors import ConfigError, DataError, listing

DELIMITERS = (",", ";", "\t")
MAX_FIELD_CHARS = LONGEST_LINE
"""Longest field, in characters; csv's own limit of 131072 is shorter than some court decisions."""
SUSPICIOUS_FIELD_LINES = 500
"""Lines of a quoted field from which on it is checked at once, instead of after the whole file has been read."""
MIN_ROW_LIKE_SHARE = 0.9
"""Share of a long field's lines with as many fields as a row from which on its quote counts as never closed."""
MAX_CATEGORIES = 100
"""Most distinct values of a column in a file that count as categories rather than texts."""
SEP_LINE = re.compile(r"\"?sep=(?P<mark>[^\r\n\"])\"?[\r\n]*", re.IGNORECASE)
"""Excel's optional first line, which declares the delimiter."""

csv.field_size_limit(MAX_FIELD_CHARS)


def read_delimited(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, str]]:
    """Yields the rows of a CSV or TSV file; nothing is converted, not even `NA`.

    Without a header, columns are called 0, 1, 2 …. Columns without a name are left out, and so are empty rows at the
    end, which spreadsheets leave there.

    Raises:
        DataError: a row has more or fewer fields than the header, or a quote is not closed.
        ConfigError: the delimiter is not a single character.
    """
    with open_text(path, config, notes) as file:
        numbered = lines(file, path)
        first, delimiter = _first_line_and_delimiter(path, numbered, config)
        header: list[str] = []
        detector, normalizer = _SwallowedRows(delimiter), QuoteNormalizer(path, delimiter, header)
        reader = csv.reader(normalizer.lines(chain(first, numbered)), delimiter=delimiter, strict=True)
        skipped = first[0][0] - 1 if first else 0
        line = skipped + 1
        nameless: dict[int, int] = {}
        pending: list[Mapping[str, str]] = []
        try:
            for fields in reader:
                last = skipped + reader.line_num
                if last - line >= SUSPICIOUS_FIELD_LINES and _looks_like_rows(fields, header, delimiter):
                    raise _unclosed_quote(path, line, f"a field of {last - line + 1} lines")
                is_row = bool(header)
                if fields and not header:
                    header += _header(fields, path, line) if config.header else map(str, range(len(fields)))
                    is_row = not config.header
                if is_row and fields:
                    while len(fields) > len(header) and not fields[-1]:
                        fields.pop()
                    if len(fields) != len(header):
                        raise _wrong_field_count(path, line, fields, header, delimiter)
                    detector.add_row(fields, line)
                    # Rows without anything wait until one with content follows: those at the end are dropped.
                    pending.append(_row(header, fields, line, nameless))
                    if len(fields) == 1 or any(map(str.strip, fields)):
                        yield from pending
                        pending.clear()
                line = last + 1
        except csv.Error as error:
            raise DataError(
                "invalid CSV",
                where=f"{path}:{line}",
                found=f"{error}, in line {skipped + reader.line_num}",
                fix=f"{FIX}; a field with a line break is quoted",
            ) from error
        offender = detector.first_swallowing_field()
        if offender is not None:
            raise _unclosed_quote(path, *offender)
        notes += normalizer.notes()
        if nameless:
            where = listing(
                f"column {column + 1} from line {first_line}" for column, first_line in nameless.items()
            )
            notes.append(f"{path.name}: columns without a name were not read: {where}")
        if pending:
            notes.append(f"{path.name}: rows without anything at the end were left out: {len(pending)}")


def _row(header: Sequence[str], fields: Sequence[str], line: int, nameless: dict[int, int]) -> dict[str, str]:
    """Returns a row as a dict by column name; records in `nameless` where a column without a name holds a value."""
    for column, (name, cell) in enumerate(zip(header, fields, strict=True)):
        if not name and cell.strip():
            nameless.setdefault(column, line)
    return {name: cell for name, cell in zip(header, fields, strict=True) if name}


def _first_line_and_delimiter(
    path: Path, numbered: Iterator[tuple[int, str]], config: DatasetConfig
) -> tuple[list[tuple[int, str]], str]:
    """Returns the first line of the table, if there is one, and the delimiter; Excel's line `sep=;` is not part of the table."""
    delimiter = None
    for number, text in numbered:
        match = SEP_LINE.fullmatch(text) if number == 1 else None
        if match is not None:
            delimiter = match["mark"]
        elif text.strip("\r\n"):
            return [(number, text)], _delimiter(path, text, config, delimiter)
    return [], delimiter or ","


def _looks_like_rows(fields: Sequence[str], header: Sequence[str], delimiter: str) -> bool:
    """Returns whether the lines of the longest field look like rows of the file."""
    inner = [line for line in max(fields, key=len).splitlines()[1:-1] if line.strip()]
    cells = [len(next(csv.reader([line], delimiter=delimiter), [])) for line in inner]
    return not header or (len(header) > 1 and cells.count(len(header)) >= MIN_ROW_LIKE_SHARE * len(cells))


class _SwallowedRows:
    """Finds quoted fields whose lines look like rows of their own.

    Two stray quotes some rows apart are valid CSV: one row with everything between them. Such a field differs from a
    text of several lines: each of its lines has as many fields as a row, and in a column of categories a value that
    other rows have there, too. These values are known only after the whole file has been read.
    """

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.values: dict[int, set[str]] = {}
        self.suspects: list[tuple[int, list[dict[int, str]]]] = []

    def add_row(self, fields: Sequence[str], line: int) -> None:
        """Adds a row that begins in `line`: collects its values, or its multiline fields as suspects."""
        multiline = [column for column, field in enumerate(fields) if "\n" in field]
        if not multiline:
            for column, field in enumerate(fields):
                values = self.values.setdefault(column, set())
                if len(values) <= MAX_CATEGORIES:
                    values.add(field)
        for column in multiline:
            rows = self._lines_as_rows(fields, column)
            if rows:
                self.suspects.append((line, rows))

    def _lines_as_rows(self, fields: Sequence[str], column: int) -> list[dict[int, str]]:
        """Returns the lines of a field as rows, by column; an empty list if one of them cannot be a row.

        The last line is skipped, because it begins a row that ends after the closing quote; only in the last column is
        it a complete row. Of the first line only the cells after this column count: those before it belong to the true
        row.
        """
        is_last = column == len(fields) - 1
        field_lines = fields[column].splitlines()
        first, *middle = [line for line in field_lines[: None if is_last else -1] if line.strip()] or [""]
        parsed = [next(csv.reader([line], delimiter=self.delimiter), []) for line in middle]
        if is_last and parsed and any(cell.startswith(" ") for cell in parsed[-1]):
            return []  # prose has a space after a comma
        rows = [{at: cell for at, cell in enumerate(cells) if at != column} for cells in parsed]
        complete = [len(cells) == len(fields) for cells in parsed]
        if not is_last:
            after = next(csv.reader([first], delimiter=self.delimiter), [])[1:]
            rows.append(dict(enumerate(after, column + 1)))
            complete.append(column + 1 + len(after) == len(fields))
        return rows if all(complete) else []

    def first_swallowing_field(self) -> tuple[int, str] | None:
        """Returns the line of the first field that swallowed rows, with the reason; None if there is none."""
        # To be called after the last row: before it, the sets of categories are incomplete.
        categories = {
            column: values for column, values in self.values.items() if len(values) <= MAX_CATEGORIES
        }
        for line, rows in self.suspects:
            if all(
                any(cell and cell in categories.get(column, ()) for column, cell in row.items())
                for row in rows
            ):
                return line, "the lines of one quoted field look like rows of their own"
        return None


def _unclosed_quote(path: Path, line: int, found: str) -> DataError:
    return DataError(
        "a quote is not closed, so the rows after it are read as part of the field",
        where=f"{path}:{line}",
        found=found,
        fix=FIX,
    )


def _delimiter(path: Path, header: str, config: DatasetConfig, sep_line_delimiter: str | None) -> str:
    """Returns `dataset.delimiter`, else that of the `sep=` line, a tab for .tsv, or what cuts the header into most fields.

    Raises:
        ConfigError: `dataset.delimiter` is not a single character.
    """
    if config.delimiter is not None:
        delimiter = config.delimiter.replace("\\t", "\t")
        if len(delimiter) != 1:
            raise ConfigError(
                "a delimiter of CSV is one character",
                where="dataset.delimiter",
                found=repr(config.delimiter),
                fix="dataset.delimiter=';'",
            )
        return delimiter
    if sep_line_delimiter is not None:
        return sep_line_delimiter
    if suffix_of(path) == ".tsv":
        return "\t"
    counts = {
        mark: len(next(csv.reader([header], delimiter=mark, skipinitialspace=True), []))
        for mark in DELIMITERS
    }
    return max(DELIMITERS, key=lambda mark: counts[mark])


def _header(fields: Sequence[str], path: Path, line: int) -> list[str]:
    """Returns the names of the columns, "" for a column without one.

    Raises:
        DataError: two columns have the same name, or none has one.
    """
    names = [unicodedata.normalize("NFC", name.strip()) for name in fields]
    duplicates = {name for name in names if name and names.count(name) > 1}
    if duplicates or not any(names):
        raise DataError(
            f"columns with the same name: {listing(sorted(map(repr, duplicates)))}"
            if duplicates
            else "no column has a name",
            where=f"{path}:{line}",
            fix="rename one"
            if duplicates
            else "a name for each column in the first line, or dataset.header=false",
        )
    return names


def _wrong_field_count(
    path: Path, line: int, fields: list[str], header: list[str], delimiter: str
) -> DataError:
    return DataError(
        f"the row has {len(fields)} fields, the header {len(header)}",
        where=f"{path}:{line}",
        found=delimiter.join(fields)[:120],
        fix=f"quote fields that hold {delimiter!r}, or name the delimiter: dataset.delimiter=';'",
    )
