"""Models without a neural network, trained in this process on the same folds as all others: seconds for all of them."""

from collections.abc import Iterator

from datasets import Dataset

from autotune.auto.board import TRIVIAL
from autotune.auto.judging import Judging
from autotune.auto.trial import Trial
from autotune.config.compose import compose
from autotune.data.cache import iter_column
from autotune.evaluation.predictor import CheapPredictor
from autotune.pipeline.train_baseline import fit_model
from autotune.tasks.base import Baseline, Prediction


def trivial_trials(judging: Judging) -> list[Trial]:
    """Returns the methods that learn next to nothing, as trials: what every other one must beat."""
    parts = judging.part(None if judging.all_folds is None else 1)
    return [Trial(baseline.name, TRIVIAL, (), (1.0,), None) for baseline in _trivial(judging, *parts)]


def cross_fitted(judging: Judging, trial: Trial) -> Iterator[tuple[int, Prediction]]:
    """Yields the predictions of a trial for each judged row, from a model that has not learned from its fold."""
    for fold in judging.all_folds or (None,):
        train, rows = judging.part(fold)
        predictions = (
            next(iter(baseline.predictions) for baseline in _trivial(judging, train, rows) if baseline.name == trial.name)
            if trial.kind == TRIVIAL
            else _predictions(judging, trial, train, rows)
        )  # fmt: skip
        positions = judging.positions(None if fold is None else [fold])
        for position, name, prediction in zip(positions, iter_column(rows, "id"), predictions, strict=True):
            yield position, {**prediction, "id": name}


def _trivial(judging: Judging, train: Dataset, rows: Dataset) -> list[Baseline]:
    """Returns the trivial methods of the task; upper bounds use the gold values, and are no candidates."""
    methods = judging.task.trivial_baselines(train, rows, None)
    return [baseline for baseline in methods if not baseline.is_bound]


def _predictions(judging: Judging, trial: Trial, train: Dataset, rows: Dataset) -> Iterator[Prediction]:
    """Yields what a model predicts that knows the labels of its own rows only."""
    (config,) = compose(judging.words_of(trial))
    task_class = type(judging.task)
    task = task_class(
        config.task, None, task_class.fit_labels(judging.config.task, config.dataset, {"train": train})
    )
    model = fit_model(config, task, train, None)
    yield from CheapPredictor(task, model).stream(rows)
