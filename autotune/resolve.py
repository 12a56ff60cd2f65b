"""From plain values to a `RunConfig` and back: types and ranges, rules across sections, what null stands for.

The same strict way serves a configuration that Hydra has just composed and a saved config.yaml. No Hydra here.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml
from omegaconf import MISSING
from pydantic import TypeAdapter, ValidationError

from autotune import registry
from autotune.config import RunConfig
from autotune.errors import AutotuneError, ConfigError, nearest, raise_all
from autotune.redaction import holds_token

NOT_IDENTITY = ("runs", "name", "hub", "resume")
"""Keys that do not shape the result: two configurations that differ in these alone are the same run."""

EVALUATE_EVERY = re.compile(r"(?=.*[1-9])(\d+(\.\d+)?ep|\d+up)")

ALIASES = {
    "lr": "trainer.learning_rate",
    "learning_rate": "trainer.learning_rate",
    "epochs": "trainer.epochs",
    "num_epochs": "trainer.epochs",
    "num_train_epochs": "trainer.epochs",
    "max_steps": "trainer.max_updates",
    "bs": "trainer.batch_size",
    "train_batch_size": "trainer.batch_size",
    "per_device_train_batch_size": "trainer.batch_size",
    "early_stopping_patience": "trainer.patience",
    "lr_scheduler_type": "trainer.schedule",
    "fp16": "trainer.precision",
    "bf16": "trainer.precision",
    "mixed_precision": "trainer.precision",
    "max_length": "task.max_length",
    "max_seq_length": "task.max_length",
    "path": "dataset.path",
    "data": "dataset.path",
    "train_file": "dataset.path",
    "dataset_name": "dataset.path",
    "base_model": "model.name_or_path",
    "model_name": "model.name_or_path",
    "model_name_or_path": "model.name_or_path",
    "pretrained_model_name_or_path": "model.name_or_path",
    "lora_r": "peft.r",
    "rank": "peft.r",
    "lora_alpha": "peft.alpha",
    "lora_dropout": "peft.dropout",
    "output_dir": "runs",
    "run_name": "name",
}
"""What other tools call our keys."""


def typed(values: Mapping[str, Any]) -> RunConfig:
    """Checks plain values and makes the typed configuration of them; enums are enums again.

    Args:
        values: nested dicts, as in config.yaml; interpolations resolved.

    Raises:
        ConfigError: unknown keys (with the nearest one), wrong types, values out of range, sections that
            contradict each other, or a Hub token. Several are raised together.
    """
    raise_all(_tokens(values))
    task = values.get("task")
    if not isinstance(task, Mapping) or task.get("name", MISSING) == MISSING:
        raise ConfigError("no task is chosen", where="task", fix="task=sentiment")
    dataset = values.get("dataset")
    if isinstance(dataset, Mapping) and isinstance(dataset.get("label_map"), str):
        # Hydra's grammar has no accents in the keys of a dict, so those arrive as the text they were typed as.
        values = {**values, "dataset": {**dataset, "label_map": _from_text(dataset["label_map"])}}
    kind = registry.task(str(task["name"])).Config
    section, errors = _validate(kind, task, ("task",))
    config, others = _validate(RunConfig, {**values, "task": section or kind()}, ())
    errors += others
    raise_all(errors)
    raise_all(rules(config))
    return config


def rules(config: RunConfig) -> list[AutotuneError]:
    """Everything that is wrong across sections, or that a type cannot say."""
    return [error for rule in (_dataset, _model, _trainer, name_findings) for error in rule(config)]


def resolve(config: RunConfig, readable: str) -> RunConfig:
    """Fills in what null stands for: learning rate, epochs and, from its identity, the name of the run.

    Args:
        config: from `typed`; it is changed.
        readable: the part of the name before the hash.
    """
    trainer = config.trainer
    if trainer.learning_rate is None:
        trainer.learning_rate = (config.peft or config.model).learning_rate
    if trainer.epochs is None:
        trainer.epochs = config.model.epochs
    if config.name is None:
        config.name = f"{readable}-{digest(config)}"
    return config


def plain(config: RunConfig) -> dict[str, Any]:
    """The configuration as nested dicts, enums as their values."""
    values: dict[str, Any] = _plain(asdict(config))
    return values


def digest(config: RunConfig) -> str:
    """Eight hexadecimal digits of the SHA-256 over everything that shapes the result."""
    # Keys of label_map may be numbers and text at once, which sort_keys cannot order: text, as JSON writes them.
    identity = {key: value for key, value in plain(config).items() if key not in NOT_IDENTITY}
    canonical = json.dumps(json.loads(json.dumps(identity)), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def dump_config(config: RunConfig) -> str:
    """The configuration as YAML that `load_config` reads back."""
    text: str = yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True, width=110)
    return text


def load_config(path: Path) -> RunConfig:
    """Reads a saved config.yaml as strictly as a composed one.

    Raises:
        ConfigError: there is no such file, it is no YAML, or `typed` refuses it.
    """
    return typed(load_values(path))


def load_values(path: Path) -> dict[str, Any]:
    """The plain values of a saved config.yaml.

    Raises:
        ConfigError: there is no such file, or it is no YAML.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError("the saved configuration cannot be read", where=str(path), found=str(error)) from error
    if not isinstance(values, dict):
        raise ConfigError("the saved configuration is empty or no mapping", where=str(path))
    return values


