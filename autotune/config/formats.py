"""File formats: which suffix belongs to which, what is read and written, and advice for files that are not read.

This is the only table of suffixes. A new format is a member of `Format` (config/enums.py), a row here, a reader in
`read_rows` (data/formats/readers.py) and, if it can be written, a member of `Form` and a writer (data/formats/writers.py).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from autotune.config.compression import OPENERS, is_compressed, suffix_of
from autotune.config.enums import Format
from autotune.errors import ConfigError, listing


class Form(StrEnum):
    """Formats that can be written."""

    csv = "csv"
    tsv = "tsv"
    json = "json"
    jsonl = "jsonl"
    parquet = "parquet"
    arrow = "arrow"
    xlsx = "xlsx"
    conll = "conll"
    spans = "spans"
    brat = "brat"
    fasttext = "fasttext"


@dataclass(frozen=True)
class Refusal:
    """Why files with a suffix are not read, and what to do with them."""

    what: str
    fix: str
    suffix: str = ""
    """Suffix of the file that the fix makes."""


_SUFFIXES: Mapping[str, tuple[Format, Form | None]] = {
    ".csv": (Format.csv, Form.csv),
    ".tsv": (Format.csv, Form.tsv),
    ".json": (Format.json, Form.json),
    ".jsonl": (Format.jsonl, Form.jsonl),
    ".ndjson": (Format.jsonl, Form.jsonl),
    ".parquet": (Format.parquet, Form.parquet),
    ".arrow": (Format.arrow, None),  # written as a folder
    ".xlsx": (Format.xlsx, Form.xlsx),
    ".xlsm": (Format.xlsx, None),
    ".conll": (Format.conll, Form.conll),
    ".conllu": (Format.conll, None),
    ".bio": (Format.conll, Form.conll),
    ".iob": (Format.conll, Form.conll),
    ".fasttext": (Format.fasttext, Form.fasttext),
}
READABLE: Mapping[str, Format] = {suffix: read for suffix, (read, _) in _SUFFIXES.items()}
WRITABLE: Mapping[str, Form] = {suffix: written for suffix, (_, written) in _SUFFIXES.items() if written}
BINARY = (Format.xlsx, Format.parquet, Format.arrow)
"""Formats that are not text: they have no encoding and their own compression."""
FOLDERS = (Format.brat, Format.folders)
"""Formats that are a folder, not a file."""
TEXT_SUFFIX = ".txt"
"""Suffix of text in any format."""
DATA_SUFFIX = re.compile(
    rf"({'|'.join(map(re.escape, READABLE))})({'|'.join(map(re.escape, OPENERS))})?(\[[^]]*\])?$", re.I
)
"""The end of a file name, perhaps with a slice."""

_ARCHIVE = Refusal("compressed files are not read", "unpack it")
REFUSED: Mapping[str, Refusal] = {
    **dict.fromkeys((".zip", ".zst", ".7z", ".rar", ".tar", ".tgz"), _ARCHIVE),
    **{
        suffix: Refusal(f"{suffix} workbooks are not read", "save it as .xlsx or CSV UTF-8", ".xlsx")
        for suffix in (".xls", ".ods", ".numbers")
    },
    **{
        suffix: Refusal(
            f"a {suffix} document has no rows", "make a table of it, one text and its label per row", ".csv"
        )
        for suffix in (".pdf", ".docx", ".doc", ".odt", ".rtf")
    },
}


def refusal(file: Path) -> Refusal | None:
    """Returns why a file cannot be read, judged by its name; None if it may be."""
    if is_compressed(file):
        form = READABLE.get(suffix_of(file))
        return _ARCHIVE if form is None or form in BINARY else None
    return REFUSED.get(file.suffix.lower())


def form_of(
    target: Path, requested: str | None, allowed: Collection[Form] = tuple(Form), default: Form | None = None
) -> Form:
    """Returns the output format: the requested one, else that of the file name's suffix.

    Args:
        target: file or folder to write.
        requested: value of --to.
        allowed: formats that are available for this output.
        default: format for a name without a suffix.

    Raises:
        ConfigError: no format is given, --to and the suffix contradict each other, or the format is not allowed.
    """
    suffix = target.suffix.lower()
    by_name = WRITABLE.get(suffix)
    suffixes = listing([name for name, form in WRITABLE.items() if form in allowed], 20)
    if requested is not None and requested not in list(allowed):
        raise ConfigError(
            f"unknown output format {requested!r}", where="--to", found=f"forms: {listing(allowed)}"
        )
    form = Form(requested) if requested is not None else by_name or (None if suffix else default)
    if form is None or form not in allowed:
        raise ConfigError(
            "the output name has no known suffix",
            where=str(target),
            found=f"known suffixes: {suffixes}",
            fix=f"a name with one of them, or --to FORM, one of {listing(allowed)}",
        )
    if by_name not in (None, form) and not (form is Form.spans and by_name is Form.jsonl):
        raise ConfigError(
            f"the name says {by_name}, --to {form}",
            where=str(target),
            fix=f"leave out --to, or a name without suffix: {target.with_suffix('')}",
        )
    return form
