"""Composes configurations with Hydra and returns them as `RunConfig`; nothing of Hydra reaches the callers."""

import os
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from autotune import registry
from autotune.config.hydra_errors import translate_hydra_error
from autotune.config.hydra_loader import copy_config, open_hydra
from autotune.config.load import fill_defaults, parse_config
from autotune.config.overrides import SWEEP_FLAGS, key_of, normalize_argv
from autotune.config.schema import RunConfig, TaskConfig
from autotune.config.sweep import (
    FOLD,
    FOLDS,
    SEED,
    SEEDS,
    asks_for_several,
    distinct_run_folders,
    read_folds,
    read_seeds,
)
from autotune.config.user_files import with_user_files
from autotune.errors import AutotuneError, ConfigError, raise_all
from autotune.runtime.library_errors import library_errors
from autotune.runtime.places import config_folder

PRIMARY = "run"
"""Name of Hydra's primary config, with the defaults list."""
USER_CONFIGS = "AUTOTUNE_CONFIGS"
"""Environment variable: a folder of YAML files that take precedence over the shipped ones."""


@dataclass(frozen=True)
class Composed:
    """One run as Hydra composed it."""

    config: DictConfig
    choices: dict[str, str | None]
    """The option chosen from each group."""
    overridden: frozenset[str]
    """Keys and groups set on the command line."""
    folders: tuple[Path, ...]
    """Folders of YAML files; an option is read from the first one that has it."""


class Member(NamedTuple):
    """A run of a command line: the only one, or one of a sweep."""

    config: RunConfig
    words: tuple[str, ...]
    """Flags and overrides, without the command, that compose only this configuration."""


def compose(argv: Sequence[str]) -> list[RunConfig]:
    """Returns the configurations of `members`."""
    return [member.config for member in members(argv)]


def members(argv: Sequence[str]) -> list[Member]:
    """Composes the configurations of a command line.

    Args:
        argv: overrides and Hydra's flags, without the command.

    Returns:
        One run; with --multirun, `seeds` or `folds` one per combination; none if a flag only asked for information, which Hydra
        printed.

    Raises:
        ConfigError: the command line or a YAML file is wrong; several errors are raised together.
    """
    words = normalize_argv(argv)
    args = get_args_parser().parse_args(words)
    if asks_for_several(args.overrides) and not (
        args.multirun or args.help or args.cfg or args.info or args.run
    ):
        words = normalize_argv(["--multirun", *argv])
        args = get_args_parser().parse_args(words)
    flags = [word for word in words[: len(words) - len(args.overrides)] if word not in SWEEP_FLAGS]
    runs, composed, plain = _compose_runs(argv, words, args)
    if runs is None:
        return []
    if not composed:
        raise ConfigError("the sweep has no runs: its glob or choice matches nothing", found=" ".join(words))
    configs = _to_run_configs(composed, plain)
    raise_all(list(distinct_run_folders(configs, runs)))
    return [Member(config, (*flags, *overrides)) for config, overrides in zip(configs, runs, strict=True)]


def compose_untyped(argv: Sequence[str]) -> tuple[dict[str, Any], frozenset[str]]:
    """Composes overrides of one run.

    Returns:
        The values, with types and ranges unchecked, and the keys and groups that the overrides set.

    Raises:
        ConfigError: see `members`.
    """
    words = normalize_argv(argv)
    _, (composed,), (values,) = _compose_runs(argv, words, get_args_parser().parse_args(words))
    return values, composed.overridden


