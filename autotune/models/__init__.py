"""Base models: opened, checked, given a head and perhaps adapters, saved and loaded again.

The way of a model: `open_base` (config and tokenizer) -> `load_model` (weights) -> training, with
`trainable_state` for cheap snapshots -> `save_adapter` and `merge_adapters` -> `save_model` -> `load_saved_model`.
peft is imported in this package alone.
"""

from autotune.models.adapters import (
    cast_frozen_to_bf16,
    copy_to_cpu,
    count_parameters,
    load_trainable_state,
    merge_adapters,
    refuse_without_checkpointing,
    trainable_state,
)
from autotune.models.base import open_base
from autotune.models.repository import hub_user, refuse_absent_weights
from autotune.models.saved_model import load_saved_model, save_adapter, save_model
from autotune.models.weights import build_meta_model, checkpoint_labels, load_model

__all__ = [
    "count_parameters",
    "merge_adapters",
    "cast_frozen_to_bf16",
    "hub_user",
    "load_saved_model",
    "load_model",
    "load_trainable_state",
    "copy_to_cpu",
    "open_base",
    "build_meta_model",
    "checkpoint_labels",
    "refuse_absent_weights",
    "refuse_without_checkpointing",
    "save_adapter",
    "save_model",
    "trainable_state",
]
