"""Conversion of Arrow's record batches to rows. Columns may have any type: only those with a role must be readable."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotune.errors import AutotuneError, DataError, listing

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features


@dataclass(frozen=True)
class UnreadableValue:
    """A value that Python cannot represent, such as a time in the year 100,000; an error only if a role needs it."""

    kind: str
    """Name of its type in Arrow."""
    why: str
    """Error of the conversion."""


def class_labels(schema: "pa.Schema", damaged: Callable[[BaseException], AutotuneError]) -> "Features":
    """Returns the columns of ClassLabel, or lists of it, that `datasets` has recorded in a schema's metadata.

    Args:
        schema: schema of the file.
        damaged: returns the error to raise if the metadata are damaged.

    Raises:
        DataError: the metadata are damaged.
    """
    from datasets import Features

    metadata = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(metadata)["info"]["features"] if metadata is not None else {}
        class_features = {
            name: feature for name, feature in features.items() if '"ClassLabel"' in json.dumps(feature)
        }
        return Features.from_dict(
            {name: feature for name, feature in class_features.items() if name in schema.names}
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise damaged(error) from error


def rows_of(batch: "pa.RecordBatch", where: str) -> Iterator[dict[str, Any]]:
    """Yields the rows of a batch.

    Raises:
        DataError: two columns have the same name.
    """
    names = batch.schema.names
    if len(set(names)) < len(names):
        duplicates = sorted({name for name in names if names.count(name) > 1})
        raise DataError(
            f"columns with the same name: {listing(map(repr, duplicates))}", where=where, fix="rename one"
        )
    columns = [_values(column) for column in batch.columns]
    if not columns:
        return
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))


def _values(column: "pa.Array") -> list[Any]:
    """Returns the values of a column; if one cannot be converted, all are unreadable."""
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
        return [UnreadableValue(str(column.type), f"{type(error).__name__}: {error}")] * len(column)
    return values
