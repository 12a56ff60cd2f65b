"""Makes a fold of train the test split, as `dataset.fold` asks for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from autotune.config.columns import Column, Kind
from autotune.config.schema import DatasetConfig
from autotune.data.cache import iter_column
from autotune.data.duplicates import iter_texts, text_column
from autotune.data.folds import ALWAYS_TRAIN, cross_validation_folds
from autotune.errors import DataError

STRATIFIED = (Kind.label, Kind.labels, Kind.tags)
"""Kinds of gold values that have labels, whose shares folds keep."""


def take_fold(
    splits: dict[str, Dataset], fold: str, config: DatasetConfig, columns: Sequence[Column]
) -> Iterator[str]:
    """Moves the rows of a fold from train to test; a test split that there is stays out, so that no fold sees it.

    Args:
        splits: all splits; changed in place.
        fold: i/k, the i-th of k folds.
        config: the section `dataset`.
        columns: columns of the task.

    Yields:
        Notes for the user.

    Raises:
        DataError: there are too few rows or groups.
    """
    if left_out := len(splits.pop("test", ())):
        yield f"the {left_out} rows of test are left out: with dataset.fold, test is a fold of train"
    data, (number, count) = splits["train"], map(int, fold.split("/"))
    folds = folds_of(data, count, config, columns)
    inside, always = folds == number - 1, int((folds == ALWAYS_TRAIN).sum())
    splits["train"], splits["test"] = (
        data.select(np.flatnonzero(~inside)),
        data.select(np.flatnonzero(inside)),
    )
    how = "duplicates whole" if config.columns.group is None else "groups and duplicates whole"
    stratified = any(column.kind in STRATIFIED for column in columns if column.target)
    how += ", stratified by label" if stratified else ""
    how += f"; in train always, as their label is nowhere else: {always}" if always else ""
    yield f"test is fold {fold} of train, {int(inside.sum())} rows ({how}; dataset.seed {config.seed})"


def folds_of(
    data: Dataset, count: int, config: DatasetConfig, columns: Sequence[Column]
) -> NDArray[np.int64]:
    """Returns the fold of each row of train, from 0, or `ALWAYS_TRAIN`.

    Args:
        data: train, before a fold or validation is taken from it.
        count: number of folds.
        config: the section `dataset`.
        columns: columns of the task.

    Raises:
        DataError: there are too few rows or groups.
    """
    targets = [column for column in columns if column.target]
    labels = [
        sorted(
            {name for column, value in zip(targets, values, strict=True) for name in _labels(column, value)}
        )
        for values in zip(*(iter_column(data, column.role) for column in targets), strict=True)
    ]
    texts = list(iter_texts(data, text_column(columns)))
    groups = None if config.columns.group is None else list(iter_column(data, "group"))
    try:
        return cross_validation_folds(texts, labels, groups, count=count, seed=config.seed)
    except ValueError as error:
        raise DataError(
            f"{count} folds need {count} rows that can be in test: rows of one group, duplicates and near duplicates count once, "
            "and rows whose label is in no other group always stay in train",
            where="dataset.fold",
            found=str(error),
            fix="fewer folds",
        ) from error


def _labels(column: Column, value: Any) -> Iterable[str]:
    """Returns the labels in a gold value: its class or classes, or the types of its entities; none of texts and numbers."""
    if column.kind is Kind.label:
        return [str(value)]
    if column.kind is Kind.labels:
        return list(value)
    return [tag[2:] for tag in value if tag != "O"] if column.kind is Kind.tags else ()
