"""Models without a neural network, trained in this process on the same folds as all others: seconds for all of them."""

from collections.abc import Iterator

from autotune.auto.board import TRIVIAL
from autotune.auto.judging import Judging
from autotune.auto.space import Trial
from autotune.data.cache import iter_column
from autotune.tasks.base import Prediction


def trivial_trials(judging: Judging) -> list[Trial]:
    """Returns the methods that learn next to nothing, as trials: what every other one must beat."""
    train, rows = judging.part(None if judging.all_folds is None else 1)
    return [Trial(baseline.name, TRIVIAL, (), (1.0,), None) for baseline in _trivial(judging, train, rows)]


def cross_fitted(judging: Judging, trial: Trial) -> Iterator[tuple[int, Prediction]]:
    """Yields the predictions of a trial for each judged row, from a model that has not learned from its fold."""
    for fold in judging.all_folds or (None,):
        train, rows = judging.part(fold)
        if trial.kind == TRIVIAL:
            (baseline,) = (one for one in _trivial(judging, train, rows) if one.name == trial.name)
            answers = iter(baseline.predictions)
        else:
            answers = _predictions(judging, trial, train, rows)
        positions = judging.positions(None if fold is None else [fold])
        for position, name, prediction in zip(positions, iter_column(rows, "id"), answers, strict=True):
            yield position, {"id": name, **prediction}
