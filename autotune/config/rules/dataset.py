"""Rules for the data: where they are, their format, and how much of them is read."""

import re
from collections.abc import Iterator
from pathlib import Path

from omegaconf import MISSING

from autotune import registry
from autotune.config.columns import Kind
from autotune.config.compression import suffix_of
from autotune.config.enums import Format
from autotune.config.formats import BINARY, FOLDERS, READABLE, refusal
from autotune.config.rules.addresses import URL, hub_address
from autotune.config.schema import DatasetConfig, RunConfig
from autotune.config.split_spec import FILE_NAME, SPLITS, parse_split
from autotune.errors import AutotuneError, ConfigError, format_override, listing, nearest

NO_DELIMITER = (*BINARY, *FOLDERS, Format.json, Format.jsonl, Format.spans, Format.fasttext)


def path(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that there is a path to the data, and that it is neither a web address nor an unsupported file."""
    data = config.dataset
    if data.path == MISSING or not data.path.strip():
        yield ConfigError(
            "no data set is given",
            where="dataset.path",
            found=repr(data.path) if data.path != MISSING else None,
            fix="dataset.path=FILE, a folder, or with dataset=hub a Hub id; dataset=sample to try things out",
        )
        return
    files = {"dataset.path": data.path} | {
        f"dataset.splits.{split}": part.name
        for split in SPLITS
        for part in parse_split(getattr(data.splits, split))
    }
    for key, name in files.items():
        yield from _address(key, name)
        if key != "dataset.path" or data.format is not Format.hub:
            yield from _unreadable(key, name)
        yield from _format_and_suffix(key, name, data.format)


def _address(key: str, value: str) -> Iterator[AutotuneError]:
    page = hub_address(value)
    if page is not None and key == "dataset.path":
        yield ConfigError(
            "this is the address of a page; a data set of the Hub is named by its id",
            where=key,
            found=value,
            fix=format_override("dataset.path", page.id),
        )
    elif value.startswith("file://"):
        yield ConfigError(
            "a local file is named by its path, not by an address",
            where=key,
            found=value,
            fix=format_override(key, value.removeprefix("file://")),
        )
    elif URL.match(value):
        file_name = Path(value.partition("?")[0]).name or "FILE"
        yield ConfigError(
            "data are not read from web addresses, so that a run can be repeated",
            where=key,
            found=value,
            fix=f"download it, then {format_override(key, file_name)}",
        )


def _unreadable(key: str, value: str) -> Iterator[AutotuneError]:
    reason = None if URL.match(value) else refusal(Path(value))
    if reason is not None:
        replacement = str(Path(value).with_suffix("")).removesuffix(".tar") + reason.suffix
        yield ConfigError(
            reason.what, where=key, found=value, fix=f"{reason.fix}, then {format_override(key, replacement)}"
        )


def _format_and_suffix(key: str, value: str, format_: Format) -> Iterator[AutotuneError]:
    """Checks a binary format against the suffix of the file; text may have any suffix."""
    format_of_suffix = READABLE.get(suffix_of(Path(value)))
    if (
        format_of_suffix is None
        or URL.match(value)
        or format_ in (Format.auto, Format.hub, *FOLDERS, format_of_suffix)
    ):
        return
    if format_ is Format.spans and format_of_suffix is not Format.xlsx:
        return
    if format_of_suffix in BINARY or format_ in BINARY:
        yield ConfigError(
            f"the name says {format_of_suffix}, the format {format_}",
            where="dataset.format",
            found=f"dataset.format={format_} and {key}={value}",
            fix=f"dataset.format={format_of_suffix}",
        )


def task_matches_dataset(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the data set was made for the task."""
    data = config.dataset
    if not registry.shares_data(config.task.name, data.task):
        yield ConfigError(
            f"these data are made for task={data.task}",
            where="task",
            found=f"task={config.task.name} with {data.path}",
            fix=f"{format_override('task', data.task)}, or another dataset",
        )


def hub_keys(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that keys of the Hub are only set for data of the Hub, and that each of `data_files` belongs to a split."""
    data = config.dataset
    is_local = data.path.startswith(("/", "./", "../", "~", "sample/")) or READABLE.get(
        suffix_of(Path(data.path))
    )
    if data.format not in (Format.auto, Format.hub) or (data.format is Format.auto and is_local):
        yield from only_hub(data, "these keys are for Hub data sets, and the data are local")
        return
    used = {name for split in SPLITS for name in _split_names(data, split)}
    files = data.data_files
    if data.task is not None:  # The files of a shipped data set are ignored when its path is a folder.
        return
    if not files.keys() <= used:
        targets = {key: key if key in used else nearest(key, used - files.keys()) for key in files}
        yield ConfigError(
            "files are named for splits that the run does not use",
            where="dataset.data_files",
            found=f"{listing(files)}; the run uses {listing(sorted(used))}",
            fix=format_override(
                "dataset.data_files", {key: files[old] for old, key in targets.items() if key}
            ),
        )
    elif files and not any(
        part.name in files or FILE_NAME.search(part.name) for part in parse_split(data.splits.train)
    ):
        yield ConfigError(
            "files are named, and none of them is for train",
            where="dataset.data_files",
            found=str(files),
            fix=format_override("dataset.data_files", {data.splits.train: "FILE", **files}),
        )


def _split_names(data: DatasetConfig, split: str) -> set[str]:
    names = {part.name for part in parse_split(getattr(data.splits, split))}
    return names | {"valid", "val", "dev"} if "validation" in names else names


def only_hub(data: DatasetConfig, what: str) -> Iterator[AutotuneError]:
    """Refuses keys that only data of the Hub have; those from the YAML file of a data set are ignored."""
    hub_values = {"revision": data.revision, "name": data.name, "data_files": data.data_files}
    values_set = {key: value for key, value in hub_values.items() if value}
    if values_set and data.task is None:
        yield ConfigError(
            what,
            where=", ".join(f"dataset.{key}" for key in values_set),
            found=f"{', '.join(f'{key}={value}' for key, value in values_set.items())} with {data.path}",
            fix=" ".join(
                format_override(f"dataset.{key}", {} if key == "data_files" else None) for key in values_set
            ),
        )


def format_options(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that delimiter, encoding, header and column numbers are only set for formats that have them."""
    data, data_format = config.dataset, _format_of(config.dataset)
    if data.delimiter is not None:
        problem = None
        if data.delimiter == "" or re.search(r"[\r\n]", data.delimiter):
            problem = "a delimiter cannot be empty or a line break"
        elif data_format in NO_DELIMITER:
            problem = f"{data_format} data have no delimiter"
        elif data_format is Format.csv and (
            len(data.delimiter.replace("\\t", "\t")) != 1 or data.delimiter == '"'
        ):
            problem = "a CSV delimiter is one character and not a quote"
        if problem:
            yield ConfigError(
                problem, where="dataset.delimiter", found=repr(data.delimiter), fix="dataset.delimiter=null"
            )
    if data.encoding is not None:
        try:
            "".encode(data.encoding)
            problem = (
                f"{data_format} data are not text, so they have no encoding"
                if data_format in BINARY
                else None
            )
        except (LookupError, ValueError):
            problem = "unknown encoding"
        if problem:
            yield ConfigError(
                problem, where="dataset.encoding", found=data.encoding, fix="dataset.encoding=null"
            )
    if not data.header and data_format not in (None, Format.csv, Format.xlsx):
        yield ConfigError(
            f"{data_format} data have no header",
            where="dataset.header",
            found="false",
            fix="dataset.header=true",
        )
    if data.format in (Format.auto, Format.hub, Format.conll):
        return
    for key, default in (("token_column", 0), ("tag_column", -1)):
        number = getattr(data, key)
        if number != default:
            yield ConfigError(
                f"columns are numbered only in CoNLL files, but the format is {data.format}",
                where=f"dataset.{key}",
                found=str(number),
                fix=f"dataset.{key}={default}; columns with names: dataset.columns.tags=NAME",
            )


def _format_of(data: DatasetConfig) -> Format | None:
    """Returns the format of all files, or None if the configuration does not determine it."""
    if data.format is not Format.auto:
        return data.format
    names = [name for split in SPLITS for name in _split_names(data, split)]
    return None if any(map(FILE_NAME.search, names)) else READABLE.get(suffix_of(Path(data.path)))


def row_counts(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that rows are left to train on, and that training on a stream has an end."""
    data = config.dataset
    if data.validation_fraction + data.test_fraction >= 1:
        yield ConfigError(
            "validation and test would take all rows",
            where="dataset.validation_fraction, dataset.test_fraction",
            found=f"{data.validation_fraction} + {data.test_fraction}",
            fix="dataset.validation_fraction=0.1 dataset.test_fraction=0.1",
        )
    kinds = {column.kind for column in registry.task(config.task.name).columns}
    classes = max(2, len(data.labels or ()))
    if Kind.label in kinds and data.limit is not None and data.limit < classes and not data.streaming:
        yield ConfigError(
            f"{data.limit} rows are too few for {classes} classes",
            where="dataset.limit",
            found=str(data.limit),
            fix=f"dataset.limit={max(100, 10 * classes)}",
        )
    if data.streaming and config.trainer.max_steps is None:
        yield ConfigError(
            "the number of streamed rows is unknown, so the number of steps must be set",
            where="trainer.max_steps",
            found="dataset.streaming=true and trainer.max_steps=null",
            fix="trainer.max_steps=10000",
        )
