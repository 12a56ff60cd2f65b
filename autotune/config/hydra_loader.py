"""Uses Hydra only to read configurations: refuses whatever would build, run or write something or read the environment.

A configuration may come from an untrusted source. Hydra instantiates the callbacks, launchers, sweepers and log handlers
that a configuration names; that part of Hydra is never called here, and no file or override may set its keys.
"""

import copy
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import version
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from omegaconf.grammar_parser import parse

from autotune.errors import ConfigError
from autotune.runtime.parsing import Unreadable, read_bytes
from autotune.runtime.records import read_mapping

ALLOWED_OPTIONS = frozenset({
    "hydra/config", "hydra/env/default", "hydra/help/default", "hydra/hydra_help/default", "hydra/hydra_logging/none",
    "hydra/job_logging/none", "hydra/launcher/basic", "hydra/output/default", "hydra/sweeper/basic",
})  # fmt: skip
"""The only options allowed from Hydra's own groups: those that it needs to compose. Its keys may only have the values set
in the shipped run.yaml."""

ALTERNATIVES = {
    "hydra.mode": "--multirun",
    "hydra.launcher": "autotune submit -m cluster=slurm, which sends a sweep to Slurm as an array job",
    "hydra.sweeper": "--multirun key=1,2,3 on the command line",
    "hydra.run": "runs=FOLDER name=NAME, which say where a run is written",
    "hydra.sweep": "runs=FOLDER name=NAME, which say where a run is written",
    "hydra.searchpath": "--config-dir FOLDER, or the environment variable AUTOTUNE_CONFIGS",
}
"""What to use instead of a refused section of Hydra."""

SCHEMA = "schema/run"
"""The last of the files that are merged in the same order for every run."""

TARGET = "_target_"
"""The key that makes Hydra instantiate the object it names."""


def open_hydra(configs: Path, before: str | None, after: str | None) -> Hydra:
    """Opens Hydra on folders of configurations.

    Args:
        configs: the shipped folder.
        before: a folder whose files take precedence over the shipped ones.
        after: a folder that can only add files.
    """
    version.setbase("1.3")
    search_path = create_config_search_path(str(configs))
    if before is not None:
        search_path.prepend("user", f"file://{Path(before).absolute()}")
    if after is not None:
        # The schemas of the code must stay last, as Hydra has them.
        schema = search_path.get_path().pop()
        search_path.append("command-line", f"file://{Path(after).absolute()}")
        search_path.get_path().append(schema)
    return Hydra(
        "autotune", _Loader(search_path, frozenset(_leaves(_shipped_hydra_section(configs), "hydra")))
    )


_interpolation_map: Any = defaults_list._create_interpolation_map


def _map_if_needed(overrides: Any, entries: Sequence[Any], *args: Any) -> Any:
    """Makes Hydra's map of choices only for a defaults list that refers to one: it is half of the time of composing."""
    return (
        _interpolation_map(overrides, entries, *args)
        if any(entry.is_interpolation() for entry in entries)
        else None
    )


cast(Any, defaults_list)._create_interpolation_map = _map_if_needed
# Called hundreds of times with "1.2".
cast(Any, version)._get_version = cache(cast(Any, version)._get_version)


