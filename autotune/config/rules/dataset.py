"""Where the data are, in which form, and how much of them is read."""

import re
from collections.abc import Iterator
from pathlib import Path

from omegaconf import MISSING

from autotune import registry
from autotune.config.columns import Kind
from autotune.config.compression import is_packed, suffix_of
from autotune.config.enums import Format
from autotune.config.rules.addresses import URL, hub_address
from autotune.config.rules.splits import FILE, SPLITS, pieces
from autotune.config.schema import DatasetConfig, RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override, listing, nearest

PACKED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz")
SHEETS = (".xls", ".ods", ".numbers")
DOCUMENTS = (".pdf", ".docx", ".doc", ".odt", ".rtf")
FORMS = {
    ".csv": Format.csv,
    ".tsv": Format.csv,
    ".json": Format.json,
    ".jsonl": Format.jsonl,
    ".ndjson": Format.jsonl,
    ".conll": Format.conll,
    ".xlsx": Format.xlsx,
    ".xlsm": Format.xlsx,
    ".parquet": Format.parquet,
    ".arrow": Format.arrow,
    ".fasttext": Format.fasttext,
}
BINARY = (Format.xlsx, Format.parquet, Format.arrow)
"""Forms that no text file has, and that have no encoding."""
NO_DELIMITER = (
    *BINARY,
    Format.json,
    Format.jsonl,
    Format.spans,
    Format.brat,
    Format.fasttext,
    Format.folders,
)
LANGUAGE = re.compile(r"(?:[A-Za-z]{2,8}|x)(?:-[A-Za-z0-9]{1,8})*")
"""BCP 47 (RFC 5646) as far as its form goes."""


def path(config: RunConfig) -> Iterator[AutotuneError]:
    """It is said where the data are, and that is neither a web address nor a file that cannot be read."""
    data = config.dataset
    if data.path == MISSING or not data.path.strip():
        yield ConfigError(
            "it is not said where the data are",
            where="dataset.path",
            found=repr(data.path) if data.path != MISSING else None,
            fix="dataset.path=FILE, a folder, or with dataset=hub a Hub id; dataset=sample to try things out",
        )
        return
    files = {"dataset.path": data.path} | {
        f"dataset.splits.{split}": piece.name
        for split in SPLITS
        for piece in pieces(getattr(data.splits, split))
    }
    for key, given in files.items():
        yield from _address(key, given)
        if key != "dataset.path" or data.format is not Format.hub:
            yield from _unreadable(key, given)
        yield from _form_and_name(key, given, data.format)


def _address(key: str, given: str) -> Iterator[AutotuneError]:
    page = hub_address(given)
    if page is not None and key == "dataset.path":
        yield ConfigError(
            "this is the address of a page; a data set of the Hub is named by its id",
            where=key,
            found=given,
            fix=format_override("dataset.path", page.id),
        )
    elif given.startswith("file://"):
        yield ConfigError(
            "a local file is named by its path, not by an address",
            where=key,
            found=given,
            fix=format_override(key, given.removeprefix("file://")),
        )
    elif URL.match(given):
        name = Path(given.partition("?")[0]).name or "FILE"
        yield ConfigError(
            "data are not read from web addresses, so that a run can be repeated",
            where=key,
            found=given,
            fix=f"download it, then {format_override(key, name)}",
        )


def _unreadable(key: str, given: str) -> Iterator[AutotuneError]:
    file = Path(given)
    if is_packed(file) and suffix_of(file) in FORMS and FORMS[suffix_of(file)] not in BINARY:
        return
    suffix, stem = file.suffix.lower(), str(file.with_suffix("")) if file.name else given
    if URL.match(given) or suffix not in (*PACKED, *SHEETS, *DOCUMENTS):
        return
    if suffix in PACKED:
        what, advice, instead = "compressed files are not read", "unpack it", stem.removesuffix(".tar")
    elif suffix in SHEETS:
        what, advice, instead = f"{suffix} workbooks are not read", "save it as .xlsx", f"{stem}.xlsx"
    else:
        what = f"a {suffix} document has no rows"
        advice, instead = "make a table of it, one text and its label a row", f"{stem}.csv"
    yield ConfigError(what, where=key, found=given, fix=f"{advice}, then {format_override(key, instead)}")


def _form_and_name(key: str, given: str, form: Format) -> Iterator[AutotuneError]:
    """Text may be in any file; what is binary is said by the suffix."""
    named = FORMS.get(suffix_of(Path(given)))
    if (
        named is None
        or URL.match(given)
        or form in (Format.auto, Format.hub, Format.brat, Format.folders, named)
    ):
        return
    if form is Format.spans and named is not Format.xlsx:
        return
    if named in BINARY or form in BINARY:
        yield ConfigError(
            f"the name says {named}, the format {form}",
            where="dataset.format",
            found=f"dataset.format={form} and {key}={given}",
            fix=f"dataset.format={named}",
        )


def task_matches_dataset(config: RunConfig) -> Iterator[AutotuneError]:
    """The data are made for the task."""
    data = config.dataset
    if data.task is not None and data.task != config.task.name:
        yield ConfigError(
            f"these data are made for task={data.task}",
            where="task",
            found=f"task={config.task.name} with {data.path}",
            fix=f"{format_override('task', data.task)}, or another dataset",
        )


