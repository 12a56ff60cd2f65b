"""Output formats, and the suffixes that select them."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path

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


SUFFIXES: Mapping[str, Form] = {
    ".csv": Form.csv,
    ".tsv": Form.tsv,
    ".json": Form.json,
    ".jsonl": Form.jsonl,
    ".ndjson": Form.jsonl,
    ".parquet": Form.parquet,
    ".xlsx": Form.xlsx,
    ".conll": Form.conll,
    ".bio": Form.conll,
    ".iob": Form.conll,
    ".fasttext": Form.fasttext,
}


def form_of(
    target: Path, requested: str | None, allowed: Collection[Form] = tuple(Form), default: Form | None = None
) -> Form:
    """Returns the output format: the requested one, else that of the file name's suffix.

    Args:
        target: file or folder to write.
        wanted: value of --to.
        allowed: formats that are available for this output.
        default: format for a name without a suffix.

    Raises:
        ConfigError: no format is given, --to and the suffix contradict each other, or the format is not allowed.
    """
    suffix = target.suffix.lower()
    by_name = SUFFIXES.get(suffix)
    suffixes = listing([name for name, form in SUFFIXES.items() if form in allowed], 20)
    if requested is not None and requested not in list(allowed):
        raise ConfigError(f"there is no form {requested!r}", where="--to", found=f"forms: {listing(allowed)}")
    form = Form(requested) if requested is not None else by_name or (None if suffix else default)
    if form is None or form not in allowed:
        raise ConfigError(
            "the name of what is written does not say its form",
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