def refuse_foreign(value: Any, where: str, key_path: str = "") -> None:
    """Refuses values that would instantiate something or read from outside the configuration.

    Args:
        value: plain values, with interpolations unresolved.
        where: the file or override that they are from.
        key_path: dotted key of the value.

    Raises:
        ConfigError: there is such a value; the first one is named.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == TARGET:
                raise ConfigError(
                    "a configuration cannot create objects",
                    where=f"{f'{key_path}.'.lstrip('.')}{TARGET} ({where})",
                    found=str(item),
                    fix=f"remove {TARGET}",
                )
            refuse_foreign(item, where, f"{key_path}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            refuse_foreign(item, where, key_path)
    elif isinstance(value, str):
        for expression in _resolver_calls(value):
            raise ConfigError(
                "a value may refer to other keys of the configuration, ${seed}, and to nothing outside of it",
                where=f"{key_path} ({where})" if key_path else where,
                found=expression,
                fix="write the value itself",
            )


def _resolver_calls(text: str) -> Iterator[str]:
    """Yields interpolations that call a resolver, such as ${oc.env:HOME}."""
    if "${" not in text:
        return
    try:
        nodes = [parse(text)]
    except GrammarParseError:
        return  # OmegaConf reports it
    while nodes:
        node = nodes.pop()
        if type(node).__name__ == "InterpolationResolverContext":
            yield node.getText()
        nodes += getattr(node, "children", None) or []


_loaded: dict[tuple[Any, ...], tuple[Any, Any]] = {}
"""What was loaded, by source, name, content, and the keys of Hydra that were allowed."""
_merged: dict[tuple[Any, ...], tuple[Any, DictConfig]] = {}
"""What was merged, by the parts and their order."""


class _Repository(ConfigRepository):
    """Checks each file before Hydra uses it, even to search for other files.

    Args:
        search_path: folders of the files.
        allowed: keys and values of Hydra's own section that a file may have.
    """

    def __init__(self, search_path: Any, allowed: frozenset[tuple[str, str]]) -> None:
        super().__init__(search_path)
        self._allowed = allowed

    def __deepcopy__(self, _: dict[int, Any]) -> "_Repository":
        """Returns a repository with the same sources; Hydra gives copies other sources, and changes none."""
        return copy.copy(self)

    def load_config(self, config_path: str) -> Any:
        """Returns what a file or schema says, read once for each content of it; callers must not change it."""
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        if source is None:
            return None
        name = f"{config_path.removesuffix('.yaml')}.yaml"
        content: Any = None  # of Hydra's own files, which never change
        if source.scheme() == "file":
            with suppress(Unreadable):  # `_load` says it
                content = read_bytes(Path(source.path, name))
        elif source.scheme() == "structured":
            content = ConfigStore.instance()._load(name)
        key = (
            source.path,
            config_path,
            content if isinstance(content, bytes) else id(content),
            self._allowed,
        )
        if key not in _loaded:
            # The content is kept, too, so that no other gets its id.
            _loaded[key] = content, self._load(source, config_path)
        return _loaded[key][1]

    def _load(self, source: Any, config_path: str) -> Any:
        """Loads a configuration and refuses what it must not say."""
        if source.scheme() == "file":
            # Must come before OmegaConf reads the file: it expands YAML aliases, which may mean billions of values.
            file = Path(source.path, f"{config_path.removesuffix('.yaml')}.yaml")
            read_mapping(file, fix="correct the file", empty=True)
        loaded = super().load_config(config_path)
        if loaded is not None and loaded.path.startswith("file://"):
            where = _source_name(loaded, config_path)
            _refuse_hydra(loaded.config, where, self._allowed)
            refuse_foreign(_to_container(loaded.config), where)
            refuse_foreign([str(vars(default)) for default in loaded.defaults_list or ()], where, "defaults")
        return loaded


class _Loader(ConfigLoaderImpl):
    """Hydra's loader, restricted to configurations that consist of plain values."""

    def __init__(self, search_path: Any, allowed: frozenset[tuple[str, str]]) -> None:
        super().__init__(search_path)
        self.repository = _Repository(search_path, allowed)
        self._allowed = allowed

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        """Composes, then checks the result again: parts that are harmless alone may not be so together."""
        config: DictConfig = super().load_configuration(*args, **kwargs)
        for key, value in config.items_ex(resolve=False):
            if key != "hydra":
                refuse_foreign(
                    {key: _to_container(value) if OmegaConf.is_config(value) else value}, "composed"
                )
        return config

    def _process_config_searchpath(self, config_name: str | None, parsed_overrides: Any, repo: Any) -> None:
        """Refuses overrides first: a search path may name packages, which Hydra would import."""
        for override in parsed_overrides:
            key, line = override.key_or_group, str(override.input_line)
            is_hydra_key = re.match(r"hydra\b", key) is not None
            if is_hydra_key and (override.is_delete() or f"{key}/{override.value()}" not in ALLOWED_OPTIONS):
                raise _hydra_refused(key, line)
            if not override.is_sweep_override():
                refuse_foreign(override.value(), line)
        super()._process_config_searchpath(config_name, parsed_overrides, repo)

    def _compose_config_from_defaults_list(self, defaults: Any, repo: Any) -> DictConfig:
        """Merges the files of a run, once for each list of them: most runs of a process differ only in overrides."""
        return copy_config(self._merge_once(defaults, repo))

    def _merge_once(self, defaults: Any, repo: Any) -> DictConfig:
        """Returns the files merged; callers must not change it. Hydra's own and the schema, which take longest to merge, are
        the same for all lists."""
        parts = [repo.load_config(default.config_path) for default in defaults]
        key = tuple((repr(default), id(part)) for default, part in zip(defaults, parts, strict=True))
        if key not in _merged:
            paths = [default.config_path for default in defaults]
            shared = paths.index(SCHEMA) + 1 if SCHEMA in paths[:-1] else 0
            config = copy_config(self._merge_once(defaults[:shared], repo)) if shared else OmegaConf.create()
            for default in defaults[shared:]:
                try:
                    config.merge_with(self._load_single_config(default, repo).config)
                except OmegaConfBaseException as error:
                    # As Hydra's own method does, with the traceback of the library, whose error it is.
                    reason = f"{type(error).__name__} raised while composing config:\n{error}"
                    composing = ConfigCompositionException(f"In '{default.config_path}': {reason}")
                    raise composing.with_traceback(error.__traceback__) from None
            # The parts are kept, too, so that no other gets the id of one.
            _merged[key] = parts, config
        return _merged[key][1]

    def _load_single_config(self, default: Any, repo: Any) -> Any:
        loaded, path = super()._load_single_config(default, repo), default.config_path
        where = _source_name(loaded, path)
        if not path.startswith("hydra/"):
            # Again, because `package` can put the values of a file below `hydra` from outside the file.
            _refuse_hydra(loaded.config, where, self._allowed)
        elif path not in ALLOWED_OPTIONS or loaded.path.startswith("file://"):
            raise _hydra_refused(path.rpartition("/")[0], where)
        return loaded


