"""Arrow's record batches to rows, whatever types their columns have: what no role uses may be anything."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotune.errors import AutotuneError, DataError, listing

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features


@dataclass(frozen=True)
class Unreadable:
    """A value that has no form in Python, such as a time in the year 100,000; an error only where a role needs it."""

    kind: str
    """Arrow's name of its type."""
    why: str


def class_labels(schema: "pa.Schema", damaged: Callable[[BaseException], AutotuneError]) -> "Features":
    """The ClassLabel columns that `datasets` has noted in a schema, or lists of such.

    Args:
        schema: of the file.
        damaged: makes the error that people see where the note is damaged.

    Raises:
        DataError: it is.
    """
    from datasets import Features

    noted = (schema.metadata or {}).get(b"huggingface")
    try:
        kinds = json.loads(noted)["info"]["features"] if noted is not None else {}
        named = {name: kind for name, kind in kinds.items() if '"ClassLabel"' in json.dumps(kind)}
        return Features.from_dict({name: kind for name, kind in named.items() if name in schema.names})
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise damaged(error) from error


def rows_of(batch: "pa.RecordBatch", where: str) -> Iterator[dict[str, Any]]:
    """The rows of a batch.

    Raises:
        DataError: two columns have the same name.
    """
    names = batch.schema.names
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(
            f"columns with the same name: {listing(map(repr, twice))}", where=where, fix="rename one"
        )
    columns = [_values(column) for column in batch.columns]
    if not columns:
        return
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))


def _values(column: "pa.Array") -> list[Any]:
    """The values of a column; the whole column is unreadable where one of them is."""
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
        return [Unreadable(str(column.type), f"{type(error).__name__}: {error}")] * len(column)
    return values
