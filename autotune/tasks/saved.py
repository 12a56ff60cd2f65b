"""Reads configuration and task of a saved model from its autotune.json."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autotune import registry
from autotune.config.enums import Precision
from autotune.config.load import parse_config
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError
from autotune.models.record import FIX, RECORD, SavedModelRecord
from autotune.models.spec import Head, ModelSpec
from autotune.runtime.records import checked, damaged
from autotune.tasks.base import Task


class SavedRunRecord(SavedModelRecord):
    """Schema of autotune.json as a run writes it."""

    config: dict[str, Any]
    facts: dict[str, Any]
    precision: Annotated[Precision, Field(strict=False)]
    serving_config: dict[str, Any] = {}


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
    section = saved["config"].get("task")
    name = section.get("name") if isinstance(section, dict) else None
    if not isinstance(name, str):
        raise damaged(file, "config.task.name: there is no such text", FIX)
    task_class = registry.task(name)
    try:
        config = parse_config(saved["config"])
    except AutotuneError as error:
        raise damaged(file, f"config: {error.what} ({error.found or error.where})", FIX) from error
    facts, head = checked(saved["facts"], task_class.Facts, file, fix=FIX), Head(saved["head"])
    if task_class.heads.get(base.family) is not head:
        raise damaged(file, f"head: task={name} has none of the kind {head} on {base.config.model_type}", FIX)
    labels, outputs = facts.get("labels"), base.config.num_labels
    if labels is not None and (len(set(labels)) < len(labels) or len(labels) != outputs):
        raise damaged(file, f"facts.labels: {len(set(labels))} names for {outputs} outputs of the model", FIX)
    return config, task_class
