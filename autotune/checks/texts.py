"""Texts: empty ones, suspicious characters, columns that do not hold what they should."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import median
from typing import Any

from autotune.checks.findings import Area, Finding, Report, note, warning
from autotune.config.columns import Column, Kind
from autotune.data.cache import iter_column
from autotune.data.sources import Rows
from autotune.errors import format_text_override, listing

MAX_EXAMPLES = 5
"""Most rows listed in a finding."""
SAMPLE_SIZE = 1000
"""Number of rows whose lengths are measured."""
EMPTY_TEXT = "an empty"
NUMERIC_TYPES = ("int", "float", "bool", "Decimal")

SUSPICIOUS_CHARACTERS: dict[str, tuple[re.Pattern[str], str | None]] = {
    "the replacement character U+FFFD: the original character was lost when the file was converted": (
        re.compile("\ufffd"),
        "convert the original again, in its true encoding",
    ),
    "letters of a UTF-8 text that was read as latin-1 (Ã£, Ã§, Ã©)": (
        re.compile("Ã[\u0080-\u00bf]|â\u20ac"),
        "repair the file: read it as UTF-8 where it was converted",
    ),
    "control characters": (
        re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"),
        "often curly quotes of a cp1252 text that was read as latin-1; vocabularies drop them",
    ),
    "zero-width characters or soft hyphens": (
        re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]"),
        None,
    ),
    "HTML entities (&amp; &quot; &#39;)": (
        re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,5});"),
        None,
    ),
}
"""Patterns that clean corpora do not contain, with the fix; None if the characters are harmless."""


def audit_texts(rows: Rows, columns: Sequence[Column], report: Report) -> Iterator[Finding]:
    """Yields findings about empty texts, suspicious characters, numbers in place of texts, and swapped columns."""
    report.figures["splits"] = {split: {"rows": len(data)} for split, data in rows.splits.items()}
    report.figures["columns"] = rows.columns
    texts = {
        column.target: column.role for column in columns if column.kind is Kind.text and not column.optional
    }
    if len(texts) == 2 and len(rows.splits["train"]):
        yield from _swapped_columns(rows, texts[False], texts[True])
    for column in columns:
        is_read = not column.optional or column.role in rows.splits["train"].column_names
        if column.kind in (Kind.text, Kind.words) and is_read:
            yield from _suspicious_texts(rows, "text" if column.kind is Kind.words else column.role)
            for split, column_info in rows.columns.items():
                yield from _numeric_column(split, column_info, column.role)


def _swapped_columns(rows: Rows, source: str, target: str) -> Iterator[Finding]:
    """Yields a finding if the targets, such as summaries, are longer than their sources."""
    sizes = {
        role: median(map(len, islice(iter_column(rows.splits["train"], role), SAMPLE_SIZE)))
        for role in (source, target)
    }
    if sizes[target] > sizes[source]:
        names = rows.columns["train"]["roles"]
        yield warning(
            Area.data,
            f"the {target} is longer than the {source}: are the two columns swapped?",
            where=f"train, columns {names[source]} and {names[target]}",
            found=f"medians of {sizes[source]:.0f} and {sizes[target]:.0f} characters",
            fix=f"{format_text_override(f'dataset.columns.{source}', names[target])} "
            f"{format_text_override(f'dataset.columns.{target}', names[source])}",
        )


def _suspicious_texts(rows: Rows, role: str) -> Iterator[Finding]:
    """Yields one finding per type of problem, over all splits."""
    counts: dict[str, Counter[str]] = {}
    examples: dict[str, list[str]] = {}
    for split, data in rows.splits.items():
        for number, text in enumerate(iter_column(data, role)):
            problems = [what for what, (pattern, _) in SUSPICIOUS_CHARACTERS.items() if pattern.search(text)]
            for problem in problems if text.strip() else [*problems, EMPTY_TEXT]:
                counts.setdefault(problem, Counter())[split] += 1
                if len(rows_shown := examples.setdefault(problem, [])) < MAX_EXAMPLES:
                    rows_shown.append(f"{split} row {number} (id {data[number]['id']})")
    for problem, by_split in counts.items():
        fix = (
            SUSPICIOUS_CHARACTERS[problem][1]
            if problem in SUSPICIOUS_CHARACTERS
            else "delete these rows, or fill them in"
        )
        make_finding = note if fix is None else warning
        what = (
            problem
            if problem in SUSPICIOUS_CHARACTERS
            else f"{problem} {role}; they are scored like all others"
        )
        yield make_finding(
            Area.data,
            f"{by_split.total()} rows hold {what}",
            where=f"column {role}, {listing(examples[problem])}",
            found=listing(f"{split} {count}" for split, count in by_split.items()),
            fix=fix,
            count=by_split.total(),
        )


def _numeric_column(split: str, column_info: dict[str, Any], role: str) -> Iterator[Finding]:
    """Yields a finding if a text column holds numbers."""
    name = column_info["roles"].get(role)
    dtype = column_info["types"].get(name)
    if dtype in NUMERIC_TYPES:
        yield warning(
            Area.data,
            f"{split}: the column for {role} holds numbers, not texts",
            where=f"column {name}, {dtype}",
            found=f"columns: {listing(column_info['types'], 30)}",
            fix=f"dataset.columns.{role}=ANOTHER, if that is not meant",
        )


def audit_ids(rows: Rows) -> Iterator[Finding]:
    """Yields findings about ids that occur twice in a split, or in train and another split."""
    splits = {split: data for split, data in rows.splits.items() if _has_ids(rows, split)}
    seen: dict[str, set[str]] = {}
    for split, data in splits.items():
        ids = list(iter_column(data, "id"))
        seen[split] = set(ids)
        duplicates = len(ids) - len(seen[split])
        if duplicates:
            frequent = [name for name, count in Counter(ids).most_common(MAX_EXAMPLES) if count > 1]
            yield warning(
                Area.data,
                f"{split}: {duplicates} rows have an id that an earlier row has",
                where=f"column {_id_name(rows, split)}",
                found=listing(frequent),
                fix="dataset.columns.id=ANOTHER, or make them unique: they identify the predictions",
                count=duplicates,
            )
    # Splits taken out of train cannot share its row numbers, so only splits that were read are compared.
    for split in [name for name in seen if name != "train" and "train" in seen and name in rows.columns]:
        shared = seen[split] & seen["train"]
        if shared:
            yield warning(
                Area.data,
                f"{len(shared)} ids of {split} are also in train: the same rows may be in both",
                where=f"column {_id_name(rows, split)}",
                found=listing(sorted(shared), MAX_EXAMPLES),
                fix="nothing, if ids restart in each file; else remove these rows from train",
                count=len(shared),
            )


def _has_ids(rows: Rows, split: str) -> bool:
    return _id_name(rows, split) is not None


def _id_name(rows: Rows, split: str) -> str | None:
    column_info = rows.columns.get(split) or rows.columns["train"]
    name: str | None = column_info["roles"].get("id")
    return name
