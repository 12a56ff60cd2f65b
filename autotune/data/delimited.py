"""CSV and TSV: strict, every cell text, every error with its line.

Python's csv does the parsing. What is ours is what it lets pass in silence: rows of another length, quotes
that swallow rows, delimiters that nobody named.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from autotune.config import DatasetConfig
from autotune.data.encoding import LONGEST_LINE, lines, open_text
from autotune.errors import ConfigError, DataError, listing

DELIMITERS = (",", ";", "\t")
LONGEST_FIELD = LONGEST_LINE
"""Characters; csv's own limit of 131072 is shorter than some court decisions."""
LINES_IN_A_FIELD = 500
"""A quoted field over more lines than this is looked at when it comes, not when the file has been read."""
LIKE_ROWS = 0.9
"""Where at least this share of its lines have as many fields as a row, it is a quote that was never closed."""
CATEGORIES = 100
"""A column with at most so many values in a file holds categories, not texts."""
QUOTES = 'close the quote, delete it, or write it twice ("") inside a quoted field'

csv.field_size_limit(LONGEST_FIELD)


def read_delimited(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, str]]:
    """Rows of a CSV or TSV file with a header; nothing is converted, not even `NA`.

    Raises:
        DataError: a row of another length than the header, a quote that is not closed.
        ConfigError: the delimiter is no single character.
    """
    with open_text(path, config, notes) as file:
        delimiter = _delimiter(path, file, config)
        reader = csv.reader((text for _, text in lines(file, path)), delimiter=delimiter, strict=True)
        header: list[str] = []
        quotes = _Quotes(delimiter)
        line = 1
        try:
            for fields in reader:
                if reader.line_num - line > LINES_IN_A_FIELD and _like_rows(fields, header, delimiter):
                    raise _open_quote(path, line, f"a field of {reader.line_num - line} lines")
                if not header:
                    header = [unicodedata.normalize("NFC", name.strip()) for name in fields]
                    _check_header(header, path)
                elif fields:
                    if len(fields) != len(header):
                        raise _ragged(path, line, fields, header, delimiter)
                    quotes.see(fields, line)
                    yield dict(zip(header, fields, strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                "the row is no valid CSV",
                where=f"{path}:{line}",
                found=f"{error}, in line {reader.line_num}",
                fix=f"{QUOTES}; a field with a line break is quoted",
            ) from error
        swallowing = quotes.swallowing()
        if swallowing is not None:
            raise _open_quote(path, *swallowing)


def _like_rows(fields: Sequence[str], header: Sequence[str], delimiter: str) -> bool:
    """Whether the lines of the longest field look like rows of the file."""
    inner = [line for line in max(fields, key=len).splitlines()[1:-1] if line.strip()]
    cells = [len(next(csv.reader([line], delimiter=delimiter), [])) for line in inner]
    return not header or (len(header) > 1 and cells.count(len(header)) >= LIKE_ROWS * len(cells))


class _Quotes:
    """Finds quoted fields whose lines look like rows of their own.

    Two stray quotes some rows apart are valid CSV: one row with all that stands between them. It is told from
    a text of several lines by its lines: all have as many fields as a row, and in a column of categories a
    value that other rows have there. Which values these are is known when the file has been read.
    """

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.values: dict[int, set[str]] = {}
        self.suspects: list[tuple[int, list[dict[int, str]]]] = []

    def see(self, fields: Sequence[str], line: int) -> None:
        """Looks at a row that begins in a line."""
        several = [column for column, field in enumerate(fields) if "\n" in field]
        if not several:
            for column, field in enumerate(fields):
                known = self.values.setdefault(column, set())
                if len(known) <= CATEGORIES:
                    known.add(field)
        for column in several:
            rows = self._rows(fields, column)
            if rows:
                self.suspects.append((line, rows))

    def _rows(self, fields: Sequence[str], column: int) -> list[dict[int, str]]:
        """The lines of a field as rows, by column; none when one of them cannot be a row.

            The last line is the beginning of a row that ends behind the closing quote, so it is not judged, but in the
        last column, where it is a row with all that counts. The
            first line is judged by what stands behind this column: before it stand fields of the true row.
        """
        last = column == len(fields) - 1
        lines_of_field = fields[column].splitlines()
        first, *middle = [line for line in lines_of_field[: None if last else -1] if line.strip()] or [""]
        parsed = [next(csv.reader([line], delimiter=self.delimiter), []) for line in middle]
        if last and parsed and any(cell.startswith(" ") for cell in parsed[-1]):
            return []  # prose has a blank behind its comma
        rows = [{at: cell for at, cell in enumerate(cells) if at != column} for cells in parsed]
        whole = [len(cells) == len(fields) for cells in parsed]
        if not last:
            behind = next(csv.reader([first], delimiter=self.delimiter), [])[1:]
            rows.append(dict(enumerate(behind, column + 1)))
            whole.append(column + 1 + len(behind) == len(fields))
        return rows if all(whole) else []

    def swallowing(self) -> tuple[int, str] | None:
        """The line of the first field that swallowed rows, and what it did."""
        categories = {column: known for column, known in self.values.items() if len(known) <= CATEGORIES}
        for line, rows in self.suspects:
            if all(
                any(cell and cell in categories.get(column, ()) for column, cell in row.items())
                for row in rows
            ):
                return line, "the lines of one quoted field look like rows of their own"
        return None


def _open_quote(path: Path, line: int, found: str) -> DataError:
    return DataError(
        "a quote was opened and not closed, so it swallows rows",
        where=f"{path}:{line}",
        found=found,
        fix=QUOTES,
    )


def _delimiter(path: Path, file: TextIO, config: DatasetConfig) -> str:
    """`dataset.delimiter`, else a tab for .tsv, else what cuts the header into most fields."""
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
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = file.readline(1 << 20)
    file.seek(0)
    counts = {mark: len(next(csv.reader(io.StringIO(header), delimiter=mark), [])) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: counts[mark])


def _check_header(header: list[str], path: Path) -> None:
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise DataError(
            f"columns with the same name: {listing(sorted(map(repr, twice)))}",
            where=f"{path}:1",
            fix="rename one",
        )


def _ragged(path: Path, line: int, fields: list[str], header: list[str], delimiter: str) -> DataError:
    return DataError(
        f"the row has {len(fields)} fields, the header {len(header)}",
        where=f"{path}:{line}",
        found=delimiter.join(fields)[:120],
        fix=f"quote fields that hold {delimiter!r}, or name the delimiter: dataset.delimiter=';'",
    )
