"""Rows made of texts that were given by themselves, not in a file."""

from collections.abc import Sequence

from datasets import Dataset

from autotune.config.column_names import ColumnsConfig
from autotune.config.columns import Column
from autotune.config.schema import DatasetConfig
from autotune.data.canonical import Converter
from autotune.data.duplicates import text_column


def rows_from_texts(
    texts: Sequence[str], columns: Sequence[Column], *, pairs: Sequence[str] = (), given: bool = False
) -> Dataset:
    """Returns rows made of texts from the command line; `pairs` are their second texts, `given` as in `load_file`."""
    column = text_column(columns)
    second = [{"text_pair": pair} for pair in pairs] or [{}] * len(texts)
    rows = ({column: text, **more} for text, more in zip(texts, second, strict=True))
    config = DatasetConfig(path="--text", columns=ColumnsConfig(text_pair="text_pair" if pairs else None))
    converter = Converter(columns, config, "--text", predicting=True, training=False, tags=None, given=given)
    return Dataset.from_list(list(converter.convert(rows)))
