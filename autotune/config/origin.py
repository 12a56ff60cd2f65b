"""Where the value of a key comes from: the command line, a YAML file, or the defaults of the program."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from autotune.config.compose import PRIMARY, USER_CONFIGS, compose
from autotune.config.hydra_loader import open_hydra
from autotune.config.overrides import key_of, normalize_argv
from autotune.runtime.places import config_folder

DEFAULTS = "the defaults of the program (autotune/config/schema.py, or the module of the task)"
MISSING = object()


@dataclass(frozen=True)
class Origin:
    """Where a value comes from; all None: the defaults of the program."""

    value: Any
    """Value as written there; None in the defaults of keys that no file writes."""
    override: str | None = None
    """Word of the command line."""
    file: str | None = None
    option: str | None = None
    """Group and option that the file is: dataset=sample; None for the file of the command itself."""


def origin_of(key: str, argv: Sequence[str]) -> tuple[str, Any]:
    """Returns where a key gets its value (an override, a file with its group, or the defaults), and the value as written
    there.

    Args:
        key: dotted, with its section.
        argv: overrides and Hydra's flags of a command line.

    Raises:
        ConfigError: the overrides do not compose.
    """
    origin = origins([key], argv)[key]
    if origin.override is not None:
        return f"the command line: {origin.override}", origin.value
    if origin.file is not None:
        return f"{origin.file} ({origin.option})" if origin.option else origin.file, origin.value
    return DEFAULTS, origin.value


def origins(keys: Iterable[str], argv: Sequence[str]) -> dict[str, Origin]:
    """Returns where each key gets its value; see `origin_of`.

    Raises:
        ConfigError: the overrides do not compose.
    """
    compose(argv)  # raises errors in our words, not Hydra's
    args = get_args_parser().parse_args(normalize_argv(argv))
    hydra = open_hydra(config_folder(), os.environ.get(USER_CONFIGS) or None, args.config_dir)
    loader: Any = hydra.config_loader
    defaults = loader.compute_defaults_list(
        config_name=args.config_name or PRIMARY, overrides=args.overrides, run_mode=RunMode.RUN
    ).defaults
    files = []
    # The last file that has a key wins, as in Hydra's own merge.
    for default in reversed(defaults):
        path = str(default.config_path)
        if not path.startswith("hydra/"):
            loaded = loader.repository.load_config(path)
            if loaded is not None:
                files.append((default.package or "", path, loaded))
    return {key: _origin(key, args.overrides, files) for key in keys}


def _origin(key: str, overrides: Sequence[str], files: Sequence[tuple[str, str, Any]]) -> Origin:
    """Returns the origin of a key, from the overrides and the files with their packages, of which the first wins."""
    for word in reversed(overrides):
        if key_of(word) == key:
            return Origin(word.partition("=")[2], override=word)
    for package, path, loaded in files:
        if package and not key.startswith(f"{package}."):
            continue
        written = _written(loaded.config, key.removeprefix(f"{package}.") if package else key)
        if written is MISSING:
            continue
        if not loaded.path.startswith("file://"):
            return Origin(written)
        file = f"{loaded.path.removeprefix('file://')}/{path.removesuffix('.yaml')}.yaml"
        group, _, option = path.rpartition("/")
        return Origin(written, file=file, option=f"{group}={option}" if group else None)
    return Origin(None)


def _written(config: DictConfig, key: str) -> Any:
    """Returns the value that a file gives a key, which may be None, or MISSING."""
    node: Any = config
    for part in key.split("."):
        if not OmegaConf.is_dict(node) or node._is_none() or part not in node:
            return MISSING
        node = node._get_node(part)
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node._value()
