"""Turns plain values into a checked `RunConfig` and back: types, ranges, rules, defaults for null, YAML.

Values just composed by Hydra and a saved config.yaml are checked equally strictly. Never import Hydra here.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import yaml
from omegaconf import MISSING
from pydantic import TypeAdapter, ValidationError

from autotune import registry
from autotune.config.enums import Keep
from autotune.config.keys import keys, tasks_with
from autotune.config.label_maps import read_map
from autotune.config.launcher import AUTO, NUM_PROCESSES
from autotune.config.proposals import is_valid, key_of_other_tasks, proposal, valid_override
from autotune.config.rules import environment_secrets, hub_tokens, machine_rules, rules
from autotune.config.schema import RunConfig
from autotune.config.section import FOLD, INTERVAL, LANGUAGE, NAME
from autotune.config.trainer import ALL, EMBEDDINGS, FREEZE
from autotune.errors import AutotuneError, ConfigError, format_override, raise_all, shell_words
from autotune.runtime.files import read_errors
from autotune.runtime.records import damaged, read_mapping

NOT_IDENTITY = (
    "runs", "name", "bundle", "hub", "resume", "check", "plan", "checkpoint", "guard", "evaluation", "report", "gate",
    "launcher", "slurm", "sweep", "seeds", "folds", "search", "tracking", "trainer.max_hours", "trainer.rank_timeout",
    "trainer.sharding", "trainer.pause_at", "dataset.columns.slices",
)  # fmt: skip
"""Keys that do not affect the result: two configurations that differ only in these are the same run."""
ADDED_LATER = (
    ("dataset", "label_fixes", None), ("dataset", "fold", None), ("dataset", "label_separator", None),
    ("dataset", "leave_out_test", False), ("dataset", "folder_files", {"train": None, "validation": None, "test": None}),
    ("dataset", "label_threshold", None), ("dataset.columns", "text_pair", None), ("dataset.columns", "labels", None),
    ("task", "calibrate", "none"), ("task", "temperature", None), ("task", "tune_threshold", False), ("trainer", "keep", "best"),
    ("model", "trim_vocabulary", False), ("model", "baseline", None), ("model", "C", 10.0),
    ("model", "max_epochs", None),
    ("task", "loss", "cross_entropy"), ("task", "focal_gamma", 2.0), ("task", "o_weight", 1.0),
    ("trainer", "head_learning_rate", None), ("trainer", "layer_decay", 1.0), ("trainer", "freeze", None),
)  # fmt: skip
"""Section, key and default of keys that older versions lacked: at their default they do not change the name of a run."""
ADDED_TO_TASKS: Mapping[str, tuple[tuple[str, str, Any], ...]] = {"ner": (("task", "class_weights", "none"),)}
"""The same of keys that only some tasks lacked."""
FORMER_PAUSE = "pause_at_end"
"""Key of `trainer` in older versions: true is `pause_at: 1`."""
EXPECTED: Mapping[str, tuple[str, Callable[[str], str]]] = {
    INTERVAL: (
        "intervals are counted in epochs (1ep, 0.5ep) or steps (200st)",
        lambda text: re.sub("up$", "st", text),
    ),
    LANGUAGE: (
        "a language is written as a BCP 47 tag: pt, pt-BR",
        lambda text: text.strip().replace("_", "-").partition(".")[0],
    ),
    FOLD: ("a fold is written i/k: the first of five is 1/5", lambda text: re.sub(r"\D+", "/", text.strip())),
    NAME: ("a name is missing", str),
    FREEZE: (
        "a part of the model is embeddings, a number of layers from the bottom, or all",
        lambda text: {"true": ALL, "false": "null", "none": "null"}.get(text.lower(), EMBEDDINGS),
    ),
    NUM_PROCESSES: ("the number of processes is 1 or more, or auto: one per GPU", lambda _: AUTO),
}
"""What a value must be, by the pattern of the schema or the type of the error, and the value that was probably meant."""


def parse_config(values: Mapping[str, Any], *, to_run: bool = False) -> RunConfig:
    """Checks plain values and turns them into the typed configuration, with enum members for their values.

    Args:
        values: nested dicts, as in config.yaml; interpolations resolved.
        to_run: whether to check this machine, too; not for a saved run, which may come from another machine.

    Raises:
        ConfigError: unknown keys (with the nearest one), wrong types, values out of range, sections that
            contradict each other, a Hub token, or (to_run) a secret of the environment. Several are raised together.
    """
    raise_all([*hub_tokens(values), *(environment_secrets(values) if to_run else ())])
    task = values.get("task")
    if not isinstance(task, Mapping) or task.get("name", MISSING) == MISSING:
        raise ConfigError("no task is chosen", where="task", fix="task=sentiment")
    values = _with_former_defaults(values)
    dataset = values.get("dataset")
    if isinstance(dataset, Mapping) and isinstance(dataset.get("label_map"), str):
        # Parsed here and not by Hydra, which reads keys as numbers and allows no accents in them.
        values = {**values, "dataset": {**dataset, "label_map": read_map(dataset["label_map"])}}
    task_class = registry.task(str(task["name"])).Config
    task_config, task_errors = _validate(task_class, task, ("task",))
    config, other_errors = _validate(RunConfig, {**values, "task": task_config or task_class()}, ())
    if errors := task_errors + other_errors:
        raise_all(errors + _errors_of_other_keys(values, errors, to_run=to_run))
    assert isinstance(config, RunConfig), "without errors there is a configuration"
    raise_all(rules(config) + (machine_rules(config) if to_run else []))
    return config


def fill_defaults(config: RunConfig, readable: str) -> RunConfig:
    """Replaces null: learning rate and epochs by their defaults, the name by one with a hash of what affects the result.

    Where `trainer.min_steps` may add epochs, they stay null until the rows are known (`training.sizes`).

    Args:
        config: from `parse_config`; changed in place.
        readable: the part of the name before the hash.
    """
    trainer = config.trainer
    if trainer.learning_rate is None:
        trainer.learning_rate = (config.peft or config.model).learning_rate
    if trainer.epochs is None and not trainer.min_steps:
        trainer.epochs = config.model.epochs
    if config.name is None:
        config.name = f"{readable}-{digest(config)}"
    return config


def digest(config: RunConfig) -> str:
    """Returns the first eight hexadecimal digits of the SHA-256 over everything that affects the result."""
    identity = to_dict(config)
    for key in NOT_IDENTITY:
        *path, last = key.split(".")
        reduce(getitem, path, identity).pop(last, None)
    if identity["dataset"]["seed"] == config.seed:
        # Older versions had no dataset.seed; without it the hash is the same, so their run folders are still found.
        del identity["dataset"]["seed"]
    if config.trainer.epochs is not None:
        del identity["trainer"]["min_steps"]  # has no effect
    for name, key, default in (*ADDED_LATER, *ADDED_TO_TASKS.get(config.task.name, ())):
        section = reduce(getitem, name.split("."), identity)
        if section.get(key, default) == default:
            section.pop(key, None)
    if config.dataset.label_fixes is not None:
        identity["dataset"]["label_fixes"] = _content_digest(config.dataset.label_fixes)
    # Through JSON first: label_map may have numbers and text as keys, which cannot be sorted together.
    canonical = json.dumps(json.loads(json.dumps(identity)), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def _content_digest(file: str) -> str:
    """Returns the SHA-256 of a file's content, so that an edited file is another run; its name where it cannot be read."""
    path = Path(file).expanduser()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else file


