"""A page of tables, charts and rows about several runs, in the style of report.html."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from autotune.publishing.card.examples import value_text
from autotune.reporting.counts import Segment, quoted_text, quoted_value, shortened
from autotune.reporting.entities import has_entity_tags, marked, spans
from autotune.reporting.templates import style, template
from autotune.runtime.language import language
from autotune.runtime.table import Table

MAX_PLAIN = 60
"""Characters of a value in a table."""


@dataclass(frozen=True)
class Quote:
    """A row with what several runs predicted for it."""

    id: str
    text: str
    """Its input; empty where the predictions do not repeat it."""
    lines: Mapping[str, Sequence[Segment]]
    """Gold value and predictions by the name that is shown beside them."""


@dataclass(frozen=True)
class Section:
    """A part of the page; what is empty is left out."""

    title: str = ""
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Mapping[str, Markup] = field(default_factory=dict)
    """By their caption."""
    quotes: Sequence[Quote] = ()


def render_page(title: str, sections: Sequence[Section]) -> str:
    """Returns the page, in the user's language as its texts are; it needs no other file."""
    page: str = template("tables").render(
        style=style(),
        language=language(),
        title=title,
        sections=sections,
        html=lambda table: Markup(table.html()),
    )
    return page


def quote(rows: Mapping[str, Mapping[str, Any]], target: str, gold: str) -> Quote:
    """Returns a row as several runs predicted it.

    Args:
        rows: the row with its prediction, by the name of the run.
        target: key of the gold value.
        gold: name of the gold value.
    """
    first = next(iter(rows.values()))
    lines = {gold: _segments(first, first.get(target))}
    lines |= {name: _segments(row, row["prediction"]) for name, row in rows.items()}
    return Quote(str(first.get("id")), quoted_text(first), lines)


def plain(row: Mapping[str, Any], value: Any) -> str:
    """Returns a gold value or a prediction in a few words, for a table: of tags, the entities."""
    if "tokens" in row and has_entity_tags(value):
        words = list(map(str, row["tokens"]))
        text = (
            "; ".join(f"{span.label}: {' '.join(words[span.start : span.end])}" for span in spans(value))
            or "—"
        )
    else:
        text = value_text(value)
    printable = "".join(char if char.isprintable() else " " for char in text)
    return shortened(" ".join(printable.split()), MAX_PLAIN)


def _segments(row: Mapping[str, Any], value: Any) -> Sequence[Segment]:
    if "tokens" in row and has_entity_tags(value):
        return marked(list(map(str, row["tokens"])), list(spans(value)))
    return [Segment(quoted_value(value))]
