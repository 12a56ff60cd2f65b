"""What data.json of a run folder says about its training: what the configuration leaves to the number of rows."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autotune.config.enums import Keep
from autotune.config.schema import RunConfig
from autotune.runtime.records import Record, read_record

FILE = "data.json"
FIX = "the command that began the run, which writes it again"


class Training(Record):
    """The part of data.json on the training; runs of older versions have none."""

    steps: int
    """Optimizer steps of the whole run."""
    epochs: float
    batch_size: int
    keep: Annotated[Keep, Field(strict=False)]


class _Data(Record):
    training: Training | None = None


def read_training(run: Path) -> dict[str, Any]:
    """Returns the values of `Training`; an empty dict if they are not known yet.

    Raises:
        ModelError: data.json is damaged.
    """
    record = read_record(run / FILE, _Data, fix=FIX, nan=True) or {}
    return record.get("training") or {}


def as_trained(config: RunConfig, data: Mapping[str, Any]) -> RunConfig:
    """Returns a configuration with what it leaves to the number of rows.

    Args:
        config: as composed.
        data: content of data.json.
    """
    training = data.get("training")
    if training is None:
        return config
    values = {
        "epochs": training["epochs"],
        "batch_size": training["batch_size"],
        "keep": Keep(training["keep"]),
    }
    return replace(config, trainer=replace(config.trainer, **values))