def copy_config(node: Any, parent: Any = None) -> Any:
    """Returns a copy that shares only values and types, which never change.

    `copy.deepcopy` returns the same; it took a quarter of the time of composing.
    """
    new, metadata = object.__new__(type(node)), object.__new__(type(node._metadata))
    vars(metadata).update(vars(node._metadata))
    metadata.flags = dict(node._metadata.flags or {})
    metadata.resolver_cache = defaultdict(dict)
    vars(new).update(vars(node), _metadata=metadata, _parent=parent, _flags_cache=None)
    content = vars(node).get("_content")
    if isinstance(content, dict):
        vars(new)["_content"] = {key: copy_config(child, new) for key, child in content.items()}
    elif isinstance(content, list):
        vars(new)["_content"] = [copy_config(child, new) for child in content]
    elif isinstance(content, Node):  # of a union of types
        vars(new)["_content"] = copy_config(content, new)
    return new


def _refuse_hydra(config: Any, where: str, allowed: frozenset[tuple[str, str]]) -> None:
    """Refuses Hydra's own keys, except as in the shipped run.yaml, which users may have copied."""
    values = _to_container(config)
    if isinstance(values, Mapping) and "hydra" in values:
        for key, value in _leaves(values["hydra"], "hydra"):
            if (key, value) not in allowed:
                raise _hydra_refused(key, where)


def _hydra_refused(key: str, where: str) -> ConfigError:
    section = ".".join(key.replace("/", ".").split(".")[:2])
    return ConfigError(
        "keys and options of Hydra itself cannot be set: they could run code, or write elsewhere",
        where=f"{key} ({where})",
        fix=ALTERNATIVES.get(section, f"remove {key}"),
    )


def _source_name(loaded: Any, config_path: str) -> str:
    if not loaded.path.startswith("file://"):
        return config_path
    return f"{loaded.path.removeprefix('file://')}/{config_path.removesuffix('.yaml')}.yaml"


def _to_container(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False)


@cache
def _shipped_hydra_section(configs: Path) -> dict[str, Any]:
    """Returns the section `hydra` of the shipped run.yaml."""
    section: dict[str, Any] = yaml.safe_load((configs / "run.yaml").read_text("utf-8"))["hydra"]
    return section


def _leaves(values: Any, prefix: str) -> Iterable[tuple[str, str]]:
    """Yields dotted keys with their values as text."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _leaves(value, f"{prefix}.{key}")
    else:
        yield prefix, repr(values)
