"""Where the value of a key comes from: the command line, a YAML file, or the defaults of the program."""

import os
from collections.abc import Sequence
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


def origin_of(key: str, argv: Sequence[str]) -> tuple[str, Any]:
    """Returns where a key gets its value (an override, a file with its group, or the defaults), and the value as written
    there.

    Args:
        key: dotted, with its section.
        argv: overrides and Hydra's flags of a command line.

    Raises:
        ConfigError: the overrides do not compose.
    """
    compose(argv)  # raises errors in our words, not Hydra's
    args = get_args_parser().parse_args(normalize_argv(argv))
    for word in reversed(args.overrides):
        if key_of(word) == key:
            return f"the command line: {word}", word.partition("=")[2]
    hydra = open_hydra(config_folder(), os.environ.get(USER_CONFIGS) or None, args.config_dir)
    loader: Any = hydra.config_loader
    defaults = loader.compute_defaults_list(
        config_name=args.config_name or PRIMARY, overrides=args.overrides, run_mode=RunMode.RUN
    ).defaults
    # The last entry that has the key wins, as in Hydra's own merge.
    for default in reversed(defaults):
        path, package = str(default.config_path), default.package or ""
        if path.startswith("hydra/") or (package and not key.startswith(f"{package}.")):
            continue
        loaded = loader.repository.load_config(path)
        inner = key.removeprefix(f"{package}.") if package else key
        written = MISSING if loaded is None else _written(loaded.config, inner)
        if written is MISSING:
            continue
        if not loaded.path.startswith("file://"):
            return DEFAULTS, written
        file = f"{loaded.path.removeprefix('file://')}/{path.removesuffix('.yaml')}.yaml"
        group, _, option = path.rpartition("/")
        return f"{file} ({group}={option})" if group else file, written
    return DEFAULTS, None


def _written(config: DictConfig, key: str) -> Any:
    """Returns the value that a file gives a key, which may be None, or MISSING."""
    node: Any = config
    for part in key.split("."):
        if not OmegaConf.is_dict(node) or part not in node:
            return MISSING
        node = node._get_node(part)
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node._value()
