"""Hydra in, `RunConfig` out. When `compose` returns, Hydra has left; nothing after it knows it was there."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from autotune import registry
from autotune.config import RunConfig, TaskConfig
from autotune.errors import AutotuneError, ConfigError
from autotune.explain import explain
from autotune.overrides import key_of, tidy
from autotune.resolve import resolve, typed
from autotune.resuming import resumed, run_to_resume

VERSION = "1.3"
"""Of Hydra, whose defaults hold."""

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


class UserConfigs(SearchPathPlugin):
    """Puts the folder of AUTOTUNE_CONFIGS before all others."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra."""
        folder = os.environ.get(USER_CONFIGS)
        if folder:
            search_path.prepend("user", f"file://{Path(folder).absolute()}")


def compose(argv: Sequence[str]) -> list[RunConfig]:
    """Composes the configuration of a command line.

    Args:
        argv: overrides and Hydra's flags, without the verb.

    Returns:
        One configuration, with resume=RUN that of the run; with --multirun one a combination; none when a flag
        only asked for information, which Hydra has printed.

    Raises:
        ConfigError: what is wrong with the command line or the YAML files; several are raised together.
    """
    words = tidy(argv)
    if run := run_to_resume(words):
        return [resumed(run, words, compose)]
    _refuse_missing_folders()
    _register()
    try:
        composed = _composed_once(words) or _composed_by_hydra(words)
        plain: list[Any] = [OmegaConf.to_container(one.config, resolve=True) for one in composed]
    except SystemExit as leaving:
        if leaving.code:
            raise
        return []
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, AssertionError) as error:
        raise explain(error, words, _groups()) from error
    if not composed and ("-m" in words or "--multirun" in words):
        raise ConfigError("the sweep has no runs: its glob or choice matches nothing", found=" ".join(words))
    return [_finished(one, values) for one, values in zip(composed, plain, strict=True)]


def _composed_once(words: list[str]) -> list[Composed]:
    """What plain overrides compose. Empty where only `_composed_by_hydra` does it: flags, a sweep, a mistake.

    Hydra's own main composes everything a first time only to read hydra.mode, which doubles the time.
    """
    if any(word.startswith("-") for word in words):
        return []
    try:
        with hydra.initialize_config_dir(str(config_folder()), job_name="autotune", version_base=VERSION):
            whole = hydra.compose("run", words, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, AssertionError):
        return []
    if whole.hydra.mode not in (None, RunMode.RUN):
        return []
    HydraConfig.instance().set_config(whole)
    with open_dict(whole):
        del whole["hydra"]
    return [_collected(whole)]


def _composed_by_hydra(words: list[str]) -> list[Composed]:
    """What a command line composes, by Hydra's main: one configuration for each run; none where it only informs."""
    composed: list[Composed] = []
    run = hydra.main(version_base=VERSION, config_path=str(config_folder()), config_name="run")(
        lambda config: composed.append(_collected(config))
    )
    with _hydra_sees(words):
        run()
    return composed


def _collected(config: DictConfig) -> Composed:
    overrides: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return Composed(config, dict(HydraConfig.get().runtime.choices), frozenset(map(key_of, overrides)))


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


def config_folder() -> Path:
    """Our YAML files: inside the installed package, or beside it in a checkout.

    Raises:
        FileNotFoundError: in neither.
    """
    package = Path(__file__).resolve().parent
    candidates = [package / "configs", package.parent / "configs"]
    for folder in candidates:
        if (folder / "run.yaml").is_file():
            return folder
    raise FileNotFoundError(f"the installation is damaged: no run.yaml in {candidates[0]} or {candidates[1]}")


def _register() -> None:
    store = ConfigStore.instance()
    if not _registered:
        store.store(group="schema", name="run", node=RunConfig, package="_global_")
        Plugins.instance().register(UserConfigs)
    for name, task in registry.tasks().items():
        if _registered.get(name) is not task.Config:
            store.store(group="schema/task", name=name, node=task.Config)
            _registered[name] = task.Config


_registered: dict[str, type[TaskConfig]] = {}
"""Configurations of tasks that Hydra knows."""


@contextmanager
def _hydra_sees(words: list[str]) -> Iterator[None]:
    """Hydra reads sys.argv, and lets its errors through only when this variable is set."""
    before = sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before


def _finished(composed: Composed, values: Any) -> RunConfig:
    chosen = composed.overridden
    model = values.get("model")
    if isinstance(model, dict) and model.get("name_or_path") and not chosen & {"model", "model.tiny"}:
        # The tiny model is only there because nobody chose; now somebody has.
        model["tiny"] = None
    config = typed(values, to_run=True)
    return resolve(config, _readable(composed, config))


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


def _refuse_missing_folders() -> None:
    folder = os.environ.get(USER_CONFIGS)
    if folder and not Path(folder).is_dir():
        raise ConfigError("the folder of configurations does not exist", where=USER_CONFIGS, found=folder)


def _groups() -> tuple[str, ...]:
    folders = [config_folder(), Path(os.environ.get(USER_CONFIGS) or config_folder())]
    return tuple(sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()}))
