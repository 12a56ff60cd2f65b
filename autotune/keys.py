"""The names of all keys, and which one was probably meant."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from autotune import registry
from autotune.config import RunConfig
from autotune.errors import nearest

ALIASES = {
    "lr": "trainer.learning_rate",
    "learning_rate": "trainer.learning_rate",
    "epochs": "trainer.epochs",
    "num_epochs": "trainer.epochs",
    "num_train_epochs": "trainer.epochs",
    "max_steps": "trainer.max_updates",
    "bs": "trainer.batch_size",
    "train_batch_size": "trainer.batch_size",
    "per_device_train_batch_size": "trainer.batch_size",
    "early_stopping_patience": "trainer.patience",
    "lr_scheduler_type": "trainer.schedule",
    "fp16": "trainer.precision",
    "bf16": "trainer.precision",
    "mixed_precision": "trainer.precision",
    "max_length": "task.max_length",
    "max_seq_length": "task.max_length",
    "path": "dataset.path",
    "data": "dataset.path",
    "train_file": "dataset.path",
    "dataset_name": "dataset.path",
    "base_model": "model.name_or_path",
    "model_name": "model.name_or_path",
    "model_name_or_path": "model.name_or_path",
    "pretrained_model_name_or_path": "model.name_or_path",
    "lora_r": "peft.r",
    "rank": "peft.r",
    "lora_alpha": "peft.alpha",
    "lora_dropout": "peft.dropout",
    "output_dir": "runs",
    "run_name": "name",
}
"""What other tools call our keys, and which of several keys with the same last part is meant."""


@cache
def keys() -> dict[str, Any]:
    """Every key of the configuration with its type, the keys of all tasks included."""
    found = dict(_keys_of(RunConfig, ""))
    for task in registry.tasks().values():
        found |= dict(_keys_of(task.Config, "task."))
    return found


def suggest(key: str, groups: Iterable[str] = ()) -> str | None:
    """The key or group that was probably meant, or None when none comes near.

    Args:
        key: as the user wrote it.
        groups: names that may stand where keys do.
    """
    section, _, leaf = key.lower().rpartition(".")
    if leaf in ALIASES:
        return ALIASES[leaf]
    candidates = [*groups, *keys()]
    inside = [candidate for candidate in candidates if section and candidate.startswith(f"{section}.")]
    begun = [candidate for candidate in inside if candidate.startswith(key.lower())]
    if begun:
        return begun[0]
    by_leaf = {candidate.rsplit(".", 1)[-1]: candidate for candidate in reversed(candidates)} | ALIASES
    return nearest(key, inside) or by_leaf.get(nearest(leaf, by_leaf) or "") or nearest(key, candidates)


def _keys_of(schema: type, prefix: str) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(schema)
    for field in fields(schema):
        kind = hints[field.name]
        members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        section = next((member for member in members if is_dataclass(member)), None)
        if isinstance(section, type):
            yield from _keys_of(section, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", kind
