"""Hydra as a reader of configurations and nothing more: what would build, run, write or look into the environment is refused.

A configuration may come from somebody else. Hydra builds callbacks, launchers, sweepers and log handlers that it names;
here none of that part of Hydra is called, and no file and no override may set its keys.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError
from omegaconf.grammar_parser import parse

from autotune.errors import ConfigError
from autotune.runtime.records import read_mapping

ALLOWED_OPTIONS = frozenset({
    "hydra/config", "hydra/env/default", "hydra/help/default", "hydra/hydra_help/default", "hydra/hydra_logging/none",
    "hydra/job_logging/none", "hydra/launcher/basic", "hydra/output/default", "hydra/sweeper/basic",
})  # fmt: skip
"""Options of Hydra's own groups: what it needs to compose, and no other. Of its keys none may be set but as our run.yaml
sets it."""

INSTEAD = {
    "hydra.mode": "--multirun",
    "hydra.sweeper": "--multirun key=1,2,3 on the command line",
    "hydra.run": "runs=FOLDER name=NAME, which say where a run is written",
    "hydra.sweep": "runs=FOLDER name=NAME, which say where a run is written",
    "hydra.searchpath": "--config-dir FOLDER, or the environment variable AUTOTUNE_CONFIGS",
}
"""What does instead what people set such keys for."""

TARGET = "_target_"
"""The key by which Hydra builds what a configuration names."""


def open_hydra(configs: Path, before: str | None, after: str | None) -> Hydra:
    """Hydra over folders of configurations.

    Args:
        configs: our own.
        before: one whose files may replace ours.
        after: one that only adds to ours.
    """
    version.setbase("1.3")
    search_path = create_config_search_path(str(configs))
    if before is not None:
        search_path.prepend("user", f"file://{Path(before).absolute()}")
    if after is not None:
        schema = search_path.get_path().pop()
        search_path.append("command-line", f"file://{Path(after).absolute()}")
        search_path.get_path().append(schema)
    return Hydra("autotune", _Loader(search_path, frozenset(_leaves(_shipped(configs), "hydra"))))


def refuse_foreign(value: Any, where: str, at: str = "") -> None:
    """Looks for values that would build something, or that are looked up outside of the configuration.

    Args:
        value: plain; interpolations as they were written.
        where: file or override that it is from.
        at: its key.

    Raises:
        ConfigError: names the first.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == TARGET:
                raise ConfigError(
                    "nothing that a configuration names is built",
                    where=f"{f'{at}.'.lstrip('.')}{TARGET} ({where})",
                    found=str(item),
                    fix=f"remove {TARGET}",
                )
            refuse_foreign(item, where, f"{at}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            refuse_foreign(item, where, at)
    elif isinstance(value, str):
        for found in _resolvers(value):
            raise ConfigError(
                "a value may refer to other keys of the configuration, ${seed}, and to nothing outside of it",
                where=f"{at} ({where})" if at else where,
                found=found,
                fix="write the value itself",
            )


def _resolvers(text: str) -> Iterator[str]:
    """Interpolations that are more than the name of a key: ${oc.env:HOME}."""
    if "${" not in text:
        return
    try:
        nodes = [parse(text)]
    except GrammarParseError:
        return  # OmegaConf says so
    while nodes:
        node = nodes.pop()
        if type(node).__name__ == "InterpolationResolverContext":
            yield node.getText()
        nodes += getattr(node, "children", None) or []


class _Repository(ConfigRepository):
    """Looks at each file before anything is made of it, be it a search for other files.

    Args:
        search_path: of the files.
        ours: keys and values of Hydra's own that a file may have.
    """

    def __init__(self, search_path: Any, ours: frozenset[tuple[str, str]]) -> None:
        super().__init__(search_path)
        self._ours = ours

    def load_config(self, config_path: str) -> Any:
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        if source is not None and source.scheme() == "file":
            # Before OmegaConf reads it, for which aliases may stand for billions of values.
            file = Path(source.path, f"{config_path.removesuffix('.yaml')}.yaml")
            read_mapping(file, fix="correct the file", empty=True)
        loaded = super().load_config(config_path)
        if loaded is not None and loaded.path.startswith("file://"):
            where = _file(loaded, config_path)
            _refuse_hydra(loaded.config, where, self._ours)
            refuse_foreign(_plain(loaded.config), where)
            refuse_foreign([str(vars(default)) for default in loaded.defaults_list or ()], where, "defaults")
        return loaded


class _Loader(ConfigLoaderImpl):
    """Hydra's loader, which gives a configuration away only when it is values and nothing else."""

    def __init__(self, search_path: Any, ours: frozenset[tuple[str, str]]) -> None:
        super().__init__(search_path)
        self.repository = _Repository(search_path, ours)
        self._ours = ours

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        """Composes; what the parts have become together is looked at once more."""
        config: DictConfig = super().load_configuration(*args, **kwargs)
        refuse_foreign({key: value for key, value in _plain(config).items() if key != "hydra"}, "composed")
        return config

    def _parse_overrides_and_create_caching_repo(self, config_name: str | None, overrides: list[str]) -> Any:
        for override in OverridesParser.create().parse_overrides(overrides):
            key, line = override.key_or_group, str(override.input_line)
            own = re.match(r"hydra\b", key) is not None
            if own and (override.is_delete() or f"{key}/{override.value()}" not in ALLOWED_OPTIONS):
                raise _hydra_refused(key, line)
            if not override.is_sweep_override():
                refuse_foreign(override.value(), line)
        return super()._parse_overrides_and_create_caching_repo(config_name, overrides)

    def _load_single_config(self, default: Any, repo: Any) -> Any:
        loaded, path = super()._load_single_config(default, repo), default.config_path
        where = _file(loaded, path)
        if not path.startswith("hydra/"):
            # Once more, for a file's values may have been put below `hydra` from outside of it.
            _refuse_hydra(loaded.config, where, self._ours)
        elif path not in ALLOWED_OPTIONS or loaded.path.startswith("file://"):
            raise _hydra_refused(path.rpartition("/")[0], where)
        return loaded


def _refuse_hydra(config: Any, where: str, ours: frozenset[tuple[str, str]]) -> None:
    """Keys of Hydra's own are those of our run.yaml, which somebody may have copied."""
    values = _plain(config)
    if isinstance(values, Mapping) and "hydra" in values:
        for key, value in _leaves(values["hydra"], "hydra"):
            if (key, value) not in ours:
                raise _hydra_refused(key, where)


def _hydra_refused(key: str, where: str) -> ConfigError:
    section = ".".join(key.replace("/", ".").split(".")[:2])
    return ConfigError(
        "keys and options of Hydra itself cannot be set: they could run code, or write elsewhere",
        where=f"{key} ({where})",
        fix=INSTEAD.get(section, f"remove {key}"),
    )


def _file(loaded: Any, config_path: str) -> str:
    if not loaded.path.startswith("file://"):
        return config_path
    return f"{loaded.path.removeprefix('file://')}/{config_path.removesuffix('.yaml')}.yaml"


def _plain(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False)


@cache
def _shipped(configs: Path) -> dict[str, Any]:
    """The section `hydra` of our run.yaml."""
    section: dict[str, Any] = yaml.safe_load((configs / "run.yaml").read_text("utf-8"))["hydra"]
    return section


def _leaves(values: Any, at: str) -> Iterable[tuple[str, str]]:
    """Dotted keys with their values as text."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _leaves(value, f"{at}.{key}")
    else:
        yield at, repr(values)
