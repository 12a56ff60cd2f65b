"""Canonical rows to local files that the doors read back as the same rows.

What was written is read back and compared before it takes its place, so that nothing is lost in silence: a form
that cannot hold a row refuses it.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict

from autotune.config.columns import Column, Kind
from autotune.config.enums import Format, Normalize, TagScheme
from autotune.config.schema import DatasetConfig
from autotune.data.formats import writers
from autotune.data.formats.forms import SUFFIXES, Form
from autotune.data.sources import load_file
from autotune.data.words import entities
from autotune.errors import ConfigError, DataError, listing, shell_words
from autotune.runtime.files import OUTPUT, deliver, disk_errors, scratch

FOLDERS = (Form.arrow, Form.brat)
"""Forms that are a folder even for one split."""
OF_WORDS = (Form.conll, Form.spans, Form.brat)
"""Forms that hold words with tags and nothing else."""
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
    """Writes the rows; says what the form does not hold.

    A target whose name has a suffix is one file with the one split; else it is a folder with a file a split,
    for `arrow` what `save_to_disk` writes, for `brat` one with documents, in subfolders where there are several
    splits.

    Args:
        splits: rows with canonical columns.
        columns: of the task.
        target: does not exist yet, or may be overwritten.
        form: from `form_of`.
        overwrite: whether a file that exists is replaced.
        special: whether the target is a pipe or a device.

    Raises:
        ConfigError: the target exists and may not be overwritten, or is one file and would have to be a folder, or the
            form is not for this task.
        DataError: the form cannot hold a row.
        DiskError: it cannot be written.
    """
    one_file = target.suffix.lower() in SUFFIXES
    if not overwrite:
        refuse_existing(target)
    one_file = one_file or special
    _refuse(splits, columns, target, form, one_file=one_file)
    notes: list[str] = []
    with disk_errors(target, elsewhere=OUTPUT):
        # Beside the target, so that it can be renamed; what is no file has no room beside it.
        beside = None if special else target.parent
        with tempfile.TemporaryDirectory(dir=beside, prefix=f".{target.name}.") as scratch:
            made = Path(scratch) / target.name
            alone = one_file or (form in FOLDERS and len(splits) == 1)
            for split, rows in splits.items():
                path = made if alone else made / f"{split}{_suffix(form)}"
                path.parent.mkdir(exist_ok=True)
                notes += _written(rows, columns, path, form, split)
            if form is Form.arrow and not alone:
                made = Path(scratch) / "saved"
                DatasetDict(
                    {split: _kept(rows, columns, form) for split, rows in splits.items()}
                ).save_to_disk(made)
            if special:
                deliver(made, target)
            else:
                os.replace(made, os.path.realpath(target))
    return notes


def _refuse(
    splits: Mapping[str, Dataset], columns: Sequence[Column], target: Path, form: Form, *, one_file: bool
) -> None:
    """What is wrong before anything is written."""
    if target.exists() and (form in FOLDERS or not one_file):
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
    if form is Form.fasttext and [column.role for column in columns] != ["text", "label"]:
        raise ConfigError(
            "fasttext holds texts with a class, and the task has other columns",
            where=str(target),
            found=f"columns: {listing(column.role for column in columns)}",
            fix="--to jsonl, csv, parquet, arrow or xlsx",
        )
    if form in OF_WORDS and not any(column.kind is Kind.words for column in columns):
        raise ConfigError(
            f"{form} holds words with tags, and the task has none",
            where=str(target),
            found=f"columns: {listing(column.role for column in columns)}",
            fix="--to jsonl, csv, parquet, arrow or xlsx",
        )


def refuse_existing(target: Path) -> None:
    """Nothing is overwritten.

    Raises:
        ConfigError: the target exists.
    """
    if os.path.lexists(target):  # a link that leads nowhere, too
        raise ConfigError(
            "the target exists, and nothing is overwritten",
            where=str(target),
            fix="another name, or delete it",
        )


def _suffix(form: Form) -> str:
    if form in FOLDERS:
        return ""
    return SPANS_SUFFIX if form is Form.spans else f".{form}"


def _written(rows: Dataset, columns: Sequence[Column], path: Path, form: Form, split: str) -> list[str]:
    """Writes one split and reads it back; says what the form does not hold."""
    kept = _kept(rows, columns, form)
    if form is Form.arrow:
        kept.save_to_disk(path)
    elif form is Form.parquet:
        kept.to_parquet(path)
    else:
        writers.WRITERS[form](kept, path)
    notes, compared = _lost(rows, columns, form)
    _prove(path, form, rows, columns, compared)
    return [f"{split}: {note}" for note in notes]


def _kept(rows: Dataset, columns: Sequence[Column], form: Form) -> Dataset:
    """The columns that are written: text and starts of words only where the words alone do not say them."""
    names = ["id", *(column.role for column in columns), "text", "starts", "group"]
    names = [name for name in dict.fromkeys(names) if name in rows.column_names]
    if "starts" in names and form not in OF_WORDS and _plain(rows):
        names = [name for name in names if name not in ("text", "starts")]
    return rows.select_columns(names)


def _plain(rows: Dataset) -> bool:
    """Whether every text is its words with one blank between them."""
    return all(row["text"] == " ".join(row["tokens"]) for row in rows.select_columns(["text", "tokens"]))


def _lost(rows: Dataset, columns: Sequence[Column], form: Form) -> tuple[list[str], list[str]]:
    """What the form does not hold, in sentences, and the columns that it does."""
    roles = [column.role for column in columns if column.role in rows.column_names]
    if form is Form.conll:
        notes = []
        if list(rows["id"]) != [str(number) for number in range(len(rows))]:
            notes.append("CoNLL holds no ids, so rows are numbered from 0")
        if not _plain(rows):
            notes.append("CoNLL holds words and tags, not the text between them; --to spans does")
        return notes, roles
    if form is Form.brat:
        own = any(row["tokens"] != writers.default_words(row) for row in rows)
        return ["brat holds no words, so texts are parted as usual; --to spans keeps yours"] if own else [], [
            "id",
            "text",
            "spans",
        ]
    if form is Form.fasttext:
        own = list(rows["id"]) != [str(number) for number in range(len(rows))]
        return ["fastText holds no ids, so rows are numbered from 0"] if own else [], roles
    words = ["text", "starts"] if "starts" in rows.column_names else []
    return [], ["id", *roles, *words]


def _prove(path: Path, form: Form, rows: Dataset, columns: Sequence[Column], compared: Sequence[str]) -> None:
    """Reads what was written and compares.

    Raises:
        DataError: it is not what was to be written.
    """
    fix = "--to jsonl, parquet or arrow, which hold every text" + ("; or spans" if form in OF_WORDS else "")
    config = DatasetConfig(
        path=str(path),
        format=Format.csv if form is Form.tsv else Format(form),
        encoding="utf-8",
        delimiter={Form.csv: ",", Form.tsv: "\t"}.get(form),
        tag_scheme=TagScheme.iob2,
        normalize=Normalize.none,
    )
    with scratch() as cache:
        try:
            read = load_file(str(path), config, columns, cache=Path(cache))
        except DataError as error:
            raise DataError(
                f"{form} cannot hold these rows: {error.what}", where=error.where, found=error.found, fix=fix
            ) from error
        number = -1
        for number, (own, other) in enumerate(zip(_in_order(rows, form), read, strict=False)):
            for name in compared:
                if _value(own, name) != _value(other, name):
                    raise DataError(
                        f"{form} cannot hold this {name}",
                        where=f"row {number} (id {own['id']})",
                        found=f"{str(_value(own, name))[:120]!r}, read back as {str(_value(other, name))[:120]!r}",
                        fix=fix,
                    )
        if not len(read) == len(rows) == number + 1:
            raise DataError(
                f"{form} cannot hold these rows",
                where=str(path.name),
                found=f"{len(rows)} rows, read back as {len(read)}",
                fix=fix,
            )


def _in_order(rows: Dataset, form: Form) -> Any:
    """Rows in the order in which they are read back: documents of brat by name."""
    if form is not Form.brat:
        return rows
    order = sorted(range(len(rows)), key=lambda number: writers.natural_key(rows[number]["id"]))
    return (rows[number] for number in order)


def _value(row: Mapping[str, Any], name: str) -> Any:
    """What is compared; `spans` stands for entities by offsets, however the text is parted."""
    if name != "spans":
        return row.get(name)
    if row.get("tags") is None:
        return None
    return [
        (row["starts"][first], row["starts"][last - 1] + len(row["tokens"][last - 1]), label)
        for label, first, last in entities(row["tags"])
    ]