@cache
def keys() -> dict[str, Any]:
    """Every key of the configuration with its type, the keys of all tasks included."""
    found = dict(_keys_of(RunConfig, ""))
    for task in registry.tasks().values():
        found |= dict(_keys_of(task.Config, "task."))
    return found


def suggest(key: str, others: Mapping[str, Any] | tuple[str, ...] = ()) -> str | None:
    """The key that was probably meant: other tools' names, the same last part, or nearly the same letters.

    Args:
        key: as the user wrote it.
        others: further candidates, such as config groups.
    """
    section, _, leaf = key.lower().rpartition(".")
    if leaf in ALIASES:
        return ALIASES[leaf]
    candidates = [*others, *keys()]
    inside = [candidate for candidate in candidates if section and candidate.startswith(f"{section}.")]
    begun = [candidate for candidate in inside if candidate.startswith(key.lower())]
    if begun:
        return begun[0]
    by_leaf = {candidate.rsplit(".", 1)[-1]: candidate for candidate in reversed(candidates)} | ALIASES
    return nearest(key, inside) or by_leaf.get(nearest(leaf, by_leaf) or "") or nearest(key, candidates)


def _keys_of(schema: type, prefix: str) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(schema)
    for field in fields(schema):
        kind = hints[field.name]
        members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        section = next((member for member in members if is_dataclass(member)), None)
        if isinstance(section, type):
            yield from _keys_of(section, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", kind


def _from_text(text: str) -> Any:
    try:
        return yaml.safe_load(re.sub(r":(?=\S)", ": ", text))
    except yaml.YAMLError as error:
        raise ConfigError(
            "the map of labels cannot be read",
            where="dataset.label_map",
            found=text,
            fix="'dataset.label_map={ruim: negativo, bom: positivo}'",
        ) from error


def _plain(value: Any) -> Any:
    """Enums as their values, all the way down."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def _adapter(schema: type) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


def _validate(schema: type, values: Mapping[str, Any], at: tuple[str, ...]) -> tuple[Any, list[AutotuneError]]:
    """The section, or None and what is wrong with it."""
    try:
        return _adapter(schema).validate_python(dict(values)), []
    except ValidationError as error:
        return None, [_finding(dict(detail), at) for detail in error.errors(include_url=False)]


def _finding(detail: Mapping[str, Any], at: tuple[str, ...]) -> AutotuneError:
    key = ".".join(str(part) for part in (*at, *detail["loc"]))
    if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        near = suggest(key)
        return ConfigError(
            f"there is no key {key}", where=key, found=_shown(detail["input"]),
            fix=f"did you mean {near}?" if near else None,
        )  # fmt: skip
    message = str(detail["msg"]).replace("Input should", f"{key} should", 1)
    return ConfigError(message, where=key, found=_shown(detail["input"]))


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 200 else text[:200] + "…"


def _tokens(value: Any, at: str = "") -> list[AutotuneError]:
    """A finding for each value or key that looks like a Hub token; the token is not repeated."""
    if isinstance(value, str):
        return [token_refused(at)] if holds_token(value) else []
    if isinstance(value, Mapping):
        found = [error for key in value for error in _tokens(str(key), at)]
        return found + [error for key, item in value.items() for error in _tokens(item, f"{at}.{key}".strip("."))]
    if isinstance(value, list | tuple):
        return [error for item in value for error in _tokens(item, at)]
    return []


def token_refused(where: str) -> ConfigError:
    """What is said when a Hub token stands in the configuration or on the command line."""
    return ConfigError(
        "a Hub token may not stand in the configuration: it would be saved with the run",
        where=where,
        fix="hf auth login, or the environment variable HF_TOKEN; and replace this token, others may have seen it",
    )


def _dataset(config: RunConfig) -> Iterator[AutotuneError]:
    dataset = config.dataset
    if dataset.path in (MISSING, ""):
        yield ConfigError(
            "it is not said where the data are",
            where="dataset.path",
            fix="dataset.path=FILE_OR_FOLDER (dataset=hub: a Hub id), or dataset=sample for data to try things out",
        )
    if dataset.task is not None and dataset.task != config.task.name:
        yield ConfigError(
            f"these data are made for task={dataset.task}",
            where="task",
            found=f"task={config.task.name} with {dataset.path}",
            fix=f"task={dataset.task}, or another dataset",
        )
    if dataset.validation_fraction + dataset.test_fraction >= 1:
        yield ConfigError(
            "validation and test would take all rows",
            where="dataset.validation_fraction, dataset.test_fraction",
            found=f"{dataset.validation_fraction} + {dataset.test_fraction}",
            fix="dataset.validation_fraction=0.1 dataset.test_fraction=0.1",
        )


def _model(config: RunConfig) -> Iterator[AutotuneError]:
    model = config.model
    if not model.name_or_path and model.tiny is None:
        yield ConfigError(
            "no base model is named",
            where="model.name_or_path",
            fix="model.name_or_path=ID_OR_FOLDER, model=bertimbau_base, or model=tiny",
        )
    if model.name_or_path and model.tiny is not None:
        yield ConfigError(
            "two base models are named: a tiny one and another",
            where="model",
            found=f"model.tiny={model.tiny} and model.name_or_path={model.name_or_path}",
            fix=f"model=custom model.name_or_path={model.name_or_path}, or model=tiny alone",
        )


def _trainer(config: RunConfig) -> Iterator[AutotuneError]:
    trainer = config.trainer
    if trainer.learning_rate == 0:
        yield ConfigError(
            "with a learning rate of 0 nothing is learned",
            where="trainer.learning_rate",
            found="0",
            fix=f"trainer.learning_rate={(config.peft or config.model).learning_rate}",
        )
    if not EVALUATE_EVERY.fullmatch(trainer.evaluate_every):
        yield ConfigError(
            "evaluations are counted in epochs (1ep, 0.5ep) or updates (200up)",
            where="trainer.evaluate_every",
            found=trainer.evaluate_every,
            fix="trainer.evaluate_every=1ep",
        )


def name_findings(config: RunConfig) -> Iterator[AutotuneError]:
    """Why the name cannot be that of a folder in the folder of runs."""
    name = config.name
    if name is None:
        return
    harmless = name.isprintable() and not re.search(r"[/\\]", name) and not name.startswith(".") and name == name.strip()
    if not name or not harmless or len(name.encode()) > 200:
        yield ConfigError(
            "the name of a run becomes the name of a folder: no / or \\, no dot first, no blank at an end, 200 bytes at most",
            where="name",
            found=repr(name[:200]),
            fix="name=my_run; where run folders are is said by runs=FOLDER",
        )
