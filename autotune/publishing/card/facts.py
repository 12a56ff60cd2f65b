"""What a run folder tells about its model, for the card and for the push."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.config.schema import RunConfig
from autotune.models.spec import DEFAULT_MAX_LENGTH
from autotune.publishing.card.examples import Example, examples
from autotune.publishing.card.license import EffectiveLicense, effective_license
from autotune.publishing.files import METRICS, RECORD, Origins, public_name
from autotune.publishing.schemas import Data, Metrics, SplitFigures, Surroundings
from autotune.registry import task
from autotune.runtime.records import checked, damaged, read_record
from autotune.tasks.saved import SavedRunRecord

PRIVATE_WORDS = ("runs=", "name=", "hub=", "hub.", "resume=", "+hub.", "check=", "check.")
"""Overrides that do not shape the result."""


@dataclass(frozen=True)
class Facts:
    """Everything that is said of a run."""

    config: RunConfig
    saved: dict[str, Any]
    """autotune.json."""
    metrics: dict[str, Any]
    data: dict[str, Any]
    """data.json."""
    environment: dict[str, Any]
    """environment.json."""
    command: str
    """That trained it, without the paths of this machine."""
    examples: list[Example]
    """Rows of the scored split, where somebody asked for them."""

    @property
    def origins(self) -> Origins:
        """Commits of model and data."""
        return Origins(self.saved["base_model"]["revision"], self.data.get("source", {}).get("commit"))

    @property
    def base(self) -> str:
        """The base model: its Hub id, or the last part of its path."""
        return public_name(self.saved["base_model"]["name"], self.origins.model)

    @property
    def dataset(self) -> str:
        """The data set: its Hub id, or the last part of its path."""
        return public_name(self.config.dataset.path, self.origins.dataset)

    @property
    def licence(self) -> EffectiveLicense:
        """What the model carries."""
        own = self.saved["base_model"].get("license")
        return effective_license(own, self.config.dataset.license, self.config.hub.license)

    @property
    def split(self) -> str:
        """The split that is the run's result."""
        return _result(self.metrics)

    @property
    def scores(self) -> dict[str, float]:
        """Its figures."""
        return {name: value for name, value in self.metrics[self.split].items() if isinstance(value, float)}

    @property
    def max_length(self) -> int:
        """Tokens that the model was given at a time."""
        measured = self.data.get("check", {}).get("lengths", {}).get("max_length")
        limit = min(self.saved["max_length"], DEFAULT_MAX_LENGTH)
        return int(measured or self.config.task.max_length or limit)

    @property
    def alone(self) -> bool:
        """Whether `model/` holds the adapter without its base model."""
        return self.config.peft is not None and not self.config.peft.merge


def read_facts(folder: Path, config: RunConfig, command: str, model: Path | None = None) -> Facts:
    """Reads a run folder.

    Args:
        folder: of a run; figures and environment are there only when it is finished.
        config: of the run.
        command: from status.json.
        model: folder of a saved model; None: that of the finished run.
    """
    fix = f"bring it back from a copy, or train again with resume=never: {command or 'autotune …'}"
    metrics = read_record(folder / METRICS, Metrics, fix=fix, nan=True) or {}
    shown = []
    if metrics:
        predictions = folder / f"predictions_{_result(metrics)}.jsonl"
        shown = examples(predictions, config.report.examples, task(config.task.name).columns)
        checked(metrics.get(_result(metrics)), SplitFigures, folder / METRICS, fix=fix)
    record = (model or folder / "model") / RECORD
    saved = read_record(record, SavedRunRecord, fix=fix, needed=True) or {}
    checked(saved["facts"], task(config.task.name).Facts, record, fix=fix)
    data = read_record(folder / "data.json", Data, fix=fix, needed=True) or {}
    if metrics and _result(metrics) not in data["rows"]:
        raise damaged(folder / METRICS, f"baseline: data.json has no split {_result(metrics)!r}", fix)
    return Facts(
        config=config,
        saved=saved,
        metrics=metrics,
        data=data,
        environment=read_record(folder / "environment.json", Surroundings, fix=fix) or {},
        command=shlex.join(_public_words(_words(command))),
        examples=shown,
    )


def _result(metrics: dict[str, Any]) -> str:
    """The split that is the run's result."""
    return str(next(iter(metrics["baseline"])))


def _words(command: str) -> list[str]:
    """The words of a command line; none where its quotes do not match."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _public_words(words: list[str]) -> Iterator[str]:
    """A command line without what concerns this machine alone; of absolute paths the last part."""
    for word in words:
        if not word.startswith(PRIVATE_WORDS):
            yield re.sub(r"(?<=[=\s,:\[])[~/][^\s,\]}]*/|^[~/][^\s]*/", "", word)
