"""Reads the first rows of train, whatever the form of the data; never a row of test."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from autotune.config.compose import compose, compose_untyped
from autotune.config.compression import is_compressed, suffix_of
from autotune.config.enums import Format
from autotune.config.formats import READABLE, TEXT_SUFFIX
from autotune.config.labels import TAG
from autotune.config.overrides import key_of
from autotune.config.schema import DatasetConfig
from autotune.data.formats.encoding import lines, open_text
from autotune.data.formats.plain import is_fasttext
from autotune.data.local import corpus_format
from autotune.data.locate import AUTOTRAIN, SourcePart, resolve_splits
from autotune.data.pipes import is_pipe
from autotune.errors import ConfigError
from autotune.runtime.files import read_errors

MAX_ROWS = 20_000
"""Most rows that are read of a split."""
MAX_CHARS = 50_000_000
"""Most characters that are read of a split: long documents need fewer rows."""
SAVED = ("dataset_info.json", "dataset_dict.json", AUTOTRAIN)
"""Names that mark a folder as one of `save_to_disk`, or as a project of AutoTrain."""


@dataclass(frozen=True)
class Sample:
    """The first rows of train, and what the other splits are."""

    rows: list[Mapping[str, Any]]
    total: int
    """Rows of train; estimated from the size of the file if `whole` is false."""
    whole: bool
    """Whether all rows of train were read."""
    where: str
    """File of train, for messages."""
    validation: tuple[str, int] | None
    """File of validation and its rows, counted up to `MAX_ROWS`; None: there is none."""
    test: str | None
    """File of test; None: there is none."""
    words: tuple[str, ...]
    """Overrides that name data and form."""
    config: DatasetConfig
    """The section `dataset` that the rows were read with."""
    task: str | None
    """Task that the user, or the data set's own file, names; None: neither does."""
    notes: tuple[str, ...]
    """What the readers noted."""


def read_sample(path: str, words: Sequence[str]) -> Sample:
    """Reads the beginning of train, and counts validation.

    Args:
        path: a file, a folder of splits or a corpus, `sample/<task>`, or a Hub id.
        words: overrides of the user; those of the data set are used.

    Raises:
        ConfigError: an override is wrong, or the data are a pipe.
        DataError: the data do not exist, or cannot be read.
    """
    of_dataset = [word for word in words if key_of(word).startswith("dataset") or word.startswith("-")]
    own = tuple(
        word
        for word in data_words(path, of_dataset)
        if key_of(word) not in {key_of(other) for other in words}
    )
    values, _ = compose_untyped([*own, *of_dataset, *(word for word in words if key_of(word) == "task")])
    data = values["dataset"]
    task = values["task"]["name"] if any(key_of(word) == "task" for word in words) else data["task"]
    any_task = "multi_label" if data["columns"]["labels"] else "classification"
    (run,) = compose([f"task={task or any_task}", *own, *of_dataset])
    config = run.dataset
    splits, _ = resolve_splits(config, None)
    notes: list[str] = []
    rows, whole = _read(splits["train"], config, notes)
    total = len(rows) if whole else _estimated_rows(splits["train"], rows)
    validation = None
    if "validation" in splits:
        count = len(_read(splits["validation"], config, [])[0])
        validation = (_where(splits["validation"]), count)
    return Sample(
        rows,
        total,
        whole,
        _where(splits["train"]),
        validation,
        _where(splits["test"]) if "test" in splits else None,
        own,
        config,
        task,
        tuple(dict.fromkeys(notes)),
    )