def diff(saved: Mapping[str, Any], config: RunConfig) -> list[str]:
    """Returns the changes that affect the result, as `key: old -> new`; keys that an older version lacked do not count."""
    old, new = flatten(_with_former_defaults(saved)), flatten(to_dict(config))
    if None not in (old.get("trainer.epochs"), config.trainer.epochs):
        del new["trainer.min_steps"]  # has no effect
        old.pop("trainer.min_steps", None)
    shaping = [
        key for key in sorted(old.keys() | new.keys()) if not {key, key.split(".")[0]} & set(NOT_IDENTITY)
    ]
    return [
        f"{key}: {old.get(key)} -> {new.get(key)}"
        for key in shaping
        if old.get(key) != new.get(key) and (key in old or key not in keys())
    ]


def changed_at(key: str, saved: Mapping[str, Any], config: RunConfig) -> list[str]:
    """Returns the part of `diff` at a key or in the section of that name."""
    return [change for change in diff(saved, config) if f"{change.partition(': ')[0]}.".startswith(f"{key}.")]


def to_dict(config: RunConfig) -> dict[str, Any]:
    """Returns the configuration as nested dicts, with the values of enum members."""
    values: dict[str, Any] = plain(asdict(config))
    return values


def dump_config(config: RunConfig) -> str:
    """Returns the configuration as YAML that `load_config` reads back."""
    text: str = yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True, width=110)
    return text


