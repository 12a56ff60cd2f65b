"""Scores of parts of a split: where a model is good and where it is not.

Every slice is scored by the task's main metric, but one by class by accuracy, and one by gold number by the absolute error:
all of its rows have the same gold value, or similar ones.
A slice by entity type, or of entities that train has or lacks, counts only these entities of gold values and predictions.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.config.columns import Kind
from autotune.data.cache import iter_column, iter_rows
from autotune.data.words import entities, tags_of
from autotune.evaluation.bootstrap import Blocks, Resampling, interval
from autotune.tasks.base import Prediction, Row, Task

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

QUARTILES = (0.25, 0.5, 0.75)
RESAMPLES = 1000
"""Resamples of the interval of a slice: there are many slices."""
FEW_ROWS = 30
"""With fewer rows the score of a slice says little, whatever its interval."""
MOST_VALUES = 20
"""Slices of a column; its rarer values are together in one more."""
LENGTH, LABEL, NUMBER = "length in words", "label", "gold number"
TYPE, ENTITIES, ROWS = "entity type", "entities", "rows"
COLUMN = "column "
"""What a slice by a column of the data is divided by begins so."""
SEEN, UNSEEN = "seen in train", "not in train"
OTHER, EMPTY = "other values", "empty"
NUMBER_NAME = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")
"""A number as `:g` writes it."""


@dataclass(frozen=True)
class Slice:
    """A part of a split and its score."""

    by: str
    """What the rows are divided by: a length, a label, a column."""
    name: str
    rows: int
    metric: str
    score: float
    interval: list[float]
    """95 % interval by bootstrap."""
    few: bool
    """Whether it has fewer than `FEW_ROWS` rows."""

    def as_dict(self) -> dict[str, Any]:
        """Returns its part of metrics.json."""
        return asdict(self)


def slices(
    task: Task,
    train: "Dataset",
    rows: "Dataset",
    predictions: Iterable[Prediction],
    leaked: "NDArray[np.bool_] | None",
    columns: Sequence[str],
    seed: int,
) -> list[Slice]:
    """Scores the slices of a split that have at least one row and are not the whole split.

    Args:
        task: scores the predictions.
        train: rows that the model learned from.
        rows: rows of the split, with gold values.
        predictions: one per row, in order.
        leaked: whether the text of each row is in train, too: (rows,); None if the split is train.
        columns: columns of the data whose values make slices; their values are in `slices` of the rows.
        seed: of the bootstrap.
    """
    empty = task.metric().empty
    blocks: dict[tuple[str, str], Blocks] = {}
    divisions = list(_divisions(task, rows, leaked, columns))
    filters = _Entities(task, train)
    for number, (row, prediction) in enumerate(zip(iter_rows(rows), predictions, strict=True)):
        reference, answer = task.to_metric_inputs(row, prediction)
        state = empty()
        state.add(reference, answer)
        added = [((by, name_of(number, row)), state) for by, name_of in divisions]
        for key, gold, predicted in filters.of_row(row, reference, answer):
            state = empty()
            state.add(gold, predicted)
            added.append((key, state))
        for key, state in added:
            blocks.setdefault(key, Blocks(empty)).add_state(state)
    order = [LENGTH, LABEL, NUMBER, TYPE, ENTITIES, ROWS, *(f"{COLUMN}{name}" for name in columns)]
    whole = len(rows)
    return [
        _scored(key, block, task.main_metric, empty, seed)
        for key, block in sorted(
            blocks.items(), key=lambda item: (order.index(item[0][0]), _rank(item[0][1]))
        )
        if block.rows < whole or key[0] in (TYPE, ENTITIES)
    ]


def _scored(key: tuple[str, str], block: Blocks, main: str, empty: Callable[[], Any], seed: int) -> Slice:
    resampling = Resampling([block.states], empty)
    resampling.resamples = min(RESAMPLES, resampling.resamples)
    figures = resampling.bootstrap(seed)
    metric = {LABEL: "accuracy", NUMBER: "mae"}.get(key[0], main)
    metric = metric if metric in figures else main
    total = empty()
    for state in block.states:
        total.merge(state)
    few = block.rows < FEW_ROWS
    return Slice(*key, block.rows, metric, total.values()[metric], interval(figures[metric]), few)


def _rank(name: str) -> tuple[bool, float, str]:
    """Returns what sorts names: lengths and ranges by their number, all others by their letters, what is left last."""
    first = name.split("–")[0]
    return name in (OTHER, EMPTY), float(first) if NUMBER_NAME.fullmatch(first) else 0.0, name


Division = tuple[str, Callable[[int, Row], str]]


def _divisions(
    task: Task, rows: "Dataset", leaked: "NDArray[np.bool_] | None", columns: Sequence[str]
) -> Iterator[Division]:
    """Yields what rows are divided by, with the function from a row's number and the row to the name of its slice."""
    kinds = {column.kind: column.role for column in reversed(task.columns) if not column.target}
    role = kinds.get(Kind.words) or kinds.get(Kind.text)
    if role is not None:
        lengths = np.array([_length(value) for value in iter_column(rows, role)])
        if f"{role}_pair" in rows.column_names:
            lengths += [_length(value) for value in iter_column(rows, f"{role}_pair")]
        edges = sorted({int(edge) for edge in np.quantile(lengths, QUARTILES, method="inverted_cdf")})
        edges = [edge for edge in edges if edge < lengths.max()]
        if edges:
            names = _names_of_lengths(edges, int(lengths.min()), int(lengths.max()))
            of_row = np.searchsorted(edges, lengths)
            yield LENGTH, lambda number, _: names[of_row[number]]
    label = next(
        (column.role for column in task.columns if column.target and column.kind is Kind.label), None
    )
    if label is not None:
        yield LABEL, lambda _, row: str(row[label])
    yield from _by_number(task, rows)
    if leaked is not None and leaked.any():
        yield ROWS, lambda number, _: SEEN if leaked[number] else UNSEEN
    for index, column in enumerate(columns if "slices" in rows.column_names else ()):
        counts = Counter(values[index] for values in iter_column(rows, "slices"))
        frequent = {value for value, _ in counts.most_common(MOST_VALUES)}
        yield f"{COLUMN}{column}", _by_column(index, frequent)


