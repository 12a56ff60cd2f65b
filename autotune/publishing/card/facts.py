"""Reads from a run folder the facts that the card and the push need."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.config.enums import BaselineMethod
from autotune.config.schema import RunConfig
from autotune.models.spec import DEFAULT_MAX_LENGTH, Head
from autotune.publishing.card.examples import Example, examples
from autotune.publishing.card.license import EffectiveLicense, effective_license
from autotune.publishing.files import METRICS, SELECTION, Origins, public_name
from autotune.publishing.schemas import Data, EnvironmentRecord, Metrics, SelectionRecord, SplitScores
from autotune.registry import task
from autotune.run.data_record import as_trained
from autotune.runtime.records import checked, damaged, read_record
from autotune.tasks.saved import read_saved

PRIVATE_WORDS = ("runs=", "name=", "hub=", "hub.", "resume=", "+hub.", "check=", "check.")
"""Prefixes of overrides that do not influence the result."""


@dataclass(frozen=True)
class Facts:
    """Facts about a run."""

    config: RunConfig
    saved: dict[str, Any]
    """Content of autotune.json."""
    metrics: dict[str, Any]
    """Content of metrics.json; empty while the run is not finished."""
    data: dict[str, Any]
    """Content of data.json."""
    environment: dict[str, Any]
    """Content of environment.json."""
    command: str
    """Command that trained the run, without paths of this machine."""
    examples: list[Example]
    """Rows of the scored split; empty unless `report.examples` asks for them."""
    selection: dict[str, Any] | None = None
    """Content of selection.json: the score to show instead of that of the split; None where no search has written it."""

    @property
    def baseline(self) -> BaselineMethod | None:
        """What the model is, if it has no neural network."""
        return self.config.model.baseline

    @property
    def title(self) -> str | None:
        """Name of the model in words, if it has no neural network."""
        return None if self.baseline is None else task(self.config.task.name).cheap[self.baseline].title

    @property
    def head(self) -> Head:
        """Head of the model; without a neural network, that of the others of the task."""
        heads = task(self.config.task.name).heads
        return next(iter(heads.values())) if self.baseline is not None else Head(self.saved["head"])

    @property
    def origins(self) -> Origins:
        """Hub commits of base model and data."""
        base = {} if self.baseline is not None else self.saved["base_model"]
        return Origins(base.get("revision"), self.data.get("source", {}).get("commit"))

    @property
    def base(self) -> str:
        """Hub id of the base model, or the last part of its path; of a model without a neural network what it is."""
        if self.baseline is not None:
            return str(self.baseline)
        return public_name(self.saved["base_model"]["name"], self.origins.model)

    @property
    def dataset(self) -> str:
        """Hub id of the data set, or the last part of its path."""
        return public_name(self.config.dataset.path, self.origins.dataset)

    @property
    def licence(self) -> EffectiveLicense:
        """Licence of the model, from those of base model and data."""
        base_license = None if self.baseline is not None else self.saved["base_model"].get("license")
        return effective_license(base_license, self.config.dataset.license, self.config.hub.license)

    @property
    def split(self) -> str:
        """Split whose scores are the run's result."""
        return _result_split(self.metrics)

    @property
    def scores(self) -> dict[str, float]:
        """Scores on that split, by metric."""
        return {name: value for name, value in self.metrics[self.split].items() if isinstance(value, float)}

    @property
    def max_length(self) -> int:
        """Maximum number of tokens per window."""
        measured = self.data.get("check", {}).get("lengths", {}).get("max_length")
        limit = min(self.saved["max_length"], DEFAULT_MAX_LENGTH)
        return int(measured or self.config.task.max_length or limit)

    @property
    def is_adapter_only(self) -> bool:
        """Whether `model/` holds the adapter without its base model."""
        return self.config.peft is not None and not self.config.peft.merge


def read_facts(folder: Path, config: RunConfig, command: str, model: Path | None = None) -> Facts:
    """Reads a run folder.

    Args:
        folder: run folder; metrics.json and environment.json exist only once the run is finished.
        config: configuration of the run.
        command: command of the run, from status.json.
        model: folder of a saved model; None: the `model/` of the run.

    Raises:
        ModelError: a file is missing or damaged.
    """
    fix = f"bring it back from a copy, or train again with resume=never: {command or 'autotune …'}"
    metrics = read_record(folder / METRICS, Metrics, fix=fix, nan=True) or {}
    card_examples = []
    if metrics:
        predictions = folder / f"predictions_{_result_split(metrics)}.jsonl"
        card_examples = examples(predictions, config.report.examples, task(config.task.name).columns)
        checked(metrics.get(_result_split(metrics)), SplitScores, folder / METRICS, fix=fix)
    saved = read_saved(model or folder / "model", config, fix=fix)
    data = read_record(folder / "data.json", Data, fix=fix, needed=True) or {}
    if metrics and _result_split(metrics) not in data["rows"]:
        raise damaged(folder / METRICS, f"baseline: data.json has no split {_result_split(metrics)!r}", fix)
    return Facts(
        config=as_trained(config, data),
        saved=saved,
        metrics=metrics,
        data=data,
        environment=read_record(folder / "environment.json", EnvironmentRecord, fix=fix) or {},
        command=shlex.join(_public_words(_split_words(command))),
        examples=card_examples,
        selection=read_record(folder / SELECTION, SelectionRecord, fix="search again with autotune auto"),
    )


def _result_split(metrics: dict[str, Any]) -> str:
    """Returns the split whose scores are the run's result: the first one with a baseline."""
    return str(next(iter(metrics["baseline"])))


def _split_words(command: str) -> list[str]:
    """Splits a command line into words; returns an empty list if its quotes do not match."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _public_words(words: list[str]) -> Iterator[str]:
    """Yields the words of a command line without private overrides, and of absolute paths only the last part."""
    for word in words:
        if not word.startswith(PRIVATE_WORDS):
            yield re.sub(r"(?<=[=\s,:\[])[~/][^\s,\]}]*/|^[~/][^\s]*/", "", word)
