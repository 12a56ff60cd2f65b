"""Excel workbooks (.xlsx): the first sheet with rows; its first row is the header."""

import datetime
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from autotune.config.schema import DatasetConfig
from autotune.errors import AutotuneError, DataError, listing
from autotune.runtime.library_errors import library_errors, message_of
from autotune.runtime.os_errors import is_refusal, system_error

CARRIAGE_RETURN = "_x000D_"
"""A carriage return as Excel writes it, because XML does not preserve it."""
MAX_UNPACKED_BYTES, MAX_COMPRESSION_RATIO = 100_000_000, 100
"""A workbook that unpacks to more than this many bytes and more than this many times its size counts as a zip bomb; text
is compressed some five to ten times."""
SAVE_AS_CSV = "save it as CSV UTF-8 and give that file"


def read_sheet(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yields rows as text, numbers and booleans; formulas as the value that Excel last showed; skips empty rows.

    Columns without a name and values are left out; without a header, columns are called 0, 1, 2 ….

    Raises:
        DataError: openpyxl is not installed, the file is not a workbook or has no rows, a column without a name has
            values, two columns have the same name, or a cell holds an error such as #N/A.
    """
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise DataError(
            "Excel files are read with openpyxl, which is not installed",
            where=str(path),
            fix=f"pip install 'autotune[xlsx]', or {SAVE_AS_CSV}",
        ) from error
    with library_errors(partial(_damaged, path)):
        _reject_zip_bombs(path)
        # openpyxl leaves a file open where it fails, so we open and close it.
        with path.open("rb") as file:
            book = load_workbook(file, read_only=True, data_only=True)
            try:
                sheets = [sheet for sheet in book.worksheets if _has_values(sheet)]
                if not sheets:
                    raise DataError(
                        "the workbook has no rows", where=str(path), fix="a header and one row below it"
                    )
                if len(book.worksheets) > 1:
                    others = listing(sheet.title for sheet in book.worksheets if sheet is not sheets[0])
                    notes.append(f"{path.name}: the sheet {sheets[0].title!r} was read; not read: {others}")
                yield from _rows(sheets[0], path, config, notes)
            finally:
                book.close()


def _reject_zip_bombs(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        # By the archive's own directory, before openpyxl unpacks anything.
        unpacked = sum(part.file_size for part in archive.infolist())
    packed = path.stat().st_size
    if unpacked > max(MAX_UNPACKED_BYTES, MAX_COMPRESSION_RATIO * packed):
        raise DataError(
            "the workbook would unpack to far more than a table has",
            where=str(path),
            found=f"{unpacked / 1e6:,.0f} MB in a file of {packed / 1e6:.1f} MB",
            fix=f"{SAVE_AS_CSV}, if you know where it comes from",
        )


def _has_values(sheet: Any) -> bool:
    """Returns whether a sheet has a cell with a value."""
    sheet.reset_dimensions()  # the size that the file declares may be wrong, and openpyxl would cut rows off
    return any(cell is not None for row in sheet.iter_rows(values_only=True) for cell in row)


def _rows(sheet: Any, path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[dict[str, Any]]:
    where = f"{path}, sheet {sheet.title!r}"
    header: list[str] = []
    has_row_numbers = False
    for number, cells in enumerate(sheet.iter_rows(), 1):
        values = [_value(cell, f"{where}, row {number}") for cell in cells]
        while values and values[-1] is None:
            values.pop()
        if not values:
            continue
        if not header:
            header = (
                _header(values, f"{where}, row {number}")
                if config.header
                else list(map(str, range(len(cells))))
            )
            if config.header:
                continue
        values += [None] * (len(header) - len(values))
        _reject_nameless(header, values, f"{where}, row {number}")
        has_row_numbers = has_row_numbers or (not header[0] and values[0] is not None)
        yield {name: value for name, value in zip(header, values, strict=True) if name}
    if has_row_numbers:
        notes.append(f"{path.name}: the column A has no name and was not read")


def _reject_nameless(header: Sequence[str], values: Sequence[Any], where: str) -> None:
    """Rejects a value in a column without a name, except in the first, where pandas writes row numbers.

    Raises:
        DataError: there is such a value.
    """
    names = [*header, *[""] * (len(values) - len(header))]
    column = next((at for at, value in enumerate(values) if at and value is not None and not names[at]), None)
    if column is not None:
        raise DataError(
            f"the column {_column_letters(column)} has no name",
            where=where,
            found=repr(values[column])[:80],
            fix="give it a name in the header, or delete it: merged cells and titles above the header leave columns "
            "without one; dataset.header=false where there is no header",
        )


def _header(values: Sequence[Any], where: str) -> list[str]:
    """Returns the names of the columns, "" for a column without one.

    Raises:
        DataError: two columns have the same name.
    """
    names = [unicodedata.normalize("NFC", "" if value is None else str(value)).strip() for value in values]
    duplicates = sorted({name for name in names if name and names.count(name) > 1})
    if duplicates:
        raise DataError(
            f"columns with the same name: {listing(map(repr, duplicates))}", where=where, fix="rename one"
        )
    return names


def _value(cell: Any, where: str) -> Any:
    """Returns the value of a cell as text, number, boolean or None; whole numbers as integers, dates in ISO 8601.

    Raises:
        DataError: the cell holds an error such as #N/A.
    """
    value = cell.value
    if value is not None and cell.data_type == "e":
        raise DataError(
            f"the cell {_column_letters(cell.column - 1)} holds the error {value}",
            where=where,
            fix="correct its formula, or type the value in its place",
        )
    if isinstance(value, str):
        return value.replace(CARRIAGE_RETURN, "\r")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value if value is None or isinstance(value, int | float) else str(value)


def _column_letters(index: int) -> str:
    """Returns Excel's name of a column: A, B, …, Z, AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _damaged(path: Path, error: BaseException) -> AutotuneError:
    if isinstance(error, OSError) and is_refusal(error):
        return system_error(error, path, doing="read", elsewhere="dataset.path=FILE")
    return DataError(
        "the file is not a readable Excel workbook (.xlsx)",
        where=str(path),
        found=message_of(error),
        fix=f"{SAVE_AS_CSV}; or copy it again, if it was cut off",
    )
