"""The section `dataset.columns`: the names that the columns have in the data."""

from dataclasses import dataclass, field

from autotune.config.section import Strict


@dataclass
class ColumnsConfig(Strict):
    """Names of the columns. null: the column has the name of its role."""

    id: str | None = None
    """Identifier of a row, kept in predictions. Without one, rows are numbered from 0 in each split."""
    text: str | None = None
    """Sentiment, spans: the text."""
    label: str | None = None
    """Sentiment: the class."""
    tokens: str | None = None
    """NER: list of words."""
    tags: str | None = None
    """NER: list of tags, one per word."""
    spans: str | None = None
    """NER from character offsets: list of {start, end, label}; `end` is exclusive."""
    document: str | None = None
    """Summarization: the text to summarize."""
    summary: str | None = None
    """Summarization: the reference."""
    group: str | None = None
    """Rows with the same value stay together when a split is made."""
    slices: list[str] = field(default_factory=list)
    """Columns whose values divide the scored rows: the report has the score of each part. [source, year]"""
