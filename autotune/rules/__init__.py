"""What no type can say: rules across sections, and no secrets. Each yields what is wrong; none raises."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import MISSING

from autotune.config import RunConfig
from autotune.errors import AutotuneError, ConfigError
from autotune.redaction import holds_token

EVALUATE_EVERY = re.compile(r"(?=.*[1-9])(\d+(\.\d+)?ep|\d+up)")
LONGEST_NAME = 200
"""Bytes; file systems allow 255, and the folder's files are written beside with longer names."""


def rules(config: RunConfig) -> list[AutotuneError]:
    """Everything that is wrong across sections."""
    return [error for rule in (dataset, model, trainer, name) for error in rule(config)]


def dataset(config: RunConfig) -> Iterator[AutotuneError]:
    """There are data, they are made for the task, and some of them are left to train on."""
    data = config.dataset
    if data.path in (MISSING, ""):
        yield ConfigError(
            "it is not said where the data are",
            where="dataset.path",
            fix="dataset.path=FILE, a folder, or with dataset=hub a Hub id; dataset=sample to try things out",
        )
    if data.task is not None and data.task != config.task.name:
        yield ConfigError(
            f"these data are made for task={data.task}",
            where="task",
            found=f"task={config.task.name} with {data.path}",
            fix=f"task={data.task}, or another dataset",
        )
    if data.validation_fraction + data.test_fraction >= 1:
        yield ConfigError(
            "validation and test would take all rows",
            where="dataset.validation_fraction, dataset.test_fraction",
            found=f"{data.validation_fraction} + {data.test_fraction}",
            fix="dataset.validation_fraction=0.1 dataset.test_fraction=0.1",
        )


def model(config: RunConfig) -> Iterator[AutotuneError]:
    """There is one base model."""
    path, tiny = config.model.name_or_path, config.model.tiny
    if not path and tiny is None:
        yield ConfigError(
            "no base model is named",
            where="model.name_or_path",
            fix="model.name_or_path=ID_OR_FOLDER, model=bertimbau_base, or model=tiny",
        )
    if path and tiny is not None:
        yield ConfigError(
            "two base models are named: a tiny one and another",
            where="model",
            found=f"model.tiny={tiny} and model.name_or_path={path}",
            fix=f"model=custom model.name_or_path={path}, or model=tiny alone",
        )


def trainer(config: RunConfig) -> Iterator[AutotuneError]:
    """Something is learned, and evaluations come at times that can be understood."""
    if config.trainer.learning_rate == 0:
        yield ConfigError(
            "with a learning rate of 0 nothing is learned",
            where="trainer.learning_rate",
            found="0",
            fix=f"trainer.learning_rate={(config.peft or config.model).learning_rate}",
        )
    if not EVALUATE_EVERY.fullmatch(config.trainer.evaluate_every):
        yield ConfigError(
            "evaluations are counted in epochs (1ep, 0.5ep) or updates (200up)",
            where="trainer.evaluate_every",
            found=config.trainer.evaluate_every,
            fix="trainer.evaluate_every=1ep",
        )


def name(config: RunConfig) -> Iterator[AutotuneError]:
    """The name can be that of a folder inside the folder of runs."""
    given = config.name
    if given is None:
        return
    plain = given.isprintable() and not re.search(r"[/\\]", given)
    if not plain or given != given.strip() or given[:1] in ("", ".") or len(given.encode()) > LONGEST_NAME:
        yield ConfigError(
            "the name of a run becomes the name of a folder: no / or \\, no dot first, no blank at an end, "
            f"{LONGEST_NAME} bytes at most",
            where="name",
            found=repr(given[:LONGEST_NAME]),
            fix="name=my_run; where run folders are is said by runs=FOLDER",
        )


def tokens(value: Any, at: str = "") -> Iterator[AutotuneError]:
    """No value and no key looks like a Hub token; the token is not repeated."""
    if isinstance(value, str) and holds_token(value):
        yield token_refused(at)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from tokens(str(key), at)
            yield from tokens(item, f"{at}.{key}".strip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tokens(item, at)


def token_refused(where: str) -> ConfigError:
    """What is said when a Hub token stands in the configuration or on the command line."""
    return ConfigError(
        "a Hub token may not stand in the configuration: it would be saved with the run",
        where=where,
        fix="hf auth login, or the environment variable HF_TOKEN; and make a new token, this one was seen",
    )


def suspicions(config: RunConfig) -> list[AutotuneError]:
    """What is allowed and yet probably not meant; the check shows it as warnings."""
    found: list[AutotuneError] = []
    return found
