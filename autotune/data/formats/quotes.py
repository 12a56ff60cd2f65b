"""Quotes of CSV in places where the format does not want them: read as they are meant, or refused with their place.

Python's csv takes a quote for the beginning of a quoted field only where nothing comes before it; behind a blank it
becomes part of the text, and the delimiters after it cut the text into pieces.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from autotune.errors import DataError, listing

FIX = 'close the quote, delete it, or write it twice ("") inside a quoted field'
EXAMPLES = 5
"""So many places are named in a note."""


class Quotes:
    """Lines of a CSV file for Python's csv, without the blanks outside of quotes.

    Args:
        path: of the file, for messages.
        delimiter: one character.
        header: names of the columns, which may be filled in while lines are read.
    """

    def __init__(self, path: Path, delimiter: str, header: list[str]) -> None:
        self.path, self.delimiter, self.header = path, delimiter, header
        self.inner = 0
        """Fields without quotes around them that hold quotes."""
        self.places: list[str] = []
        """The first of these fields."""
        mark = re.escape(delimiter)
        field = rf'(?:"(?:[^"]|"")*"|[^"{mark}\r\n]*)'
        self._clean = re.compile(rf"{field}(?:{mark}{field})*[\r\n]*")
        self._blanks = re.compile("[ ]*" if delimiter == "\t" else "[ \t]*")
        self._opened = 0
        """The line with the open quote; 0 outside of quotes."""
        self._column = 0

    def lines(self, numbered: Iterable[tuple[int, str]]) -> Iterator[str]:
        """The lines, mended.

        Raises:
            DataError: text follows a closing quote.
        """
        for number, line in numbered:
            if not self._opened:
                self._column = 0
            if '"' not in line or (not self._opened and self._clean.fullmatch(line)):
                yield line
            else:
                yield "".join(self._pieces(number, line))

    def notes(self) -> list[str]:
        """What was read as text, in a sentence."""
        if not self.inner:
            return []
        what = "fields without quotes around them hold quotes, which were read as part of the text"
        return [f"{self.path.name}: {what}: {self.inner} ({listing(self.places)})"]

    def _pieces(self, number: int, line: str) -> Iterator[str]:
        """What is left of a line with quotes."""
        at = 0
        while True:
            if not self._opened:
                begin = self._blank(line, at)
                if not line.startswith('"', begin):
                    end = line.find(self.delimiter, at)
                    field = line[at:] if end < 0 else line[at:end]
                    self._see(field, number)
                    if end < 0:
                        yield field
                        return
                    yield field + self.delimiter
                    at, self._column = end + 1, self._column + 1
                    continue
                yield '"'
                at, self._opened = begin + 1, number
            end = line.find('"', at)
            while end >= 0 and line.startswith('""', end):
                end = line.find('"', end + 2)
            if end < 0:
                yield line[at:]
                return
            yield line[at : end + 1]
            opened, self._opened = self._opened, 0
            at = self._blank(line, end + 1)
            rest = line[at:]
            if not rest.strip("\r\n"):
                yield rest
                return
            if not rest.startswith(self.delimiter):
                raise self._text_behind(line, end, number, opened)
            yield self.delimiter
            at, self._column = at + 1, self._column + 1

    def _blank(self, line: str, at: int) -> int:
        """Where the blanks end that begin at a position."""
        found = self._blanks.match(line, at)
        assert found is not None, "no blank matches, too"
        return found.end()

    def _see(self, field: str, number: int) -> None:
        if '"' in field:
            self.inner += 1
            if len(self.places) < EXAMPLES:
                self.places.append(f"line {number}, column {self._name()}")

    def _name(self) -> str:
        return self.header[self._column] if self._column < len(self.header) else str(self._column + 1)

    def _text_behind(self, line: str, end: int, number: int, opened: int) -> DataError:
        fix = f"{FIX}; a field with a line break is quoted"
        if line[end - 1 : end] == "\\":
            fix = rf"""quotes inside are written twice, not with a backslash: sed 's/\\"/""/g' {self.path.name} > new.csv"""
        return DataError(
            "the row is no valid CSV: text follows a closing quote",
            where=f"{self.path}:{opened}",
            found=f"line {number}, column {self._name()}, character {end + 1}: "
            f"{line[max(0, end - 20) : end + 20].strip()}",
            fix=fix,
        )
