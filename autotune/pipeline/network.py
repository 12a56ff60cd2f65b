"""Predicts with a neural network; `evaluation.predictor` has the other kind of model."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from datasets import Dataset
from torch import nn

from autotune.config.enums import Precision
from autotune.config.schema import RunConfig
from autotune.evaluation.evaluator import Evaluator
from autotune.evaluation.predictor import Predictor
from autotune.models.adapters import cast_frozen_to_bf16, count_parameters
from autotune.models.saved_model import load_saved_model
from autotune.models.spec import ModelSpec
from autotune.runtime.files import scratch
from autotune.runtime.memory import free_memory
from autotune.tasks.base import Prediction, Scores
from autotune.tasks.saved import task_of
from autotune.training import device
from autotune.training.budget import prediction_token_budget
from autotune.training.features import prepare_features

logger = logging.getLogger(__name__)


class NetworkPredictor(Predictor):
    """Predicts with a neural network, in this process alone.

    Args:
        evaluator: predicts features.
        model: on the evaluator's device.
    """

    def __init__(self, evaluator: Evaluator, model: nn.Module) -> None:
        self.task, self.precision, self.device = evaluator.task, evaluator.precision, device.name()
        self._evaluator, self._model, self._scratch = evaluator, model, scratch()

    def stream(self, rows: Dataset) -> Iterator[Prediction]:
        """Yields a prediction for each row, in order."""
        return self._evaluator.stream(self._model, self._features(rows), rows)

    def score(self, rows: Dataset) -> Scores:
        """Returns the scores of rows with gold values; keeps no prediction."""
        return self._evaluator.score(self._model, self._features(rows), rows)

    def free(self) -> None:
        """Moves the model to the CPU and frees the memory of the GPU."""
        self._model.to("cpu")
        free_memory()

    def _features(self, rows: Dataset) -> Dataset:
        # An empty folder for each call: other calls have other rows.
        return prepare_features(self.task, rows, Path(tempfile.mkdtemp(dir=self._scratch.name)), "predict")


def load_network(path: str | Path, change: Callable[[RunConfig], RunConfig]) -> tuple[RunConfig, Predictor]:
    """Opens the folder of a saved model, or its repository on the Hub; see `autotune.pipeline.load.load_saved`."""
    base, model, saved = load_saved_model(path)
    config, task_class = task_of(saved, base)
    config = change(config)
    task = task_class(config.task, base, saved["facts"])
    precision = device.inference_precision(Precision(saved["precision"]))
    if precision is Precision.bf16:
        cast_frozen_to_bf16(model)
    accelerator = device.accelerator(precision, base.config)
    budget = config.trainer.micro_batch_tokens or prediction_token_budget(base.config)
    evaluator = Evaluator(task, accelerator, budget, precision)
    return config, NetworkPredictor(evaluator, model.to(accelerator.device))


def log_model(base: ModelSpec, model: nn.Module, precision: Precision) -> None:
    """The model, its size and what it runs on."""
    trainable, total = count_parameters(model)
    logger.info(
        "model: %s (%s), %.2f M parameters, %.2f M of them trained, %s on %s",
        base.name, base.family, total / 1e6, trainable / 1e6, precision, device.name(),
    )  # fmt: skip