def hub_keys(config: RunConfig) -> Iterator[AutotuneError]:
    """Keys of the Hub come with data of the Hub, and each file that they name is a split's."""
    data = config.dataset
    never = data.path.startswith(("/", "./", "../", "~", "sample/")) or FORMS.get(suffix_of(Path(data.path)))
    if data.format not in (Format.auto, Format.hub) or (data.format is Format.auto and never):
        yield from only_hub(data, "data of the Hub have these, and these data are local")
        return
    used = {name for split in SPLITS for name in _names(data, split)}
    files = data.data_files
    if not files.keys() <= used:
        meant = {key: key if key in used else nearest(key, used - files.keys()) for key in files}
        yield ConfigError(
            "files are named for splits that the run does not use",
            where="dataset.data_files",
            found=f"{listing(files)}; the run uses {listing(sorted(used))}",
            fix=format_override("dataset.data_files", {key: files[old] for old, key in meant.items() if key}),
        )
    elif files and not any(
        piece.name in files or FILE.search(piece.name) for piece in pieces(data.splits.train)
    ):
        yield ConfigError(
            "files are named, and none of them is for train",
            where="dataset.data_files",
            found=str(files),
            fix=format_override("dataset.data_files", {data.splits.train: "FILE", **files}),
        )


def _names(data: DatasetConfig, split: str) -> set[str]:
    names = {piece.name for piece in pieces(getattr(data.splits, split))}
    return names | {"valid", "val", "dev"} if "validation" in names else names


def only_hub(data: DatasetConfig, what: str) -> Iterator[AutotuneError]:
    """Refuses the keys that only data of the Hub have; those that a data set's own YAML brings are left."""
    given = {"revision": data.revision, "name": data.name, "data_files": data.data_files}
    meant = {key: value for key, value in given.items() if value}
    if meant and data.task is None:
        yield ConfigError(
            what,
            where=", ".join(f"dataset.{key}" for key in meant),
            found=f"{', '.join(f'{key}={value}' for key, value in meant.items())} with {data.path}",
            fix=" ".join(
                format_override(f"dataset.{key}", {} if key == "data_files" else None) for key in meant
            ),
        )


def reading(config: RunConfig) -> Iterator[AutotuneError]:
    """Delimiter, encoding, header and columns by number are those of a form that has such."""
    data, form = config.dataset, _form(config.dataset)
    if data.delimiter is not None:
        fault = None
        if data.delimiter == "" or re.search(r"[\r\n]", data.delimiter):
            fault = "a delimiter is a mark within a line"
        elif form in NO_DELIMITER:
            fault = f"{form} data have no delimiter"
        elif form is Format.csv and (len(data.delimiter.replace("\\t", "\t")) != 1 or data.delimiter == '"'):
            fault = "a delimiter of CSV is one character, and no quote"
        if fault:
            yield ConfigError(
                fault, where="dataset.delimiter", found=repr(data.delimiter), fix="dataset.delimiter=null"
            )
    if data.encoding is not None:
        try:
            "".encode(data.encoding)
            fault = f"{form} data are no text, so they have no encoding" if form in BINARY else None
        except (LookupError, ValueError):
            fault = "there is no such encoding"
        if fault:
            yield ConfigError(
                fault, where="dataset.encoding", found=data.encoding, fix="dataset.encoding=null"
            )
    if not data.header and form not in (None, Format.csv, Format.xlsx):
        yield ConfigError(
            f"{form} data have no header",
            where="dataset.header",
            found="false",
            fix="dataset.header=true",
        )
    if data.format in (Format.auto, Format.hub, Format.conll):
        return
    for key, usual in (("token_column", 0), ("tag_column", -1)):
        given = getattr(data, key)
        if given != usual:
            yield ConfigError(
                f"columns have numbers in CoNLL files alone, and the data are {data.format}",
                where=f"dataset.{key}",
                found=str(given),
                fix=f"dataset.{key}={usual}; columns with names: dataset.columns.tags=NAME",
            )


def _form(data: DatasetConfig) -> Format | None:
    """The form of all files, where the configuration alone says it."""
    if data.format is not Format.auto:
        return data.format
    names = [name for split in SPLITS for name in _names(data, split)]
    return None if any(map(FILE.search, names)) else FORMS.get(suffix_of(Path(data.path)))


def amounts(config: RunConfig) -> Iterator[AutotuneError]:
    """Some rows are left to train on."""
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
            f"with {data.limit} rows not every one of {classes} classes can have a row",
            where="dataset.limit",
            found=str(data.limit),
            fix=f"dataset.limit={max(100, 10 * classes)}",
        )
    if data.streaming and config.trainer.max_steps is None:
        yield ConfigError(
            "rows that stream have no number, so it must be said when training ends",
            where="trainer.max_steps",
            found="dataset.streaming=true and trainer.max_steps=null",
            fix="trainer.max_steps=10000",
        )


def language(config: RunConfig) -> Iterator[AutotuneError]:
    """The language is a tag."""
    given = config.dataset.language
    if not LANGUAGE.fullmatch(given):
        mended = given.strip().replace("_", "-").partition(".")[0]
        yield ConfigError(
            "a language is written as a BCP 47 tag: pt, pt-BR",
            where="dataset.language",
            found=repr(given),
            fix=f"dataset.language={mended if LANGUAGE.fullmatch(mended) else 'pt'}",
        )
