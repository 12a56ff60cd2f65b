"""Hydra in, `RunConfig` out. When `compose` returns, Hydra has left; nothing after it knows it was there."""

import os
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from autotune.config.hydra_loader import open_hydra
from autotune.config.load import fill_defaults, parse_config
from autotune.config.overrides import SWEEP, key_of, normalize_argv
from autotune.config.schema import RunConfig, TaskConfig
from autotune.config.user_files import with_user_files
from autotune.errors import AutotuneError, ConfigError, raise_all
from autotune.runtime.library_errors import library_errors
from autotune.runtime.places import config_folder

PRIMARY = "run"
"""The file that says what a run is made of."""
USER_CONFIGS = "AUTOTUNE_CONFIGS"
"""Environment variable: a folder whose files come before ours, so that they may replace them."""


@dataclass(frozen=True)
class Composed:
    """What Hydra hands over for one run."""

    config: DictConfig
    choices: dict[str, str | None]
    """Option of each group."""
    overridden: frozenset[str]
    """Keys and groups that the command line names."""
    folders: tuple[Path, ...]
    """Of YAML files; the first that has an option counts."""


class Member(NamedTuple):
    """A run that a command line asks for: its only one, or one of a sweep."""

    config: RunConfig
    words: tuple[str, ...]
    """Flags and overrides, without the command, that compose this configuration alone."""


def compose(argv: Sequence[str]) -> list[RunConfig]:
    """The configurations of `members`."""
    return [member.config for member in members(argv)]


def members(argv: Sequence[str]) -> list[Member]:
    """Composes the configurations of a command line.

    Args:
        argv: overrides and Hydra's flags, without the verb.

    Returns:
        One run; with --multirun one per combination; none when a flag only asked for information, which Hydra has
        printed.

    Raises:
        ConfigError: what is wrong with the command line or the YAML files; several are raised together.
    """
    words = normalize_argv(argv)
    args = get_args_parser().parse_args(words)
    flags = [word for word in words[: len(words) - len(args.overrides)] if word not in SWEEP]
    runs, composed, plain = _read(argv, words, args)
    if runs is None:
        return []
    if not composed:
        raise ConfigError("the sweep has no runs: its glob or choice matches nothing", found=" ".join(words))
    configs = _all_finished(composed, plain)
    return [Member(config, (*flags, *overrides)) for config, overrides in zip(configs, runs, strict=True)]


def untyped(argv: Sequence[str]) -> tuple[dict[str, Any], frozenset[str]]:
    """Composes overrides of one run.

    Returns:
        The values, before their types and ranges are checked, and the keys and groups that are named.

    Raises:
        ConfigError: see `members`.
    """
    words = normalize_argv(argv)
    _, (composed,), (values,) = _read(argv, words, get_args_parser().parse_args(words))
    return values, composed.overridden


def _read(
    argv: Sequence[str], words: list[str], args: Namespace
) -> tuple[list[list[str]] | None, list[Composed], list[Any]]:
    """The overrides, the configuration and the plain values of each run; None where a flag only asked for information.

    Args:
        argv: what the user typed, for messages.
        words: what Hydra reads.
        args: the flags among these.
    """
    before = os.environ.get(USER_CONFIGS) or None
    _refuse_missing_folders({USER_CONFIGS: before, "--config-dir": args.config_dir})
    _register()
    try:
        with library_errors(lambda error: translate_hydra_error(error, argv, groups())):
            hydra = open_hydra(config_folder(), before, args.config_dir)
            if _answered(hydra, args):
                return None, [], []
            runs = _runs(hydra, args)
            composed = [_composed(hydra, args, overrides) for overrides in runs]
            return runs, composed, [OmegaConf.to_container(one.config, resolve=True) for one in composed]
    except SystemExit as leaving:
        if leaving.code:
            raise
        return None, [], []


def _composed(hydra: Hydra, args: Namespace, overrides: list[str]) -> Composed:
    """The configuration of one run."""
    config = hydra.compose_config(args.config_name or PRIMARY, overrides, RunMode.RUN)
    chosen: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    choices = dict(config.hydra.runtime.choices)
    sources = config.hydra.runtime.config_sources
    folders = tuple(Path(source.path) for source in sources if source.schema == "file")
    with open_dict(config):
        del config["hydra"]
    return Composed(config, choices, frozenset(map(key_of, chosen)), folders)


