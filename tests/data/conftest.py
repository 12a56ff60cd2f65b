"""Rows written to files and read back."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from autotune.config.column_names import ColumnsConfig
from autotune.config.columns import Column, Kind
from autotune.config.schema import DatasetConfig, SplitsConfig
from autotune.data.sources import Rows, load_rows

COLUMNS = {
    "sentiment": (Column("text", Kind.text), Column("label", Kind.label, target=True)),
    "ner": (Column("tokens", Kind.words), Column("tags", Kind.tags, target=True)),
    "summarization": (Column("document", Kind.text), Column("summary", Kind.text, target=True)),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Any], Path]:
    """Writes text, bytes, or a list of rows as JSON Lines; gives the path."""

    def put(name: str, content: str | bytes | Sequence[Mapping[str, Any]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


@pytest.fixture
def load(tmp_path_factory) -> Callable[..., Rows]:
    """Loads rows for a task; `columns` and `splits` are maps, validation is made only when asked for."""
    cache = tmp_path_factory.mktemp("cache")

    def rows(task: str, path: Path | str, **options: Any) -> Rows:
        columns = ColumnsConfig(**options.pop("columns", {}))
        splits = SplitsConfig(**options.pop("splits", {}))
        options.setdefault("validation_fraction", 0.0)
        config = DatasetConfig(path=str(path), columns=columns, splits=splits, **options)
        return load_rows(config, COLUMNS[task], cache=cache)

    return rows
