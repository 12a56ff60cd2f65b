"""Reads configuration and task of a saved model from its autotune.json."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autotune import registry
from autotune.config.enums import BaselineMethod, Precision
from autotune.config.load import parse_config
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError
from autotune.models.record import FIX, RECORD, SavedModelRecord
from autotune.models.spec import Head, ModelSpec
from autotune.runtime.records import Record, checked, damaged, read_record
from autotune.tasks.base import Task
from autotune.tasks.cheap import CheapModel


class SavedRunRecord(SavedModelRecord):
    """Schema of autotune.json as a run writes it."""

    config: dict[str, Any]
    facts: dict[str, Any]
    precision: Annotated[Precision, Field(strict=False)]
    serving_config: dict[str, Any] = {}


class CheapRunRecord(Record):
    """Schema of autotune.json of a model without a neural network."""

    baseline: Annotated[BaselineMethod, Field(strict=False)]
    config: dict[str, Any]
    facts: dict[str, Any]


def read_saved(folder: Path, config: RunConfig, *, fix: str = FIX) -> dict[str, Any]:
    """Returns the content of autotune.json in the folder of a saved model.

    Args:
        folder: of the model.
        config: of its run.
        fix: what the user can do if the file is damaged.

    Raises:
        ModelError: it is missing or damaged.
    """
    file = folder / RECORD
    schema = SavedRunRecord if config.model.baseline is None else CheapRunRecord
    saved = read_record(file, schema, fix=fix, needed=True) or {}
    _check_facts(saved, config, file, fix)
    return saved


def task_of(saved: dict[str, Any], base: ModelSpec) -> tuple[RunConfig, type[Task]]:
    """Returns the configuration of a saved model and its task class.

    Args:
        saved: content of autotune.json.
        base: specification of the saved model.

    Raises:
        ModelError: autotune.json contradicts itself or the model.
        ConfigError: the task belongs to a plug-in that was not loaded.
    """
    file = Path(base.path, RECORD)
    checked(saved, SavedRunRecord, file, fix=FIX)
    config, task_class = _config_and_class(saved, file)
    facts, head = _check_facts(saved, config, file, FIX), Head(saved["head"])
    if task_class.heads.get(base.family) is not head:
        raise damaged(
            file,
            f"head: task={config.task.name} has none of the kind {head} on {base.config.model_type}",
            FIX,
        )
    labels, outputs = facts.get("labels"), base.config.num_labels
    if labels is not None and (len(set(labels)) < len(labels) or len(labels) != outputs):
        raise damaged(file, f"facts.labels: {len(set(labels))} names for {outputs} outputs of the model", FIX)
    return config, task_class


def load_cheap(folder: Path) -> tuple[RunConfig, Task, CheapModel]:
    """Opens the folder of a model without a neural network.

    Raises:
        ModelError: a file is missing or damaged, or they contradict each other.
        ConfigError: the task belongs to a plug-in that was not loaded.
    """
    file = folder / RECORD
    saved = read_record(file, CheapRunRecord, fix=FIX, needed=True) or {}
    config, task_class = _config_and_class(saved, file)
    facts = _check_facts(saved, config, file, FIX)
    model = task_class.cheap[BaselineMethod(saved["baseline"])].load(folder)
    labels = facts.get("labels") or []
    if not model.is_for(labels) or len(set(labels)) < len(labels):
        raise damaged(file, "facts.labels: these are not the labels of the model", FIX)
    return config, task_class(config.task, None, facts), model


def _config_and_class(saved: dict[str, Any], file: Path) -> tuple[RunConfig, type[Task]]:
    section = saved["config"].get("task")
    name = section.get("name") if isinstance(section, dict) else None
    if not isinstance(name, str):
        raise damaged(file, "config.task.name: there is no such text", FIX)
    task_class = registry.task(name)
    try:
        config = parse_config(saved["config"])
    except AutotuneError as error:
        raise damaged(file, f"config: {error.what} ({error.found or error.where})", FIX) from error
    if str(config.model.baseline) != str(saved.get("baseline")):
        raise damaged(file, f"baseline: {saved.get('baseline')}, and in config {config.model.baseline}", FIX)
    return config, task_class


def _check_facts(saved: dict[str, Any], config: RunConfig, file: Path, fix: str) -> dict[str, Any]:
    """Returns the facts of the task after checking them against their schema."""
    task_class, method = registry.task(config.task.name), config.model.baseline
    needed = method is None or task_class.cheap[method].has_facts
    return checked(saved["facts"], task_class.Facts if needed else Record, file, fix=fix)
