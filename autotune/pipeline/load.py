"""A saved model, opened to predict and to score."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from autotune.config.enums import Precision
from autotune.config.schema import RunConfig
from autotune.evaluation.evaluator import Evaluator
from autotune.models.adapters import cast_frozen_to_bf16
from autotune.models.saved_model import load_saved_model
from autotune.run.folder import RunFolder
from autotune.runtime.files import scratch
from autotune.runtime.imports import uncollected
from autotune.tasks.base import Task
from autotune.tasks.saved import task_of
from autotune.training import device
from autotune.training.budget import prediction_token_budget


@dataclass(frozen=True)
class SavedModel:
    """A saved model, ready to predict."""

    config: RunConfig
    task: Task
    model: nn.Module
    evaluator: Evaluator
    scratch: "tempfile.TemporaryDirectory[str]"
    """For tables; nothing of what was predicted stays behind."""

    def new_cache(self) -> Path:
        """Returns an empty folder for the features of one call: other calls have other rows."""
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
    with uncollected():  # transformers imports the model's own module
        base, model, saved = load_saved_model(RunFolder.saved_model_path(run))
    config, task_class = task_of(saved, base)
    config = change(config)
    task = task_class(config.task, base, saved["facts"])
    precision = device.inference_precision(Precision(saved["precision"]))
    if precision is Precision.bf16:
        cast_frozen_to_bf16(model)
    accelerator = device.accelerator(precision, base.config)
    budget = config.trainer.micro_batch_tokens or prediction_token_budget(base.config)
    evaluator = Evaluator(task, accelerator, budget, precision)
    return SavedModel(config, task, model.to(accelerator.device), evaluator, scratch())
