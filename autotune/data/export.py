"""Writes canonical rows to local files that the readers read back as the same rows.

The output is read back and compared before it is moved to the target, so nothing is lost silently: a row that the form
cannot hold raises an error.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict

from autotune.config.column_names import ColumnsConfig
from autotune.config.columns import Column, Kind
from autotune.config.enums import Format, Normalize, TagScheme
from autotune.config.formats import WRITABLE, Form
from autotune.config.schema import DatasetConfig
from autotune.data.formats import writers
from autotune.data.sources import load_file
from autotune.data.words import entities
from autotune.errors import ConfigError, DataError, listing, shell_words
from autotune.runtime.files import OUTPUT, deliver, disk_errors, scratch

FOLDER_FORMS = (Form.arrow, Form.brat)
"""Forms that are written as a folder even for one split."""
WORD_FORMS = (Form.conll, Form.spans, Form.brat)
"""Forms that hold only words with tags."""
SPANS_SUFFIX = ".jsonl"


def export(
    splits: Mapping[str, Dataset],
    columns: Sequence[Column],
    target: Path,
    form: Form,
    *,
    overwrite: bool = False,
    special: bool = False,
) -> list[str]:
    """Writes the rows and returns notes on what the form does not hold.

    A target with a known suffix is one file with one split; any other target is a folder with one file per split. For
    `arrow` the folder is that of `save_to_disk`, for `brat` it contains the documents, with one subfolder per split if
    there are several.

    Args:
        splits: rows with canonical columns.
        columns: columns of the task.
        target: path that does not exist yet or may be overwritten.
        form: from `form_of`.
        overwrite: whether an existing file is replaced.
        special: whether the target is a pipe or a device.

    Raises:
        ConfigError: the target exists and may not be overwritten, or is one file but would have to be a folder, or the
            form does not fit the task.
        DataError: the form cannot hold a row.
        DiskError: the target cannot be written.
    """
    one_file = target.suffix.lower() in WRITABLE
    if not overwrite:
        refuse_existing(target)
    one_file = one_file or special
    _check_target(splits, columns, target, form, one_file=one_file)
    notes: list[str] = []
    with disk_errors(target, elsewhere=OUTPUT):
        # In the folder of the target, because a rename works only within one file system; a pipe or a device is copied to.
        scratch_parent = None if special else target.parent
        with tempfile.TemporaryDirectory(dir=scratch_parent, prefix=f".{target.name}.") as scratch:
            output = Path(scratch) / target.name
            is_single_path = one_file or (form in FOLDER_FORMS and len(splits) == 1)
            for split, rows in splits.items():
                path = output if is_single_path else output / f"{split}{_suffix(form)}"
                path.parent.mkdir(exist_ok=True)
                notes += _write_split(rows, columns, path, form, split)
            if form is Form.arrow and not is_single_path:
                output = Path(scratch) / "saved"
                DatasetDict(
                    {split: _columns_to_write(rows, columns, form) for split, rows in splits.items()}
                ).save_to_disk(output)
            if special:
                deliver(output, target)
            else:
                os.replace(output, os.path.realpath(target))
    return notes


def _check_target(
    splits: Mapping[str, Dataset], columns: Sequence[Column], target: Path, form: Form, *, one_file: bool
) -> None:
    """Raises ConfigError if target, form and task do not fit together; called before anything is written."""
    if target.exists() and (form in FOLDER_FORMS or not one_file):
        raise ConfigError(
            f"{form} would be a folder, and there is a file of this name",
            where=str(target),
            fix="another name",
        )
    if one_file and len(splits) > 1:
        raise ConfigError(
            f"there are {len(splits)} splits, and the target is one file",
            where=str(target),
            found=listing(f"{split} {len(rows)} rows" for split, rows in splits.items()),
            fix=f"a folder: {shell_words(target.with_suffix(''))} --to {form}; or one split: "
            "dataset.splits.validation=null dataset.splits.test=null",
        )
    roles = [column.role for column in columns if _is_held(column, splits)]
    if form is Form.fasttext and roles != ["text", "label"]:
        raise ConfigError(
            "fasttext holds texts with a class, and the task has other columns",
            where=str(target),
            found=f"columns: {listing(roles)}",
            fix="--to jsonl, csv, parquet, arrow or xlsx",
        )
    if form in WORD_FORMS and not any(column.kind is Kind.words for column in columns):
        raise ConfigError(
            f"{form} holds words with tags, and the task has none",
            where=str(target),
            found=f"columns: {listing(column.role for column in columns)}",
            fix="--to jsonl, csv, parquet, arrow or xlsx",
        )


def _is_held(column: Column, splits: Mapping[str, Dataset]) -> bool:
    return not column.optional or any(column.role in rows.column_names for rows in splits.values())


def refuse_existing(target: Path) -> None:
    """Refuses to overwrite a target.

    Raises:
        ConfigError: the target exists.
    """
    if os.path.lexists(target):  # also for a broken link
        raise ConfigError(
            "the target exists, and nothing is overwritten",
            where=str(target),
            fix="another name, or delete it",
        )


def _suffix(form: Form) -> str:
    if form in FOLDER_FORMS:
        return ""
    return SPANS_SUFFIX if form is Form.spans else f".{form}"


def _write_split(rows: Dataset, columns: Sequence[Column], path: Path, form: Form, split: str) -> list[str]:
    """Writes one split, verifies it and returns notes on what the form does not hold."""
    kept = _columns_to_write(rows, columns, form)
    if form is Form.arrow:
        kept.save_to_disk(path)
    elif form is Form.parquet:
        kept.to_parquet(path)
    else:
        writers.WRITERS[form](kept, path)
    notes, compared = _lost_information(rows, columns, form)
    _verify(path, form, rows, columns, compared)
    return [f"{split}: {note}" for note in notes]


def _columns_to_write(rows: Dataset, columns: Sequence[Column], form: Form) -> Dataset:
    """Selects the columns to write: text and starts of words only if they do not follow from the words."""
    names = ["id", *(column.role for column in columns), "text", "starts", "group"]
    names = [name for name in dict.fromkeys(names) if name in rows.column_names]
    if "starts" in names and form not in WORD_FORMS and _has_plain_text(rows):
        names = [name for name in names if name not in ("text", "starts")]
    return rows.select_columns(names)


def _has_plain_text(rows: Dataset) -> bool:
    """Whether every text consists of its words with one blank between them."""
    return all(row["text"] == " ".join(row["tokens"]) for row in rows.select_columns(["text", "tokens"]))


def _lost_information(rows: Dataset, columns: Sequence[Column], form: Form) -> tuple[list[str], list[str]]:
    """Returns sentences on what the form does not hold, and the columns that it holds."""
    roles = [column.role for column in columns if column.role in rows.column_names]
    if form is Form.conll:
        notes = []
        if list(rows["id"]) != [str(number) for number in range(len(rows))]:
            notes.append("CoNLL holds no ids, so rows are numbered from 0")
        if not _has_plain_text(rows):
            notes.append("CoNLL holds words and tags, not the text between them; --to spans does")
        return notes, roles
    if form is Form.brat:
        has_own_words = any(row["tokens"] != writers.default_words(row) for row in rows)
        return [
            "brat holds no words, so texts are split as usual; --to spans keeps yours"
        ] if has_own_words else [], [
            "id",
            "text",
            "spans",
        ]
    if form is Form.fasttext:
        has_own_ids = list(rows["id"]) != [str(number) for number in range(len(rows))]
        return ["fastText holds no ids, so rows are numbered from 0"] if has_own_ids else [], roles
    words = ["text", "starts"] if "starts" in rows.column_names else []
    return [], ["id", *roles, *words]


def _verify(
    path: Path, form: Form, rows: Dataset, columns: Sequence[Column], compared: Sequence[str]
) -> None:
    """Reads a written split back and compares it with the rows.

    Raises:
        DataError: they differ.
    """
    fix = "--to jsonl, parquet or arrow, which hold every text" + ("; or spans" if form in WORD_FORMS else "")
    names = ColumnsConfig()
    for column in columns:
        if column.optional and column.role in rows.column_names:
            setattr(names, column.role, column.role)
    config = DatasetConfig(
        path=str(path),
        columns=names,
        format=Format.csv if form is Form.tsv else Format(form),
        encoding="utf-8",
        delimiter={Form.csv: ",", Form.tsv: "\t"}.get(form),
        tag_scheme=TagScheme.iob2,
        normalize=Normalize.none,
    )
    with scratch() as cache:
        try:
            restored_rows = load_file(str(path), config, columns, cache=Path(cache))
        except DataError as error:
            raise DataError(
                f"{form} cannot hold these rows: {error.what}", where=error.where, found=error.found, fix=fix
            ) from error
        number = -1
        for number, (original, restored) in enumerate(
            zip(_in_reading_order(rows, form), restored_rows, strict=False)
        ):
            for name in compared:
                expected, actual = _comparable(original, name), _comparable(restored, name)
                if expected != actual:
                    raise DataError(
                        f"{form} cannot hold this {name}",
                        where=f"row {number} (id {original['id']})",
                        found=f"{str(expected)[:120]!r}, read back as {str(actual)[:120]!r}",
                        fix=fix,
                    )
        if not len(restored_rows) == len(rows) == number + 1:
            raise DataError(
                f"{form} cannot hold these rows",
                where=str(path.name),
                found=f"{len(rows)} rows, read back as {len(restored_rows)}",
                fix=fix,
            )


def _in_reading_order(rows: Dataset, form: Form) -> Any:
    """Returns the rows in the order in which they are read back: brat documents are sorted by name."""
    if form is not Form.brat:
        return rows
    order = sorted(range(len(rows)), key=lambda number: writers.natural_key(rows[number]["id"]))
    return (rows[number] for number in order)


def _comparable(row: Mapping[str, Any], name: str) -> Any:
    """Returns the value to compare; for `spans`, entities by offsets, independent of how the text is split into words."""
    if name != "spans":
        return row.get(name)
    if row.get("tags") is None:
        return None
    return [
        (row["starts"][first], row["starts"][last - 1] + len(row["tokens"][last - 1]), label)
        for label, first, last in entities(row["tags"])
    ]
