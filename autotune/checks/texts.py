"""Texts: empty ones, signs that should not be there, columns that do not hold what they should."""

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

FIRST = 5
"""So many rows are named."""
SAMPLED = 1000
"""So many rows are measured."""
EMPTY = "an empty"
NUMBERS = ("int", "float", "bool", "Decimal")

SIGNS: dict[str, tuple[re.Pattern[str], str | None]] = {
    "the replacement character U+FFFD: what stood there was lost when the file was converted": (
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
"""What texts of clean corpora do not hold, and what to do; None where one can live with it."""


def audit_texts(rows: Rows, columns: Sequence[Column], report: Report) -> Iterator[Finding]:
    """Empty texts that are scored, strange signs, numbers in place of texts, columns that may be swapped."""
    report.figures["splits"] = {split: {"rows": len(data)} for split, data in rows.splits.items()}
    report.figures["columns"] = rows.columns
    texts = {column.target: column.role for column in columns if column.kind is Kind.text}
    if len(texts) == 2 and len(rows.splits["train"]):
        yield from _swapped(rows, texts[False], texts[True])
    for column in columns:
        if column.kind in (Kind.text, Kind.words):
            yield from _signs(rows, "text" if column.kind is Kind.words else column.role)
            for split, about in rows.columns.items():
                yield from _numbers(split, about, column.role)


def _swapped(rows: Rows, source: str, target: str) -> Iterator[Finding]:
    """Summaries that are longer than what they summarize."""
    sizes = {
        role: median(map(len, islice(iter_column(rows.splits["train"], role), SAMPLED)))
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


def _signs(rows: Rows, role: str) -> Iterator[Finding]:
    """One finding for each kind of sign, over all splits."""
    counts: dict[str, Counter[str]] = {}
    firsts: dict[str, list[str]] = {}
    for split, data in rows.splits.items():
        for number, text in enumerate(iter_column(data, role)):
            kinds = [what for what, (pattern, _) in SIGNS.items() if pattern.search(text)]
            for kind in kinds if text.strip() else [*kinds, EMPTY]:
                counts.setdefault(kind, Counter())[split] += 1
                if len(first := firsts.setdefault(kind, [])) < FIRST:
                    first.append(f"{split} row {number} (id {data[number]['id']})")
    for kind, by_split in counts.items():
        fix = SIGNS[kind][1] if kind in SIGNS else "delete these rows, or fill them in"
        make = note if fix is None else warning
        what = kind if kind in SIGNS else f"{kind} {role}; they are scored like all others"
        yield make(
            Area.data,
            f"{by_split.total()} rows hold {what}",
            where=f"column {role}, {listing(firsts[kind])}",
            found=listing(f"{split} {count}" for split, count in by_split.items()),
            fix=fix,
            count=by_split.total(),
        )


def _numbers(split: str, about: dict[str, Any], role: str) -> Iterator[Finding]:
    name = about["roles"].get(role)
    kind = about["types"].get(name)
    if kind in NUMBERS:
        yield warning(
            Area.data,
            f"{split}: the column that holds the {role} is one of numbers, not of texts",
            where=f"column {name}, {kind}",
            found=f"columns: {listing(about['types'], 30)}",
            fix=f"dataset.columns.{role}=ANOTHER, if that is not meant",
        )


def audit_ids(rows: Rows) -> Iterator[Finding]:
    """Identifiers that stand twice in a split, or in two splits."""
    splits = {split: data for split, data in rows.splits.items() if _has_ids(rows, split)}
    seen: dict[str, set[str]] = {}
    for split, data in splits.items():
        ids = list(iter_column(data, "id"))
        seen[split] = set(ids)
        twice = len(ids) - len(seen[split])
        if twice:
            most = [name for name, count in Counter(ids).most_common(FIRST) if count > 1]
            yield warning(
                Area.data,
                f"{split}: {twice} rows have an id that an earlier row has",
                where=f"column {_id_name(rows, split)}",
                found=listing(most),
                fix="dataset.columns.id=ANOTHER, or make them unique: predictions are told apart by them",
                count=twice,
            )
    # Splits made of train share its numbers with nobody, so only those that were read are compared.
    for split in [one for one in seen if one != "train" and "train" in seen and one in rows.columns]:
        shared = seen[split] & seen["train"]
        if shared:
            yield warning(
                Area.data,
                f"{len(shared)} ids of {split} stand in train, too: the same rows may be in both",
                where=f"column {_id_name(rows, split)}",
                found=listing(sorted(shared), FIRST),
                fix="if the ids begin anew in each file, nothing; else take these rows out of train",
                count=len(shared),
            )


def _has_ids(rows: Rows, split: str) -> bool:
    return _id_name(rows, split) is not None


def _id_name(rows: Rows, split: str) -> str | None:
    about = rows.columns.get(split) or rows.columns["train"]
    name: str | None = about["roles"].get("id")
    return name
