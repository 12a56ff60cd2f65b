"""From plain values to a `RunConfig` and back: types, ranges and rules; what null stands for; YAML.

The same strict way serves what Hydra has just composed and a saved config.yaml. No Hydra here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import MISSING
from pydantic import TypeAdapter, ValidationError

from autotune import registry
from autotune.config.keys import keys
from autotune.config.label_maps import read_map
from autotune.config.proposals import proposal
from autotune.config.rules import machine_rules, own_secrets, rules, tokens
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, raise_all, shell_words
from autotune.runtime.files import read_errors
from autotune.runtime.records import damaged, read_mapping

NOT_IDENTITY = (
    "runs", "name", "hub", "resume", "check", "plan", "checkpoint", "guard", "report", "trainer.max_hours",
    "trainer.rank_timeout",
)  # fmt: skip
"""Keys that do not shape the result: two configurations that differ in these alone are the same run."""


def parse_config(values: Mapping[str, Any], *, to_run: bool = False) -> RunConfig:
    """Checks plain values and makes the typed configuration of them; enums are enums again.

    Args:
        values: nested dicts, as in config.yaml; interpolations resolved.
        to_run: whether this machine matters, too; it does not for a run that was saved, perhaps elsewhere.

    Raises:
        ConfigError: unknown keys (with the nearest one), wrong types, values out of range, sections that
            contradict each other, a Hub token, or (to_run) a secret of the environment. Several are raised together.
    """
    raise_all([*tokens(values), *(own_secrets(values) if to_run else ())])
    task = values.get("task")
    if not isinstance(task, Mapping) or task.get("name", MISSING) == MISSING:
        raise ConfigError("no task is chosen", where="task", fix="task=sentiment")
    values = _with_seed_of_splits(values)
    dataset = values.get("dataset")
    if isinstance(dataset, Mapping) and isinstance(dataset.get("label_map"), str):
        # As it was typed: Hydra reads keys as numbers, and its grammar has no accents in them.
        values = {**values, "dataset": {**dataset, "label_map": read_map(dataset["label_map"])}}
    kind = registry.task(str(task["name"])).Config
    section, errors = _validate(kind, task, ("task",))
    config, others = _validate(RunConfig, {**values, "task": section or kind()}, ())
    raise_all(errors + others)
    assert isinstance(config, RunConfig), "without errors there is a configuration"
    raise_all(rules(config) + (machine_rules(config) if to_run else []))
    return config


def fill_defaults(config: RunConfig, readable: str) -> RunConfig:
    """Fills in what null stands for: learning rate, epochs and, from all that shapes the result, the name.

    Args:
        config: from `parse_config`; it is changed.
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


def digest(config: RunConfig) -> str:
    """Eight hexadecimal digits of the SHA-256 over everything that shapes the result."""
    identity = {key: value for key, value in to_dict(config).items() if key not in NOT_IDENTITY}
    identity["trainer"] = {
        key: value for key, value in identity["trainer"].items() if f"trainer.{key}" not in NOT_IDENTITY
    }
    if identity["dataset"]["seed"] == config.seed:
        del identity["dataset"][
            "seed"
        ]  # As when splits had the run's own seed, so that folders of before are found.
    # Through JSON once: keys of label_map may be numbers and text at once, which cannot be sorted.
    canonical = json.dumps(json.loads(json.dumps(identity)), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def diff(saved: Mapping[str, Any], config: RunConfig) -> list[str]:
    """What shapes the result and differs: `key: old -> new`. A key that an older version lacked does not."""
    old, new = _flat(_with_seed_of_splits(saved)), _flat(to_dict(config))
    shaping = [
        key for key in sorted(old.keys() | new.keys()) if not {key, key.split(".")[0]} & set(NOT_IDENTITY)
    ]
    return [
        f"{key}: {old.get(key)} -> {new.get(key)}"
        for key in shaping
        if old.get(key) != new.get(key) and (key in old or key not in keys())
    ]


def changed_at(key: str, saved: Mapping[str, Any], config: RunConfig) -> list[str]:
    """`diff` at a key or in the section of that name."""
    return [change for change in diff(saved, config) if f"{change.partition(': ')[0]}.".startswith(f"{key}.")]


def to_dict(config: RunConfig) -> dict[str, Any]:
    """The configuration as nested dicts, enums as their values."""
    values: dict[str, Any] = _plain(asdict(config))
    return values


def dump_config(config: RunConfig) -> str:
    """The configuration as YAML that `load_config` reads back."""
    text: str = yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True, width=110)
    return text


def load_config(path: Path) -> RunConfig:
    """Reads a saved config.yaml as strictly as a composed one.

    Raises:
        ConfigError: there is no such file, it is no YAML, or `parse_config` refuses it.
    """
    values = load_values(path)
    try:
        return parse_config(values)
    except AutotuneError as error:
        first = error.errors[0]
        raise damaged(path, str(first).replace("\n", "; "), _without(path), ConfigError) from error


def load_values(path: Path) -> dict[str, Any]:
    """The plain values of a saved config.yaml.

    Raises:
        ConfigError: there is no such file, or it is damaged.
    """
    try:
        with read_errors(path, elsewhere="another run"):
            return read_mapping(path, fix=_without(path))
    except OSError as error:
        raise ConfigError("the configuration cannot be read", where=str(path), found=str(error)) from error


def _without(path: Path) -> str:
    return f"bring it back from a copy; predict and evaluate work without it: mv {shell_words(path, f'{path}.damaged')}"


def _with_seed_of_splits(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Runs that were saved before `dataset.seed` existed made their splits with the run's own seed."""
    dataset = values.get("dataset")
    if not isinstance(dataset, Mapping) or "seed" in dataset or "seed" not in values:
        return values
    return {**values, "dataset": {**dataset, "seed": values["seed"]}}


@cache
def _adapter(schema: type) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


def _validate(
    schema: type, values: Mapping[str, Any], at: tuple[str, ...]
) -> tuple[Any, list[AutotuneError]]:
    """The section, or None and what is wrong with it."""
    try:
        return _adapter(schema).validate_python(dict(values)), []
    except ValidationError as error:
        return None, [_finding(dict(detail), at) for detail in error.errors(include_url=False)]


def _finding(detail: Mapping[str, Any], at: tuple[str, ...]) -> AutotuneError:
    key = ".".join(str(part) for part in (*at, *detail["loc"]))
    given = "null" if detail["input"] is None else str(detail["input"])
    found = given if len(given) <= 200 else given[:200] + "…"
    if detail["type"] == "unexpected_keyword_argument":
        fix, note = proposal(key, given)
        return ConfigError(
            f"there is no key {key}", where=key, found=f"{found}; {note}" if note else found, fix=fix
        )
    message = str(detail["msg"]).replace("Input should", f"{key} should", 1)
    return ConfigError(message, where=key, found=found)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _plain(value: Any) -> Any:
    """Enums as their values, all the way down."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