def data_words(path: str, words: Sequence[str]) -> tuple[str, ...]:
    """Returns the overrides that name data and form.

    Args:
        path: see `read_sample`.
        words: overrides of the user, which may name the form.

    Raises:
        ConfigError: the path is a pipe, which can be read only once.
    """
    place = f"dataset.path={path}"
    named = {key_of(word) for word in words}
    if named & {"dataset", "dataset.format"}:
        return (place,) if "dataset" in named else ("dataset=csv", place)
    if path.startswith("sample/"):
        return ("dataset=sample", place)
    file = Path(path).expanduser()
    with read_errors(file):
        if is_pipe(file):
            raise ConfigError(
                "the data are read several times, and a pipe can be read only once",
                where=path,
                fix="write the rows into a file first",
            )
        form = _folder_form(file) if file.is_dir() else _file_form(file)
    return ("dataset=csv", "dataset.format=auto", place) if form is None else (f"dataset={form}", place)


def _file_form(file: Path) -> str | None:
    """Returns the option of group `dataset` for a file, or for a Hub id; None: its suffix is not one of ours."""
    if suffix_of(file) in READABLE:
        return str(READABLE[suffix_of(file)])
    if not file.exists():
        return None if file.suffix or len(file.parts) > 2 else "hub"
    if is_fasttext(file, DatasetConfig()):
        return str(Format.fasttext)
    if suffix_of(file) == TEXT_SUFFIX:
        with open_text(file, DatasetConfig(), []) as stream:
            first = next((line.split() for _, line in lines(stream, file) if line.strip()), [])
        if len(first) > 1 and TAG.fullmatch(first[-1]):
            return str(Format.conll)
    return None


def _folder_form(folder: Path) -> str | None:
    """Returns the option of group `dataset` for a folder; None: its files have several forms."""
    if any((folder / name).exists() for name in SAVED):
        return str(Format.arrow)
    corpus = corpus_format(folder, DatasetConfig())
    if corpus is not None:
        return str(corpus)
    files = [file for place in (folder, folder / "data") if place.is_dir() for file in place.iterdir()]
    forms = {READABLE[suffix_of(file)] for file in files if suffix_of(file) in READABLE}
    return str(forms.pop()) if len(forms) == 1 else None


def _read(
    parts: Sequence[SourcePart], config: DatasetConfig, notes: list[str]
) -> tuple[list[Mapping[str, Any]], bool]:
    """Returns the first rows of a split, and whether they are all."""
    limit = min(MAX_ROWS, config.limit or MAX_ROWS)
    rows: list[Mapping[str, Any]] = []
    chars = 0
    stream = _rows(parts, notes)
    for row in stream:
        if len(rows) >= limit or chars >= MAX_CHARS:
            return rows, config.limit is not None and len(rows) >= config.limit
        rows.append(row)
        chars += sum(len(cell) for cell in row.values() if isinstance(cell, str))
    return rows, True


def _rows(parts: Sequence[SourcePart], notes: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yields the rows of all parts; of a slice that is counted in rows only those."""
    for item in parts:
        first, last = item.part.first, item.part.last
        begin = 0 if first is None or first.percent else first.number
        end = None if last is None or last.percent else last.number
        yield from islice(iter(item.source.raw(notes)), begin, end)


def _estimated_rows(parts: Sequence[SourcePart], rows: Sequence[Mapping[str, Any]]) -> int:
    """Returns the rows of train by the size of its file: at least those that were read."""
    file = Path(parts[0].source.where)
    if len(parts) > 1 or not file.is_file() or is_compressed(file):
        return len(rows)
    form = READABLE.get(suffix_of(file))
    if form is Format.parquet:
        import pyarrow.parquet as pq

        return int(pq.ParquetFile(file).metadata.num_rows)
    if form not in (Format.csv, Format.jsonl):
        return len(rows)
    size = sum(map(len, map(str.encode, _written(rows, form))))
    return max(len(rows), round(len(rows) * file.stat().st_size / size))


def _written(rows: Iterable[Mapping[str, Any]], form: Format) -> Iterator[str]:
    """Yields about the line of each row."""
    for row in rows:
        if form is Format.csv:
            yield ",".join(map(str, row.values())) + "\n"
        else:
            yield json.dumps(row, ensure_ascii=False) + "\n"


def _where(parts: Sequence[SourcePart]) -> str:
    return " + ".join(item.source.where for item in parts)