def _compose_runs(
    argv: Sequence[str], words: list[str], args: Namespace
) -> tuple[list[list[str]] | None, list[Composed], list[Any]]:
    """Returns overrides, configuration and plain values of each run; None for the overrides if a flag only asked for
    information.

    Args:
        argv: what the user typed, for messages.
        words: the same, normalized for Hydra.
        args: the parsed `words`.
    """
    user_folder = os.environ.get(USER_CONFIGS) or None
    _refuse_missing_folders({USER_CONFIGS: user_folder, "--config-dir": args.config_dir})
    _register_schemas()
    try:
        with library_errors(lambda error: translate_hydra_error(error, argv, groups())):
            hydra = open_hydra(config_folder(), user_folder, args.config_dir)
            if _print_information(hydra, args):
                return None, [], []
            runs = []
            composed = []
            for overrides in _sweep_overrides(hydra, args):
                for member_overrides, run in _compose_members(hydra, args, overrides):
                    runs.append(member_overrides)
                    composed.append(run)
            return runs, composed, [OmegaConf.to_container(run.config, resolve=True) for run in composed]
    except SystemExit as exit_request:
        if exit_request.code:
            raise
        return None, [], []


def _compose_one(hydra: Hydra, args: Namespace, overrides: list[str]) -> Composed:
    """Composes the configuration of one run."""
    config = hydra.compose_config(args.config_name or PRIMARY, overrides, RunMode.RUN)
    task_overrides: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    choices = dict(config.hydra.runtime.choices)
    sources = config.hydra.runtime.config_sources
    folders = tuple(Path(source.path) for source in sources if source.schema == "file")
    with open_dict(config):
        del config["hydra"]
    return Composed(config, choices, frozenset(map(key_of, task_overrides)), folders)


def _compose_members(
    hydra: Hydra, args: Namespace, overrides: list[str]
) -> Iterator[tuple[list[str], Composed]]:
    """Composes the configurations of one combination, each with its overrides: one, or one per seed of `seeds` and fold of
    `folds`."""
    composed = _compose_one(hydra, args, overrides)
    members: list[dict[str, Any]] = [{}]
    if (seeds := _plain(composed.config, SEEDS)) is not None:
        seeds = read_seeds(seeds, _plain(composed.config, SEED), composed.overridden)
        members = [{SEED: seed} for seed in seeds]
    if (folds := _plain(composed.config, FOLDS)) is not None:
        folds = read_folds(folds, composed.overridden)
        members = [{**member, FOLD: fold} for member in members for fold in folds]
    if members == [{}]:
        yield overrides, composed
        return
    replaced = {key for member in members for key in member} | {SEEDS, FOLDS}
    rest = [word for word in overrides if key_of(word) not in replaced]
    again = _compose_one(hydra, args, rest).config
    rest += [f"{key}=null" for key in (SEEDS, FOLDS) if again.get(key) is not None]  # set by a YAML file
    for member in members:
        config = copy_config(composed.config)
        for key, value in {**member, SEEDS: None, FOLDS: None}.items():
            OmegaConf.update(config, key, value)
        yield (
            [*rest, *(f"{key}={value}" for key, value in member.items())],
            replace(composed, config=config, overridden=composed.overridden | member.keys()),
        )


def _plain(config: DictConfig, key: str) -> Any:
    """Returns the value of a key, resolved; None where it is absent."""
    value = OmegaConf.select(config, key)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _sweep_overrides(hydra: Hydra, args: Namespace) -> list[list[str]]:
    """Returns the overrides of each run; with --multirun, of each combination."""
    if not args.multirun:
        return [args.overrides]
    parsed = OverridesParser.create(hydra.config_loader).parse_overrides(args.overrides)
    (runs,) = BasicSweeper.split_arguments(parsed, None)
    return runs


def _print_information(hydra: Hydra, args: Namespace) -> bool:
    """Prints what --help, --cfg or --info asks for; returns False if unknown flag."""
    name = args.config_name or PRIMARY
    information_flags = [args.help, args.cfg is not None, args.info is not None]
    if sum([*information_flags, args.run or args.multirun]) > 1:
        raise ConfigError(
            "only one of --run, --multirun, --cfg, --info and --help can be asked for",
            where="the command line",
            fix="one of them",
        )
    if not any(information_flags):
        return False
    # Hydra would report mistakes in its own words; composing first raises ours.
    _compose_one(hydra, args, args.overrides)
    if args.help:
        hydra.app_help(name, get_args_parser(), args)
    elif args.cfg is not None:
        hydra.show_cfg(name, args.overrides, args.cfg, args.package, args.resolve)
    else:
        hydra.show_info(args.info, name, args.overrides)
    return True


