"""Base models: opened, checked, given a head and perhaps adapters, saved and loaded again.

The way of a model: `open_base` (config and tokenizer) -> `load_model` (weights) -> training, with
`trainable_state` for cheap snapshots -> `save_adapter` and `finish` -> `save_artefact` -> `load_artefact`.
peft is imported in this package alone.
"""

from autotune.models.adapters import (
    count_parameters,
    finish,
    halve_frozen,
    load_trainable_state,
    on_cpu,
    refuse_without_checkpointing,
    trainable_state,
)
from autotune.models.base import open_base
from autotune.models.repository import hub_user, refuse_absent_weights
from autotune.models.saved_model import load_artefact, save_adapter, save_artefact
from autotune.models.weights import load_model, outline, own_labels

__all__ = [
    "count_parameters",
    "finish",
    "halve_frozen",
    "hub_user",
    "load_artefact",
    "load_model",
    "load_trainable_state",
    "on_cpu",
    "open_base",
    "outline",
    "own_labels",
    "refuse_absent_weights",
    "refuse_without_checkpointing",
    "save_adapter",
    "save_artefact",
    "trainable_state",
]