def load_config(path: Path) -> RunConfig:
    """Reads a saved config.yaml as strictly as a composed one.

    Raises:
        ConfigError: the file is missing or invalid YAML, or `parse_config` refuses it.
    """
    values = load_values(path)
    try:
        return parse_config(values)
    except AutotuneError as error:
        first = error.errors[0]
        raise damaged(path, str(first).replace("\n", "; "), _restore_advice(path), ConfigError) from error


def parse_yaml(text: str) -> RunConfig:
    """Reads what `dump_config` has written for another process of the same run.

    Raises:
        ConfigError: see `parse_config`.
    """
    return parse_config(yaml.safe_load(text))


def load_values(path: Path) -> dict[str, Any]:
    """Reads the plain values of a saved config.yaml.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        with read_errors(path, elsewhere="another run"):
            return read_mapping(path, fix=_restore_advice(path))
    except OSError as error:
        raise ConfigError("the configuration cannot be read", where=str(path), found=str(error)) from error


def _restore_advice(path: Path) -> str:
    return f"bring it back from a copy; predict and evaluate work without it: mv {shell_words(path, f'{path}.damaged')}"


def _with_former_defaults(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Adds keys to a run saved before they existed, and renames those that had another name.

    Its own seed made the splits, validation chose the weights, and the only pause was after the last step.
    """
    dataset, trainer = values.get("dataset"), values.get("trainer")
    if isinstance(dataset, Mapping) and "seed" not in dataset and "seed" in values:
        values = {**values, "dataset": {**dataset, "seed": values["seed"]}}
    if isinstance(trainer, Mapping) and "epochs" in trainer and "keep" not in trainer:
        trainer = {"min_steps": 0, "keep": Keep.best.value, **trainer}
    if isinstance(trainer, Mapping) and FORMER_PAUSE in trainer:
        trainer = {key: value for key, value in trainer.items() if key != FORMER_PAUSE}
        trainer |= {"pause_at": 1.0 if values["trainer"][FORMER_PAUSE] else None}
    if trainer is not values.get("trainer"):
        values = {**values, "trainer": trainer}
    return values


@cache
def _adapter(schema: type) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


def _validate(
    schema: type, values: Mapping[str, Any], prefix: tuple[str, ...]
) -> tuple[Any, list[AutotuneError]]:
    """Returns the section and no errors, or None and its errors."""
    try:
        return _adapter(schema).validate_python(dict(values)), []
    except ValidationError as error:
        return None, [_to_config_error(dict(detail), prefix) for detail in error.errors(include_url=False)]


def _errors_of_other_keys(
    values: Mapping[str, Any], errors: Sequence[AutotuneError], *, to_run: bool
) -> list[AutotuneError]:
    """Returns the errors that do not depend on the invalid keys, so that the user can correct all at once."""
    invalid_keys = [str(error.where) for error in errors]
    rest = reduce(_without, invalid_keys, values)
    if rest == values:
        return []
    try:
        parse_config(rest, to_run=to_run)
    except AutotuneError as error:
        return [other for other in error.errors if not any(key in str(other) for key in invalid_keys)]
    return []


def _without(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Returns nested dicts without a dotted key."""
    name, _, rest = key.partition(".")
    section = values.get(name)
    if rest and isinstance(section, Mapping):
        return {**values, name: _without(section, rest)}
    return {other: value for other, value in values.items() if other != name}


def _to_config_error(detail: Mapping[str, Any], prefix: tuple[str, ...]) -> AutotuneError:
    key = ".".join(str(part) for part in (*prefix, *detail["loc"]))
    value = "null" if detail["input"] is None else str(detail["input"])
    shown = value if len(value) <= 200 else value[:200] + "…"
    if detail["type"] == "unexpected_keyword_argument":
        if tasks := tasks_with(key):
            return key_of_other_tasks(key, key, tasks)
        fix, note = proposal(key, value)
        return ConfigError(
            f"there is no key {key}", where=key, found=f"{shown}; {note}" if note else shown, fix=fix
        )
    kind = detail.get("ctx", {}).get("pattern", detail["type"])
    if kind in EXPECTED:
        message, repair = EXPECTED[kind]
        shown, repaired = repr(shown), repair(value)
        if key in keys() and is_valid(key, repaired):
            return ConfigError(message, where=key, found=shown, fix=format_override(key, repaired))
    else:
        message = str(detail["msg"]).replace("Input should", f"{key} should", 1)
    return ConfigError(message, where=key, found=shown, fix=valid_override(key, value))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested dicts as one dict with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def plain(value: Any) -> Any:
    """Returns a value of the configuration as JSON has it: with the values of enum members, at every level."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
