"""Finds which tool a configuration belongs to and which task it trains, and brings its keys under one vocabulary."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune import registry
from autotune.config.migration import names
from autotune.config.migration.old_file import OldFile, read_old_file, token_in_file
from autotune.errors import (
    AutotuneError,
    ConfigError,
    format_override,
    listing,
    nearest,
    raise_all,
    shell_words,
)

PARAMS = "training_params.json"
"""File with the parameters of an AutoTrain project."""
DATA = "autotrain-data"
"""Folder inside an AutoTrain project that holds its rows."""
VARIABLE = re.compile(r"\$\{\w+\}|\$\w+")
"""A variable of the environment."""
REQUIRED = ("base_model", "project_name", "log", "backend", "data.path", "data.train_split", "data.valid_split",
            "data.column_mapping")  # fmt: skip
"""Keys that AutoTrain itself requires of a YAML file, besides `task`."""


@dataclass(frozen=True)
class OldRun:
    """A run of another tool."""

    tool: str
    task: str
    """Our task."""
    file: OldFile
    keys: dict[str, str]
    """Key in the file by the vocabulary of `names`."""
    stated: bool = True
    """Whether every value was written by a person; a saved training_params.json also holds all defaults."""
    project: Path | None = None
    """Folder of an AutoTrain project with its rows."""
    dropped: dict[str, list[str]] = field(default_factory=dict)
    """Keys without a counterpart, by the reason."""
    unknown: list[str] = field(default_factory=list)


def read_old_run(name: str, task: str | None) -> OldRun:
    """Reads a configuration of AutoTrain or of an example script, or an AutoTrain project.

    Args:
        name: file or folder.
        task: our or AutoTrain's name of the task, where the file does not say it.

    Raises:
        ConfigError: see `read_old_file`; the file belongs to no known tool, its task is none of ours or unknown, or
            keys are missing.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / PARAMS).is_file():
            raise _no_parameters(path)
        name = str(path / PARAMS)
    file = read_old_file(name)
    keys = file.values.keys()
    sections = {key.partition(".")[0] for key in keys}
    if "defaults" in sections:
        raise ConfigError(
            "this is an experiment of autotune already",
            where=name,
            fix="autotune --config-dir FOLDER experiment=NAME",
        )
    if "model_name_or_path" in keys:
        return _script_run(file, task)
    if "task" in keys and sections & {"base_model", "data", "project_name"}:
        return _autotrain_run(file)
    if {"data_path", "project_name", "model"} <= keys:
        return _project_run(file, task)
    raise ConfigError(
        "this is not a configuration of AutoTrain or of the example scripts of transformers",
        where=name,
        found=f"keys: {listing(sections)}",
        fix="AutoTrain has task, base_model and data; the scripts have model_name_or_path",
    )


def _no_parameters(folder: Path) -> ConfigError:
    data = folder / DATA if (folder / DATA).is_dir() else folder
    return ConfigError(
        f"the folder has no {PARAMS}, so only its rows can be used",
        where=str(folder),
        fix=f"autotune task=classification model=bertimbau_base dataset=arrow {format_override('dataset.path', str(data))}",
    )


def our_task(name: str, where: str) -> str:
    """Returns our task by AutoTrain's name of it, or by our own.

    Raises:
        ConfigError: autotune does not train it.
    """
    plain = name.lower().replace("-", "_")
    if plain in names.AUTOTRAIN_TASKS:
        return names.AUTOTRAIN_TASKS[plain]
    if plain in registry.tasks():
        return plain
    other = next((tool for pattern, tool in names.OTHER_TASKS.items() if re.match(pattern, plain)), None)
    if other is not None:
        raise ConfigError("autotune does not train this task", where=where, found=name, fix=other)
    near = nearest(plain, names.AUTOTRAIN_TASKS)
    fix = (
        f"{'--task' if where == '--task' else 'task:'} {near}"
        if near
        else f"one of {listing(names.AUTOTRAIN_TASKS)}"
    )
    raise ConfigError("AutoTrain has no such task", where=where, found=name, fix=fix)


def _autotrain_run(file: OldFile) -> OldRun:
    """Reads AutoTrain's YAML: sections data, params and hub."""
    task = our_task(str(file.values["task"]), file.where("task"))
    backend = str(file.values.get("backend", "local"))
    errors: list[AutotuneError] = []
    if not backend.startswith("local"):
        errors.append(ConfigError(
            "autotune rents no machines",
            where=file.where("backend"),
            found=backend,
            fix="backend: local, and train where the GPU is; on a cluster: autotune submit cluster=slurm …",
        ))  # fmt: skip
    missing = [key for key in REQUIRED if not any(f"{name}.".startswith(f"{key}.") for name in file.values)]
    if missing:
        errors.append(ConfigError(
            "keys are missing that AutoTrain requires",
            where=file.where(missing[0]),
            found=f"missing: {listing(missing)}",
            fix="\n".join(f"{key}: …" for key in missing),
        ))  # fmt: skip
    keys, unknown = {"task": "task"}, []
    for key in file.values:
        section, _, leaf = key.rpartition(".")
        known = section in ("", "data", "data.column_mapping", "params", "hub")
        word = names.AUTOTRAIN_KEYS.get(leaf) if known else None
        if key == "task" or (file.values[key] in (None, {}) and key in ("params", "hub")):
            continue
        if word is None:
            unknown.append(key)
        elif word in keys:
            errors.append(_same_meaning(file, keys[word], key))
        else:
            keys[word] = key
    raise_all(errors)
    run = OldRun(names.AUTOTRAIN, task, file, keys, unknown=unknown)
    _refuse_variables(run)
    return run


