"""Misplaced quotes in CSV: read as they were meant, or refused with their position.

Python's csv lets a quote open a field only as its first character; after a blank the quote becomes part of the text,
and the delimiters after it cut the text into pieces.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from autotune.errors import DataError, listing

FIX = 'close the quote, delete it, or write it twice ("") inside a quoted field'
MAX_EXAMPLES = 5
"""Most positions listed in a note."""


class QuoteNormalizer:
    """Prepares the lines of a CSV file for Python's csv: removes the blanks around quoted fields.

    Args:
        path: file, for messages.
        delimiter: one character.
        header: names of the columns; the caller may fill the list while lines are read.
    """

    def __init__(self, path: Path, delimiter: str, header: list[str]) -> None:
        self.path, self.delimiter, self.header = path, delimiter, header
        self.inner = 0
        """Number of unquoted fields that hold quotes."""
        self.places: list[str] = []
        """Positions of the first of these fields."""
        mark = re.escape(delimiter)
        field = rf'(?:"(?:[^"]|"")*"|[^"{mark}\r\n]*)'
        self._clean = re.compile(rf"{field}(?:{mark}{field})*[\r\n]*")
        self._blanks = re.compile("[ ]*" if delimiter == "\t" else "[ \t]*")
        self._open_line = 0
        """Line of the quote that is open; 0 outside of quotes."""
        self._column = 0

    def lines(self, numbered: Iterable[tuple[int, str]]) -> Iterator[str]:
        """Yields the lines, normalized.

        Raises:
            DataError: text follows a closing quote.
        """
        for number, line in numbered:
            if not self._open_line:
                self._column = 0
            if '"' not in line or (not self._open_line and self._clean.fullmatch(line)):
                yield line
            else:
                yield "".join(self._normalized(number, line))

    def notes(self) -> list[str]:
        """Returns a note about quotes that were read as text; empty if there were none."""
        if not self.inner:
            return []
        what = "fields without quotes around them hold quotes, which were read as part of the text"
        return [f"{self.path.name}: {what}: {self.inner} ({listing(self.places)})"]

    def _normalized(self, number: int, line: str) -> Iterator[str]:
        """Yields the pieces of a line with quotes, without the blanks around quoted fields.

        Raises:
            DataError: text follows a closing quote.
        """
        at = 0
        while True:
            if not self._open_line:
                start = self._skip_blanks(line, at)
                if not line.startswith('"', start):
                    end = line.find(self.delimiter, at)
                    field = line[at:] if end < 0 else line[at:end]
                    self._note_inner_quote(field, number)
                    if end < 0:
                        yield field
                        return
                    yield field + self.delimiter
                    at, self._column = end + 1, self._column + 1
                    continue
                yield '"'
                at, self._open_line = start + 1, number
            end = line.find('"', at)
            while end >= 0 and line.startswith('""', end):
                end = line.find('"', end + 2)
            if end < 0:
                yield line[at:]
                return
            yield line[at : end + 1]
            open_line, self._open_line = self._open_line, 0
            at = self._skip_blanks(line, end + 1)
            rest = line[at:]
            if not rest.strip("\r\n"):
                yield rest
                return
            if not rest.startswith(self.delimiter):
                raise self._text_after_quote(line, end, number, open_line)
            yield self.delimiter
            at, self._column = at + 1, self._column + 1

    def _skip_blanks(self, line: str, at: int) -> int:
        """Returns the position after the blanks that begin at `at`."""
        match = self._blanks.match(line, at)
        assert match is not None, "no blank matches, too"
        return match.end()

    def _note_inner_quote(self, field: str, number: int) -> None:
        if '"' in field:
            self.inner += 1
            if len(self.places) < MAX_EXAMPLES:
                self.places.append(f"line {number}, column {self._column_name()}")

    def _column_name(self) -> str:
        return self.header[self._column] if self._column < len(self.header) else str(self._column + 1)

    def _text_after_quote(self, line: str, end: int, number: int, open_line: int) -> DataError:
        fix = f"{FIX}; a field with a line break is quoted"
        if line[end - 1 : end] == "\\":
            fix = rf"""quotes inside are written twice, not with a backslash: sed 's/\\"/""/g' {self.path.name} > new.csv"""
        return DataError(
            "invalid CSV: text follows a closing quote",
            where=f"{self.path}:{open_line}",
            found=f"line {number}, column {self._column_name()}, character {end + 1}: "
            f"{line[max(0, end - 20) : end + 20].strip()}",
            fix=fix,
        )
