"""CSV and TSV: strict, every cell text, every error with its line.

Python's csv does the parsing. What is ours is what it lets pass in silence: rows of another length, quotes
that swallow rows, delimiters that nobody named.
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
from autotune.data.formats.quotes import FIX, Quotes
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
SEPARATOR = re.compile(r"\"?sep=(?P<mark>[^\r\n\"])\"?[\r\n]*", re.IGNORECASE)
"""Excel's first line; it names the delimiter."""

csv.field_size_limit(LONGEST_FIELD)


def read_delimited(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, str]]:
    """Rows of a CSV or TSV file; nothing is converted, not even `NA`. Without a header, columns are called 0, 1, 2 ….

    Columns without a name are left out, and so are rows without anything at the end, which spreadsheets leave there.

    Raises:
        DataError: a row of another length than the header, a quote that is not closed.
        ConfigError: the delimiter is no single character.
    """
    with open_text(path, config, notes) as file:
        numbered = lines(file, path)
        first, delimiter = _first(path, numbered, config)
        header: list[str] = []
        quotes, fields_of = _Quotes(delimiter), Quotes(path, delimiter, header)
        reader = csv.reader(fields_of.lines(chain(first, numbered)), delimiter=delimiter, strict=True)
        skipped = first[0][0] - 1 if first else 0
        line = skipped + 1
        nameless: dict[int, int] = {}
        pending: list[Mapping[str, str]] = []
        try:
            for fields in reader:
                last = skipped + reader.line_num
                if last - line >= LINES_IN_A_FIELD and _like_rows(fields, header, delimiter):
                    raise _open_quote(path, line, f"a field of {last - line + 1} lines")
                is_row = bool(header)
                if fields and not header:
                    header += _header(fields, path, line) if config.header else map(str, range(len(fields)))
                    is_row = not config.header
                if is_row and fields:
                    while len(fields) > len(header) and not fields[-1]:
                        fields.pop()
                    if len(fields) != len(header):
                        raise _ragged(path, line, fields, header, delimiter)
                    quotes.see(fields, line)
                    pending.append(_row(header, fields, line, nameless))
                    if len(fields) == 1 or any(map(str.strip, fields)):
                        yield from pending
                        pending.clear()
                line = last + 1
        except csv.Error as error:
            raise DataError(
                "the row is no valid CSV",
                where=f"{path}:{line}",
                found=f"{error}, in line {skipped + reader.line_num}",
                fix=f"{FIX}; a field with a line break is quoted",
            ) from error
        swallowing = quotes.swallowing()
        if swallowing is not None:
            raise _open_quote(path, *swallowing)
        notes += fields_of.notes()
        if nameless:
            where = listing(
                f"column {column + 1} from line {first_line}" for column, first_line in nameless.items()
            )
            notes.append(f"{path.name}: columns without a name were not read: {where}")
        if pending:
            notes.append(f"{path.name}: rows without anything at the end were left out: {len(pending)}")


def _row(header: Sequence[str], fields: Sequence[str], line: int, nameless: dict[int, int]) -> dict[str, str]:
    """A row by the names of its columns; columns without one are noted where they hold something."""
    for column, (name, cell) in enumerate(zip(header, fields, strict=True)):
        if not name and cell.strip():
            nameless.setdefault(column, line)
    return {name: cell for name, cell in zip(header, fields, strict=True) if name}


def _first(
    path: Path, numbered: Iterator[tuple[int, str]], config: DatasetConfig
) -> tuple[list[tuple[int, str]], str]:
    """The first line of the table, where there is one, and the delimiter; Excel's line `sep=;` is none of the table."""
    named = None
    for number, text in numbered:
        told = SEPARATOR.fullmatch(text) if number == 1 else None
        if told is not None:
            named = told["mark"]
        elif text.strip("\r\n"):
            return [(number, text)], _delimiter(path, text, config, named)
    return [], named or ","


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
        fix=FIX,
    )


def _delimiter(path: Path, header: str, config: DatasetConfig, named: str | None) -> str:
    """`dataset.delimiter`, else what the file names, a tab for .tsv, or what cuts the header into most fields."""
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
    if named is not None:
        return named
    if suffix_of(path) == ".tsv":
        return "\t"
    counts = {
        mark: len(next(csv.reader([header], delimiter=mark, skipinitialspace=True), []))
        for mark in DELIMITERS
    }
    return max(DELIMITERS, key=lambda mark: counts[mark])


def _header(fields: Sequence[str], path: Path, line: int) -> list[str]:
    """Names of columns, each once; empty for those without one."""
    names = [unicodedata.normalize("NFC", name.strip()) for name in fields]
    twice = {name for name in names if name and names.count(name) > 1}
    if twice or not any(names):
        raise DataError(
            f"columns with the same name: {listing(sorted(map(repr, twice)))}"
            if twice
            else "no column has a name",
            where=f"{path}:{line}",
            fix="rename one"
            if twice
            else "a name for each column in the first line, or dataset.header=false",
        )
    return names


def _ragged(path: Path, line: int, fields: list[str], header: list[str], delimiter: str) -> DataError:
    return DataError(
        f"the row has {len(fields)} fields, the header {len(header)}",
        where=f"{path}:{line}",
        found=delimiter.join(fields)[:120],
        fix=f"quote fields that hold {delimiter!r}, or name the delimiter: dataset.delimiter=';'",
    )