def compose_by_task(overrides: Sequence[str]) -> dict[str, RunConfig]:
    """Composes overrides for the task that they set, or else for every task they are valid for.

    Raises:
        ConfigError: they are valid for no task, or are a sweep.
    """
    named = any(key_of(word) == "task" for word in overrides)
    configs: dict[str, RunConfig] = {}
    errors: list[AutotuneError] = []
    for words in [[]] if named else [[f"task={name}"] for name in registry.tasks()]:
        try:
            (config,) = compose([*words, *overrides])
        except AutotuneError as error:
            errors.append(error)
        else:
            configs[config.task.name] = config
    if not configs:
        raise errors[0]
    return configs


def _register_schemas() -> None:
    """Stores the schemas of runs and tasks in Hydra, each once: plug-ins may add tasks between two calls."""
    store = ConfigStore.instance()
    if not _registered_schemas:
        store.store(group="schema", name="run", node=RunConfig, package="_global_")
    for name, task in registry.tasks().items():
        if _registered_schemas.get(name) is not task.Config:
            store.store(group="schema/task", name=name, node=task.Config)
            _registered_schemas[name] = task.Config


_registered_schemas: dict[str, type[TaskConfig]] = {}
"""Schemas of tasks that Hydra has, by name of the task."""


def _to_run_configs(composed: Sequence[Composed], plain: Sequence[Any]) -> list[RunConfig]:
    """Returns the configurations of all runs; raises the errors of all of them together, each message once."""
    configs: list[RunConfig] = []
    errors: dict[str, AutotuneError] = {}
    for run, values in zip(composed, plain, strict=True):
        try:
            configs.append(_to_run_config(run, values))
        except AutotuneError as error:
            errors |= {str(single): single for single in error.errors}
    raise_all(list(errors.values()))
    return configs


def _to_run_config(composed: Composed, values: Any) -> RunConfig:
    overridden = composed.overridden
    model = values.get("model")
    chosen = isinstance(model, dict) and (model.get("name_or_path") or model.get("baseline"))
    if chosen and not overridden & {"model", "model.tiny"}:
        # The tiny model is only the default for when no model is chosen.
        model["tiny"] = None
    values = with_user_files(values, composed.folders, config_folder(), composed.choices, overridden)
    config = parse_config(values, to_run=True)
    return fill_defaults(config, _readable_name(composed, config))


def _readable_name(composed: Composed, config: RunConfig) -> str:
    """Returns the readable part of the run's name: task, data set, model and adapter."""
    options, named = composed.choices, composed.overridden
    data = Path(config.dataset.path).stem
    base = str(config.model.baseline or Path(config.model.name_or_path or "").name)
    parts = (
        config.task.name,
        data if "dataset.path" in named else options.get("dataset"),
        base if base and named & {"model.name_or_path", "model.baseline"} else options.get("model"),
        options.get("peft") if config.peft is not None else None,
    )
    slugs = (re.sub(r"[^\w.]+", "_", part or "").strip("._")[:40] for part in parts)
    return "-".join(slug for slug in slugs if slug)


def _refuse_missing_folders(folders: Mapping[str, str | None]) -> None:
    for where, folder in folders.items():
        if folder is not None and not Path(folder).is_dir():
            raise ConfigError("the folder of configurations does not exist", where=where, found=folder)


def groups() -> tuple[str, ...]:
    """Returns the names of all config groups."""
    folders = [config_folder(), Path(os.environ.get(USER_CONFIGS) or config_folder())]
    return tuple(sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()}))
