"""What a command writes for the user: looked at before the work, never over an input, in the form that its name says."""

import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from autotune.config.formats import WRITABLE, Form, form_of
from autotune.config.schema import DatasetConfig
from autotune.errors import ConfigError, DataError, listing, nearest, shell_words
from autotune.runtime.files import OUTPUT, atomic_write, deliver, own_descriptor
from autotune.runtime.os_errors import system_error
from autotune.runtime.streams import print_json

PREDICTIONS = (Form.jsonl, Form.json, Form.csv, Form.tsv, Form.xlsx, Form.parquet)
"""Forms of predictions."""
FLAT = (Form.csv, Form.tsv, Form.xlsx)
"""Forms whose cells hold one value each."""
ALL = "all"
"""All columns of the input."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """A file that may be written: nothing is lost by it, and its folder takes it."""

    path: Path
    form: Form
    special: bool = False
    """Whether it is a pipe or a device, which is written into."""

    def write_text(self, text: str) -> None:
        """Writes a text.

        Raises:
            DiskError: it cannot be written.
        """
        with atomic_write(self.path, elsewhere=OUTPUT) as file:
            file.write(text.encode("utf-8", "backslashreplace"))

    def write_rows(self, rows: Iterable[Row], scratch: Path) -> None:
        """Writes predictions in this form: as they come for JSONL, else when all are known.

        Args:
            rows: JSON objects.
            scratch: folder for what is known so far.

        Raises:
            DataError: the form cannot hold them; they are beside the target as JSONL.
            DiskError: they cannot be written.
        """
        if self.form is Form.jsonl:
            with atomic_write(self.path, elsewhere=OUTPUT) as file:
                file.writelines(_line(row) for row in rows)
            return
        spool = scratch / "predictions.jsonl"
        with spool.open("wb") as lines:
            lines.writelines(_line(row) for row in rows)
        written = scratch / f"made.{self.form}"
        try:
            _write_form(spool, written, self.form)
        except DataError as error:
            rescued = self.path.with_suffix(".jsonl")
            if not os.path.lexists(rescued):
                deliver(spool, rescued)
                fix = f"the predictions are in {rescued}; {error.fix or 'another form: --to jsonl'}"
                raise DataError(error.what, where=error.where, found=error.found, fix=fix) from error
            raise
        deliver(written, self.path)


def checked(
    target: str,
    *,
    inputs: Sequence[str | None],
    to: str | None = None,
    allowed: Sequence[Form] = tuple(Form),
    default: Form | None = None,
    force: bool = False,
    name: str = "-o",
) -> Output:
    """Looks, before any work, whether a file may be written.

    Args:
        target: as the user gave it.
        inputs: files and folders that are read.
        to: form, where the name does not say it.
        allowed: forms that there are.
        default: form of a name without a suffix, and of pipes and devices.
        force: whether a file that exists may be overwritten.
        name: of the argument, for messages.

    Raises:
        ConfigError: the name says another form or none; the target exists, is an input or a folder; its folder is missing.
        DataError: a library that writes the form is not installed.
        DiskError: its folder cannot be written.
    """
    path = Path(target).expanduser()
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        about = None
    except OSError as error:
        raise system_error(error, path, elsewhere=OUTPUT) from error
    special = _is_special(path, about)
    form = form_of(
        path if path.suffix.lower() in WRITABLE or not special else Path("special"), to, allowed, default
    )
    if form is Form.xlsx and find_spec("openpyxl") is None:
        raise DataError(
            "Excel files are written with openpyxl, which is not installed",
            where=target,
            fix="pip install 'autotune[xlsx]'",
        )
    if about is not None:
        if stat.S_ISDIR(about.st_mode):
            raise ConfigError(
                "there is a folder of this name", where=str(path), fix="another name, or a file in it"
            )
        refuse_input(path, inputs)
    if about is not None and not (special or force):
        raise ConfigError(
            "the output exists and is only overwritten with --force",
            where=str(path),
            fix="another name, or --force",
        )
    if special:
        return Output(path, form, special=True)
    real = Path(os.path.realpath(path))
    _refuse_folder(real.parent, path, name)
    return Output(real if path.is_symlink() else path, form)


def refuse_input(path: Path, inputs: Iterable[str | None]) -> None:
    """An input is never overwritten, by whatever name it is called, nor is a file inside of a folder that is read.

    Raises:
        ConfigError: it would be.
    """
    with suppress(OSError):
        about = path.stat()
        for input_path in filter(None, inputs):
            source = Path(input_path).expanduser()
            if _is_part(source, about):
                raise ConfigError(
                    "the output is the input, which is never overwritten",
                    where=str(path),
                    found=f"the input {input_path}",
                    fix="another name for the output",
                )


def inputs_of(dataset: DatasetConfig) -> list[str]:
    """The files and folders that a data set may be read from."""
    splits = dataset.splits
    files = [name for name in (splits.train, splits.validation, splits.test) if name]
    return [dataset.path, *files, *(str(Path(dataset.path, name)) for name in files)]


def refuse_stdout(inputs: Iterable[str | None]) -> None:
    """The same where standard output goes into a file, as with `>> rows.csv`.

    Raises:
        ConfigError: that file is an input.
    """
    if Path("/dev/fd/1").is_file():
        refuse_input(Path("/dev/fd/1"), inputs)


def print_rows(rows: Iterable[Row]) -> None:
    """Prints JSON objects, one a line."""
    for row in rows:
        print_json(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def kept(predictions: Iterable[Row], originals: Iterable[Row], wanted: Sequence[str]) -> Iterator[Row]:
    """Predictions with columns of the rows that they are for, behind their own.

    Args:
        predictions: one for each original, in order.
        originals: rows with the columns of the input.
        wanted: names, each perhaps several with commas between; `all` for those that predictions do not have.

    Raises:
        ConfigError: the input has no such column, or predictions have one of this name.
        DataError: there are more originals than predictions, or fewer.
    """
    names: list[str] | None = None
    for prediction, original in zip_longest(predictions, originals):
        if prediction is None or original is None:
            raise DataError(
                "the input and the predictions differ in their number of rows",
                where="--keep",
                fix="leave out --keep",
            )
        if names is None:
            names = _names(wanted, list(original), list(prediction))
        chosen = [name for name in original if name not in prediction] if names == [ALL] else names
        yield {**prediction, **{name: _plain(original.get(name)) for name in chosen}}


def _names(wanted: Sequence[str], columns: Sequence[str], own_columns: Sequence[str]) -> list[str]:
    """The columns to keep."""
    names: list[str] = []
    for name_list in wanted:
        names += (
            [name_list]
            if name_list in columns or name_list == ALL
            else [part.strip() for part in name_list.split(",")]
        )
    if ALL in names and ALL not in columns:
        return [ALL]
    for name in names:
        if name not in columns:
            near = nearest(name, columns)
            raise ConfigError(
                f"the input has no column {name!r}",
                where="--keep",
                found=f"columns: {listing(columns, 30)}",
                fix=shell_words(f"--keep={near}") if near else "--keep=all",
            )
        if name in own_columns:
            raise ConfigError(
                f"predictions have a column {name!r} of their own",
                where="--keep",
                found=f"columns of predictions: {listing(own_columns)}",
                fix="leave it out, or rename it in the input",
            )
    return names


def _plain(value: Any) -> Any:
    """A value of the input; NaN, which JSON does not have, is null."""
    return None if isinstance(value, float) and value != value else value


def _is_special(path: Path, about: os.stat_result | None) -> bool:
    """Whether it is written into: a pipe, a device, or a stream of this process, which may lead into a file."""
    if about is None:
        return False
    is_usual = stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)
    return not is_usual or own_descriptor(path) is not None


def _is_part(source: Path, about: os.stat_result) -> bool:
    """Whether a file is a source, or a file in its folder."""
    with suppress(OSError):
        if os.path.samestat(source.stat(), about):
            return True
        if source.is_dir():
            return any(os.path.samestat(one.stat(), about) for one in source.rglob("*") if one.is_file())
    return False


def _refuse_folder(folder: Path, path: Path, name: str) -> None:
    """A folder that is missing, or that a file cannot be written into.

    Raises:
        ConfigError: it is missing, or no folder.
        DiskError: no file can be made in it.
    """
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.access(folder, os.F_OK):
            found, fix = f"{folder}, which takes no files", f"{name} FILE in another folder"
        else:
            found, fix = f"{folder} does not exist", f"mkdir -p {shell_words(folder)}"
        raise ConfigError(
            "the folder of the output is missing, or takes no files", where=str(path), found=found, fix=fix
        ) from error
    except OSError as error:
        raise system_error(error, path, elsewhere=OUTPUT) from error


def _line(row: Row) -> bytes:
    return (json.dumps(row, ensure_ascii=False, default=str) + "\n").encode("utf-8", "backslashreplace")


def _write_form(spool: Path, made: Path, form: Form) -> None:
    if form is Form.parquet:
        _parquet(spool, made)
        return
    from autotune.data.formats.writers import WRITERS

    WRITERS[form](Table(spool, flat=form in FLAT), made)


class Table:
    """Rows of a file of JSON lines, all with the same columns.

    Args:
        spool: the file.
        flat: whether what a row holds as an object becomes columns: `probabilities.bom`.
    """

    def __init__(self, spool: Path, *, flat: bool) -> None:
        self._spool, self._flat = spool, flat
        self._count = 0
        names: dict[str, None] = {}
        for row in self._rows():
            names |= dict.fromkeys(row)
            self._count += 1
        self.column_names = list(names)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows():
            yield {name: row.get(name) for name in self.column_names} if self._flat else row

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self._spool.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield dict(_flattened(row)) if self._flat else row


def _flattened(row: Row, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _parquet(spool: Path, made: Path) -> None:
    """Writes Parquet in batches; a type that the first rows do not show is that of later ones.

    Raises:
        DataError: a column holds values of several types.
    """
    import pyarrow as pa
    from pyarrow import parquet

    from autotune.data.cache import BATCH

    table = Table(spool, flat=False)

    def batches() -> Iterator[list[dict[str, Any]]]:
        rows = ({name: row.get(name) for name in table.column_names} for row in table)
        while batch := list(islice(rows, BATCH)):
            yield batch

    try:
        schemas = [pa.Table.from_pylist(batch).schema for batch in batches()]
        schema = pa.unify_schemas(schemas, promote_options="permissive")
        with parquet.ParquetWriter(made, schema) as writer:
            for batch in batches():
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(
            "Parquet holds values of one type in a column, and these are of several",
            found=str(error).partition("\n")[0],
            fix="--to jsonl",
        ) from error