def _runs(hydra: Hydra, args: Namespace) -> list[list[str]]:
    """The overrides of each run: with --multirun those of each combination."""
    if not args.multirun:
        return [args.overrides]
    parsed = OverridesParser.create(hydra.config_loader).parse_overrides(args.overrides)
    (runs,) = BasicSweeper.split_arguments(parsed, None)
    return runs


def _answered(hydra: Hydra, args: Namespace) -> bool:
    """Answers what was asked instead of a run, on stdout; False where a run was asked for."""
    name = args.config_name or PRIMARY
    questions = [args.help, args.cfg is not None, args.info is not None]
    if sum([*questions, args.run or args.multirun]) > 1:
        raise ValueError("only one of --run, --multirun, --cfg, --info and --help can be asked for")
    if not any(questions):
        return False
    _composed(hydra, args, args.overrides)  # what is wrong is told by us
    if args.help:
        hydra.app_help(name, get_args_parser(), args)
    elif args.cfg is not None:
        hydra.show_cfg(name, args.overrides, args.cfg, args.package, args.resolve)
    else:
        hydra.show_info(args.info, name, args.overrides)
    return True


def compose_by_task(overrides: Sequence[str]) -> dict[str, RunConfig]:
    """Composes overrides for the task that they name, else for every task that they suit.

    Raises:
        ConfigError: they suit no task, or sweep.
    """
    named = any(key_of(word) == "task" for word in overrides)
    configs: dict[str, RunConfig] = {}
    refused: list[AutotuneError] = []
    for words in [[]] if named else [[f"task={name}"] for name in registry.tasks()]:
        try:
            (config,) = compose([*words, *overrides])
        except AutotuneError as error:
            refused.append(error)
        else:
            configs[config.task.name] = config
    if not configs:
        raise refused[0]
    return configs


def _register() -> None:
    store = ConfigStore.instance()
    if not _registered:
        store.store(group="schema", name="run", node=RunConfig, package="_global_")
    for name, task in registry.tasks().items():
        if _registered.get(name) is not task.Config:
            store.store(group="schema/task", name=name, node=task.Config)
            _registered[name] = task.Config


_registered: dict[str, type[TaskConfig]] = {}
"""Configurations of tasks that Hydra knows."""


def _all_finished(composed: Sequence[Composed], plain: Sequence[Any]) -> list[RunConfig]:
    """The configurations of all runs; what is wrong with any of them is raised together, and once."""
    configs: list[RunConfig] = []
    refused: dict[str, AutotuneError] = {}
    for one, values in zip(composed, plain, strict=True):
        try:
            configs.append(_finished(one, values))
        except AutotuneError as error:
            refused |= {str(each): each for each in error.errors}
    raise_all(list(refused.values()))
    return configs


def _finished(composed: Composed, values: Any) -> RunConfig:
    chosen = composed.overridden
    model = values.get("model")
    if isinstance(model, dict) and model.get("name_or_path") and not chosen & {"model", "model.tiny"}:
        # The tiny model is only there because nobody chose; now somebody has.
        model["tiny"] = None
    values = with_user_files(values, composed.folders, config_folder(), composed.choices, chosen)
    config = parse_config(values, to_run=True)
    return fill_defaults(config, _readable(composed, config))


def _readable(composed: Composed, config: RunConfig) -> str:
    """The part of the run's name that people read: task, data set, model and adapter."""
    options, named = composed.choices, composed.overridden
    data, base = Path(config.dataset.path).stem, Path(config.model.name_or_path or "").name
    parts = (
        config.task.name,
        data if "dataset.path" in named else options.get("dataset"),
        base if "model.name_or_path" in named else options.get("model"),
        options.get("peft") if config.peft is not None else None,
    )
    slugs = (re.sub(r"[^\w.]+", "_", part or "").strip("._")[:40] for part in parts)
    return "-".join(slug for slug in slugs if slug)


def _refuse_missing_folders(folders: Mapping[str, str | None]) -> None:
    for where, folder in folders.items():
        if folder is not None and not Path(folder).is_dir():
            raise ConfigError("the folder of configurations does not exist", where=where, found=folder)


def groups() -> tuple[str, ...]:
    """Names of all groups of options."""
    folders = [config_folder(), Path(os.environ.get(USER_CONFIGS) or config_folder())]
    return tuple(sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()}))
