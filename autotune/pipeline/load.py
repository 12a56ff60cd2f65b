"""A saved model, opened to predict and to score. Imports torch only for a neural network."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autotune.config.schema import RunConfig
from autotune.evaluation.predictor import CheapPredictor, Predictor
from autotune.models.cheap_files import locate_cheap
from autotune.run.saved import saved_model_path
from autotune.runtime.files import scratch
from autotune.runtime.imports import uncollected
from autotune.tasks.base import Task
from autotune.tasks.saved import load_cheap


@dataclass(frozen=True)
class SavedModel:
    """A saved model, ready to predict."""

    config: RunConfig
    predictor: Predictor
    scratch: "tempfile.TemporaryDirectory[str]"
    """For tables; nothing of what was predicted stays behind."""

    @property
    def task(self) -> Task:
        """Its task."""
        return self.predictor.task

    def new_cache(self) -> Path:
        """Returns an empty folder for the tables of one call: other calls have other rows."""
        return Path(tempfile.mkdtemp(dir=self.scratch.name))


def load_saved(run: str, change: Callable[[RunConfig], RunConfig]) -> SavedModel:
    """Opens a run folder or a folder with a saved model.

    Args:
        run: the folder.
        change: makes of the saved configuration that by which data are read.

    Raises:
        ModelError: there is no saved model.
        ConfigError: the changed configuration contradicts itself, or the model.
    """
    path = saved_model_path(run)
    if (folder := locate_cheap(path)) is not None:
        config, task, model = load_cheap(folder)
        config = change(config)
        task.config = config.task
        return SavedModel(config, CheapPredictor(task, model), scratch())
    with uncollected():  # transformers imports the model's own module
        from autotune.pipeline.network import load_network

        config, predictor = load_network(path, change)
    return SavedModel(config, predictor, scratch())