def _project_run(file: OldFile, task: str | None) -> OldRun:
    """Reads the training_params.json of an AutoTrain project."""
    foreign = sorted(
        file.values.keys()
        & {"block_size", "trainer", "image_column", "rejected_text_column", "categorical_columns"}
    )
    if foreign:
        raise ConfigError(
            "autotune does not train this task",
            where=file.where(foreign[0]),
            found=f"keys: {listing(foreign)}",
            fix=next(iter(names.OTHER_TASKS.values())),
        )
    folder = file.path.parent
    keys: dict[str, str] = {}
    unknown = []
    for key in file.values:
        word = names.AUTOTRAIN_KEYS.get(key)
        if word is None:
            unknown.append(key)
        else:
            keys[word] = key
    project = folder if (folder / DATA).is_dir() else None
    if task is not None:
        chosen = our_task(task, "--task")
    elif "max_target_length" in keys:
        chosen = names.AUTOTRAIN_TASKS["seq2seq"]
    elif "tags_column" in file.values:
        chosen = names.AUTOTRAIN_TASKS["token_classification"]
    else:
        chosen = _task_of_rows(folder / DATA, file)
    run = OldRun(names.AUTOTRAIN, chosen, file, keys, stated=False, project=project, unknown=unknown)
    _refuse_variables(run)
    return run


def _task_of_rows(data: Path, file: OldFile) -> str:
    """Returns classification or regression, whose parameters are the same, by the type of the labels in the rows."""
    info = next(
        (
            path
            for path in (data / "train" / "dataset_info.json", data / "dataset_info.json")
            if path.is_file()
        ),
        None,
    )
    if info is not None:
        label = read_old_file(str(info)).values
        if label.get("features.autotrain_label._type") == "ClassLabel":
            return names.AUTOTRAIN_TASKS["text_classification"]
        if str(label.get("features.autotrain_label.dtype", "")).startswith(("float", "int")):
            return names.AUTOTRAIN_TASKS["text_regression"]
    raise _unknown_task(file, "text_classification or text_regression")


def _script_run(file: OldFile, task: str | None) -> OldRun:
    """Reads the arguments of run_glue, run_classification, run_ner or run_summarization."""
    foreign = [key for key in names.OTHER_SCRIPTS if file.values.get(key) is not None]
    if foreign:
        raise ConfigError(
            "autotune does not train the task of this script",
            where=file.where(foreign[0]),
            found=f"arguments: {listing(foreign)}",
            fix="autotune migrate reads run_glue, run_classification, run_ner and run_summarization",
        )
    keys: dict[str, str] = {}
    dropped: dict[str, list[str]] = {}
    unknown, errors = [], []
    for key in file.values:
        word, reason = names.SCRIPT_KEYS.get(key), names.reason_to_drop(key.partition(".")[0])
        if word is None and reason is None:
            unknown.append(key)
        elif word is None and reason is not None:
            dropped.setdefault(reason, []).append(key)
        elif word in keys and file.values[key] != file.values[keys[word]]:
            errors.append(_same_meaning(file, keys[word], key))
        elif word is not None:
            keys[word] = key
    raise_all(errors)
    chosen = our_task(task, "--task") if task is not None else _task_of_script(file)
    run = OldRun(names.SCRIPTS, chosen, file, keys, dropped=dropped, unknown=unknown)
    _refuse_variables(run)
    return run


def _task_of_script(file: OldFile) -> str:
    stated = {key for key, value in file.values.items() if value is not None}
    task_name = str(file.values.get("task_name", "")).lower()
    if stated & set(names.SUMMARY_KEYS):
        return "summarization"
    if stated & set(names.NER_KEYS) or task_name in names.NER_TASKS:
        return "ner"
    if file.values.get("do_regression") is True or task_name == "stsb":
        return "regression"
    if stated & set(names.CLASSIFICATION_KEYS) or task_name in names.GLUE:
        return "classification"
    raise _unknown_task(file, "classification, multi_label, regression, ner or summarization")


def _unknown_task(file: OldFile, tasks: str) -> ConfigError:
    return ConfigError(
        "the file does not say which task it trains",
        where=str(file.path),
        found=f"it may be {tasks}",
        fix=shell_words("autotune", "migrate", file.path, "--task", re.split(r"[, ]", tasks)[0]),
    )


def _same_meaning(file: OldFile, first: str, second: str) -> ConfigError:
    return ConfigError(
        f"{first} and {second} set the same",
        where=file.where(second),
        found=f"{first}, {second}",
        fix="remove one of them",
    )


def _refuse_variables(run: OldRun) -> None:
    """Raises ConfigError for a token that is written out, and for variables where AutoTrain does not expand them."""
    errors: list[AutotuneError] = []
    values: Mapping[str, Any] = run.file.values
    for key in values:
        value = values[key]
        if key == run.keys.get("token"):
            if isinstance(value, str) and value and not VARIABLE.fullmatch(value.strip()):
                errors.append(token_in_file(run.file.where(key)))
        elif key != run.keys.get("username") and "${" in str(value):
            errors.append(ConfigError("a variable of the environment is read only for username and token",
                where=run.file.where(key), found=str(value), fix="write the value itself"))  # fmt: skip
    raise_all(errors)
