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
from hydra.errors import HydraException, MissingConfigException, SearchPathException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from autotune import registry
from autotune.config import RunConfig
from autotune.errors import AutotuneError, ConfigError, listing, nearest
from autotune.overrides import key_of, tidy
from autotune.resolve import keys, resolve, suggest, typed

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
        One configuration; with --multirun one a combination; none when a flag only asked for information,
        which Hydra has printed.

    Raises:
        ConfigError: anything about the command line or the YAML files that is wrong; several are raised together.
    """
    words = tidy(argv)
    _refuse_missing_folders()
    _register()
    composed: list[Composed] = []

    def collect(config: DictConfig) -> None:
        overrides = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
        choices = dict(HydraConfig.get().runtime.choices)
        composed.append(Composed(config, choices, frozenset(key_of(str(override)) for override in overrides)))

    run = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="run")(collect)
    try:
        with _hydra_sees(words):
            run()
        plain = [OmegaConf.to_container(one.config, resolve=True) for one in composed]
    except SystemExit as leaving:
        if leaving.code:
            raise
        return []
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, AssertionError) as error:
        raise _explained(error, words) from error
    if not composed and ("-m" in words or "--multirun" in words):
        raise ConfigError("the sweep has no runs: its glob or choice matches nothing", found=" ".join(words))
    return [_finished(one, values) for one, values in zip(composed, plain, strict=True)]


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
    raise FileNotFoundError(f"run.yaml is neither in {candidates[0]} nor in {candidates[1]}: the installation is damaged")


def _register() -> None:
    store = ConfigStore.instance()
    store.store(group="schema", name="run", node=RunConfig, package="_global_")
    for name, task in registry.tasks().items():
        store.store(group="schema/task", name=name, node=task.Config)
    Plugins.instance().register(UserConfigs)


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
    config = typed(values)
    return resolve(config, _readable(composed, config))


def _readable(composed: Composed, config: RunConfig) -> str:
    """The part of the run's name that people read: task, data set, model and adapter."""
    options, named = composed.choices, composed.overridden
    dataset = Path(config.dataset.path).stem if "dataset.path" in named else options.get("dataset")
    model = Path(str(config.model.name_or_path)).name if "model.name_or_path" in named else options.get("model")
    adapter = options.get("peft") if config.peft is not None else None
    parts = (config.task.name, dataset, model, adapter)
    return "-".join(slug for part in parts if part and (slug := re.sub(r"[^\w.]+", "_", part).strip("._")[:40]))


def _refuse_missing_folders() -> None:
    folder = os.environ.get(USER_CONFIGS)
    if folder and not Path(folder).is_dir():
        raise ConfigError("the folder of configurations does not exist", where=USER_CONFIGS, found=folder)


def _groups() -> tuple[str, ...]:
    folders = [config_folder(), Path(os.environ.get(USER_CONFIGS) or config_folder())]
    return tuple(sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()}))


def _explained(error: BaseException, words: Sequence[str]) -> AutotuneError:
    """Hydra's error in our words: what it knows about the options is kept, and the nearest name is added."""
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    if isinstance(error, MissingConfigException):
        return _unknown_option(error)
    if isinstance(error, SearchPathException):
        return ConfigError("the folder of configurations does not exist", where="--config-dir", found=_last_quoted(error))
    if isinstance(error, yaml.YAMLError):
        return ConfigError("a configuration file is no YAML", found=str(error))
    if isinstance(error, AssertionError):
        return _section_missing(error, overrides)
    cause: Any = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    text = str(error) if cause is error else f"{error}\n{cause}"
    unknown = re.search(r"Key '([^']*)' (?:is not in struct|not in '\w*')\s+full_key: (\S+)", text)
    if unknown is not None:
        return _unknown_key(unknown[2], text, overrides)
    ambiguous = re.search(r"Ambiguous value for argument '(.*)'", text)
    if ambiguous is not None:
        key, _, value = ambiguous[1].partition("=")
        return ConfigError(
            "several values are several runs", where=ambiguous[1],
            fix=f"--multirun {ambiguous[1]} for one run each; if it is a list: {key}=[{value}]",
        )  # fmt: skip
    if "Config group override must be" in text:
        return _option_no_name(overrides)
    lines = [line.strip() for line in text.splitlines() if not re.match(r"\s*(object_type|reference_type|To append|See http)", line)]
    key = re.search(r"full_key: (\S+)", text)
    where = next((override for override in overrides if key and key_of(override) == key[1]), key[1] if key else None)
    told = [line for line in lines if not line.startswith(("full_key", "Error merging override", "Could not override"))]
    return ConfigError("\n".join(told or lines), where=where)


def _unknown_key(key: str, text: str, overrides: Sequence[str]) -> ConfigError:
    groups = _groups()
    near = suggest(key, groups)
    override = next((override for override in overrides if key_of(override).startswith(key)), None)
    file = re.search(r"In '([^']+)'", text)
    section = key.rpartition(".")[0]
    siblings = [known for known in keys() if known.rpartition(".")[0] == section]
    fix = None
    if near is not None:
        fix = f"{near}={override.partition('=')[2]}" if override else near
    return ConfigError(
        f"there is no key {key}" if section or key in groups else f"there is no key and no group {key}",
        where=override or (f"{file[1]}.yaml" if file else key),
        found=f"keys of {section}: {listing(known.rpartition('.')[2] for known in siblings)}" if siblings and section else None,
        fix=fix,
    )


def _unknown_option(error: MissingConfigException) -> ConfigError:
    group, _, option = (error.missing_cfg_file or "").partition("/")
    options = sorted(error.options or [])
    if not option:
        return ConfigError(str(error).splitlines()[0])
    near = nearest(option, options)
    fix = f"{group}={near}" if near else None
    if near is None and group == "model":
        fix = f"model.name_or_path={option}, if that is a Hub id or a folder"
    if near is None and group == "dataset":
        suffix = Path(option).suffix.lstrip(".")
        door = suffix if suffix in options else "hub"
        fix = f"dataset={door} dataset.path={option}"
    return ConfigError(
        f"there is no {group} {option!r}", where=f"{group}={option}", found=f"{group}: {listing(options, 40)}", fix=fix
    )


def _option_no_name(overrides: Sequence[str]) -> ConfigError:
    """peft=null: an option that switches off is called none."""
    groups = _groups()
    chosen = next((override for override in overrides if key_of(override) in groups), "")
    return ConfigError("the option of a group is a name", where=chosen, fix=f"{key_of(chosen)}=none, or another option")


def _section_missing(error: AssertionError, overrides: Sequence[str]) -> AutotuneError:
    """OmegaConf fails this way for a key inside a section that is null, such as peft.r without an adapter."""
    absent = next((override for override in overrides if override.startswith("peft.")), None)
    if absent is None:
        raise error
    return ConfigError(
        "there is no adapter that this could set", where=absent, found="peft=none", fix=f"peft=lora {absent}"
    )


def _last_quoted(error: BaseException) -> str:
    quoted = re.findall(r"'([^']*)'", str(error))
    return quoted[-1] if quoted else str(error)
