"""The section `dataset.columns`: the names that the columns have in the data."""

from dataclasses import dataclass, field

from autotune.config.section import OptionalName, Strict


@dataclass
class ColumnsConfig(Strict):
    """Names of the columns. null: the column has the name of its role."""

    id: OptionalName = None
    """Identifier of a row, kept in predictions. Without one, rows are numbered from 0 in each split."""
    text: OptionalName = None
    """Classification, spans: the text."""
    text_pair: OptionalName = None
    """Classification of pairs: the second text, such as the hypothesis of an entailment. null: rows have one text."""
    label: OptionalName = None
    """Classification: the class. Regression: the number."""
    labels: list[str] | None = None
    """Several columns that together hold the target, instead of `label`: one column of 0 and 1 for each class, named by the
    column, or one number for each value to predict. [insulto, racismo, obsceno]"""
    tokens: OptionalName = None
    """NER: list of words."""
    tags: OptionalName = None
    """NER: list of tags, one per word."""
    spans: OptionalName = None
    """NER from character offsets: list of {start, end, label}; `end` is exclusive."""
    document: OptionalName = None
    """Summarization: the text to summarize."""
    summary: OptionalName = None
    """Summarization: the reference."""
    group: OptionalName = None
    """Rows with the same value stay together when a split is made."""
    slices: list[str] = field(default_factory=list)
    """Columns whose values divide the scored rows: the report has the score of each part. [source, year]"""
