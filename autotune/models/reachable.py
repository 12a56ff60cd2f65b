"""Whether a base model can be loaded: known from its files' names, before anything is downloaded."""

from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache

from autotune.config.schema import ModelConfig
from autotune.models.repository import HUB_PREFIX, file_names

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Files of which a model has one."""


def is_reachable(model: ModelConfig) -> bool:
    """Returns whether a base model is tiny, in a folder, in the local cache, or on a Hub that answers.

    Args:
        model: section `model`.
    """
    if not model.name_or_path:
        return True
    name, revision = model.name_or_path, model.revision
    folder = Path(name).expanduser()
    if folder.is_dir() and not name.startswith(HUB_PREFIX):
        return (folder / "config.json").is_file() and any((folder / file).is_file() for file in WEIGHTS)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        return False
    name, _, named_revision = name.removeprefix(HUB_PREFIX).partition("@")
    revision = named_revision or revision
    if _is_cached(name, revision):
        return True
    names = None if constants.HF_HUB_OFFLINE else file_names(name, revision)
    return names is not None and not {*WEIGHTS}.isdisjoint(names)


def _is_cached(name: str, revision: str | None) -> bool:
    """Returns whether the cache has config and weights of a model."""

    def has(file: str) -> bool:
        return isinstance(try_to_load_from_cache(name, file, revision=revision), str)

    return has("config.json") and any(has(file) for file in WEIGHTS)
