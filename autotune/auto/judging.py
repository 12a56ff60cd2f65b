"""The rows on which candidates are compared: folds of train, or one validation split. The rows of test stay out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune import registry
from autotune.auto.fitting import ALL_FOLDS, ENOUGH
from autotune.auto.trial import FULL, Trial, laid_over
from autotune.config.compose import compose
from autotune.config.rules.baselines import KEYS_OF_METHODS
from autotune.config.schema import RunConfig
from autotune.config.trials import override
from autotune.data.cache import iter_column, iter_rows
from autotune.data.fold_split import folds_of
from autotune.data.sources import load_rows
from autotune.errors import DataError
from autotune.evaluation.selection import by_group
from autotune.metrics.accumulator import MetricState
from autotune.pipeline.check import cache_folder
from autotune.tasks.base import Prediction, Task

Predictions = Mapping[int, Prediction]
"""Prediction of each row, by its position among the judged rows."""
_OF_NETWORKS = re.compile(rf"(peft|model)(=|\.(?!({'|'.join(KEYS_OF_METHODS)})=))")
"""Overrides that only models with a neural network take."""


@dataclass(frozen=True)
class Judging:
    """How candidates are compared."""

    words: tuple[str, ...]
    """Overrides that all runs have: task and data."""
    config: RunConfig
    """What they compose, without a fold."""
    task: Task
    """Scores predictions."""
    train: Dataset
    validation: Dataset | None
    """What judges; None: folds of train do."""
    fold_of: NDArray[np.int64] | None
    """Fold of each row of train, from 0, or `ALWAYS_TRAIN`; None: validation judges."""
    count: int | None
    """Number of folds."""
    fingerprint: str
    judged: int | None = None
    """Number of folds that judge, if time is short; None: all."""
    given: frozenset[str] = frozenset({"train", "validation", "test"})
    """Splits that the user has given; others were split off train."""

    @cached_property
    def rows(self) -> Dataset:
        """The judged rows; with folds, all of train, of which a few may be in no fold."""
        return self.train if self.validation is None else self.validation

    @property
    def all_folds(self) -> tuple[int, ...] | None:
        """All folds that judge, from 1; None: validation does."""
        return None if self.count is None else tuple(range(1, (self.judged or self.count) + 1))

    @cached_property
    def rung_folds(self) -> tuple[int, ...] | None:
        """The folds on which a rung compares trials: all with few rows, else as many as have `ENOUGH` rows."""
        if self.fold_of is None or self.all_folds is None or len(self.train) < ALL_FOLDS:
            return self.all_folds
        sizes = np.cumsum([int((self.fold_of == fold - 1).sum()) for fold in self.all_folds])
        return self.all_folds[: int(np.searchsorted(sizes, ENOUGH)) + 1]

    def positions(self, folds: Sequence[int] | None) -> list[int]:
        """Returns the judged rows of some folds, in order."""
        if self.fold_of is None:
            return list(range(len(self.rows)))
        wanted = [fold - 1 for fold in folds or ()]
        return np.flatnonzero(np.isin(self.fold_of, wanted)).tolist()

    def words_of(self, trial: Trial, *others: str) -> list[str]:
        """Returns the overrides of a run of a trial: what all runs have, what it tries, and others.

        Without a neural network, what the user has set of base models and adapters does not hold.
        """
        own = (word for word in self.words if trial.kind == FULL or not _OF_NETWORKS.match(word))
        return laid_over(tuple(own), *trial.words, *others)

    def fold_words(self, fold: int | None) -> list[str]:
        """Returns the overrides of a run that learns without a fold, which it then predicts; None: without validation."""
        if fold is None:
            return []
        return [f"dataset.fold={fold}/{self.count}", "dataset.validation_fraction=0", "trainer.keep=last"]

    def states(
        self, predictions: Predictions, folds: Sequence[int] | None, *, missing: bool = False
    ) -> list[MetricState]:
        """Returns the metric state of each judged row of some folds; with groups, of each group.

        Args:
            predictions: what is scored.
            folds: from 1; None: validation judges.
            missing: whether a row without a prediction has a state without rows; else that is a bug.

        Raises:
            DataError: the metric cannot score a row.
        """
        empty, positions, states = self.task.metric().empty, self.positions(folds), list[MetricState]()
        for position in positions:
            state: MetricState = empty()
            if not missing or position in predictions:
                state.add(*self.task.to_metric_inputs(self.gold_rows[position], predictions[position]))
            states.append(state)
        if self.groups is None:
            return states
        return by_group(states, [self.groups[position] for position in positions], empty)

    def aligned(self, lines: Sequence[Prediction], fold: int | None) -> Iterator[tuple[int, Prediction]]:
        """Yields the predictions that a run has made for its fold, or for validation, with the positions of their rows.

        Raises:
            DataError: the run has predicted other rows.
        """
        positions = self.positions(None if fold is None else [fold])
        ids = list(iter_column(self.rows, "id"))
        if [ids[position] for position in positions] != [line.get("id") for line in lines]:
            raise DataError("the run has predicted other rows than those that compare the trials",
                            where="dataset.fold", found=f"{len(lines)} rows, and {len(positions)} that compare")  # fmt: skip
        yield from zip(positions, lines, strict=True)

    def fold_record(self) -> dict[str, Any]:
        """Returns the content of folds.json: the fold of each row, from 1; 0 for a row that is always learned from."""
        ids = iter_column(self.rows, "id")
        folds = [0] * len(self.rows) if self.fold_of is None else (self.fold_of + 1).tolist()
        return {"fingerprint": self.fingerprint, "count": self.count, "seed": self.config.dataset.seed,
                "rows": [[name, fold] for name, fold in zip(ids, folds, strict=True)]}  # fmt: skip

    def part(self, fold: int | None) -> tuple[Dataset, Dataset]:
        """Returns the rows that a model learns from and those that it then predicts."""
        if self.fold_of is None or fold is None:
            return self.train, self.rows
        inside = self.fold_of == fold - 1
        return self.train.select(np.flatnonzero(~inside)), self.train.select(np.flatnonzero(inside))

    @cached_property
    def target(self) -> str:
        """Role of the gold value."""
        return next(column.role for column in self.task.columns if column.target)

    @cached_property
    def groups(self) -> list[str] | None:
        """Group of each judged row, as resampling draws whole groups; None without groups."""
        if self.config.dataset.columns.group is None:
            return None
        return [str(group) for group in iter_column(self.rows, "group")]

    @cached_property
    def gold_rows(self) -> list[dict[str, Any]]:
        """The judged rows, without their texts: id and gold value."""
        return list(iter_rows(self.rows.select_columns(["id", self.target])))


def open_judging(words: Sequence[str], count: int | None, runs: str, judged: int | None = None) -> Judging:
    """Reads the rows that judge; those of test stay out.

    Args:
        words: overrides of an ordinary run.
        count: number of folds; None: one validation split judges.
        runs: folder whose cache is used.
        judged: number of folds that judge; None: all.

    Raises:
        ConfigError: the words do not compose.
        DataError: the data cannot be read, or there are too few rows.
    """
    others = ["dataset.leave_out_test=true", *(["dataset.validation_fraction=0"] if count else [])]
    (config,) = compose(laid_over(words, *others, override("runs", runs)))
    task_class = registry.task(config.task.name)
    rows = load_rows(config.dataset, task_class.columns, cache=cache_folder(config))
    facts = task_class.fit_labels(config.task, config.dataset, rows.splits)
    train = rows.splits["train"]
    return Judging(
        tuple(words),
        config,
        task_class(config.task, None, facts),
        train,
        None if count else rows.splits["validation"],
        folds_of(train, count, config.dataset, task_class.columns) if count else None,
        count,
        rows.fingerprint,
        judged,
        given=frozenset(rows.columns),
    )