def _by_number(task: Task, rows: "Dataset") -> Iterator[Division]:
    """Yields the quartiles of the gold value, where the task predicts one number."""
    role = next(
        (column.role for column in task.columns if column.target and column.kind is Kind.numbers), None
    )
    values = (
        np.array(list(iter_column(rows, role)), dtype=np.float64) if role is not None else np.empty((0, 0))
    )
    if values.shape[-1] != 1:
        return
    edges = np.unique(np.quantile(values[:, 0], (0, *QUARTILES, 1), method="inverted_cdf"))
    part = np.clip(np.searchsorted(edges, values[:, 0], side="right") - 1, 0, max(0, len(edges) - 2))
    names = [f"{start:g}–{end:g}" for start, end in pairwise(edges)] or [f"{edges[0]:g}"]
    yield NUMBER, lambda number, _: names[part[number]]


def _by_column(index: int, frequent: Collection[str]) -> Callable[[int, Row], str]:
    def name_of(_: int, row: Row) -> str:
        value = str(row["slices"][index])
        return (value or EMPTY) if value in frequent else OTHER

    return name_of


def _length(value: Any) -> int:
    """Returns the number of words of a text or of a list of words."""
    return len(value.split() if isinstance(value, str) else value)


def _names_of_lengths(edges: Sequence[int], least: int, most: int) -> list[str]:
    """Returns the names of the slices that end at these lengths; the last one ends at the longest row."""
    ends = [*edges, most]
    starts = [least, *(edge + 1 for edge in edges)]
    return [f"{start}" if start == end else f"{start}–{end}" for start, end in zip(starts, ends, strict=True)]


class _Entities:
    """The entities of a row by type, and by whether train has them.

    Args:
        task: says whether rows have tags.
        train: its entities are known.
    """

    def __init__(self, task: Task, train: "Dataset") -> None:
        self._words = next((column.role for column in task.columns if column.kind is Kind.words), "")
        target = next((column.role for column in task.columns if column.kind is Kind.tags), None)
        self._target = target if self._words else None
        self._seen = set() if self._target is None else {
            _surface(row[self._words], start, end)
            for row in iter_rows(train.select_columns([self._words, self._target]))
            for _, start, end in entities(row[self._target])
        }  # fmt: skip

    def of_row(
        self, row: Row, gold: Any, predicted: Any
    ) -> Iterator[tuple[tuple[str, str], list[str], list[str]]]:
        """Yields the key of each slice that has an entity of the row, and the tags of only these entities."""
        if self._target is None:
            return
        words = row[self._words]
        spans: dict[tuple[str, str], tuple[list[Any], list[Any]]] = {}
        for side, tags in enumerate((gold, predicted)):
            for entity in entities(tags):
                name, start, end = entity
                seen = SEEN if _surface(words, start, end) in self._seen else UNSEEN
                for key in ((TYPE, name), (ENTITIES, seen)):
                    spans.setdefault(key, ([], []))[side].append(entity)
        for key, sides in spans.items():
            gold_tags, predicted_tags = (tags_of(side, len(words)) for side in sides)
            yield key, gold_tags, predicted_tags


def _surface(words: Sequence[str], start: int, end: int) -> str:
    return " ".join(words[start:end]).casefold()
