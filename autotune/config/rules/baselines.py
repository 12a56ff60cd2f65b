"""Rules for models without a neural network: which task has which, and keys that only a base model has."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from autotune import registry
from autotune.config.enums import BaselineMethod
from autotune.config.schema import ModelConfig, RunConfig
from autotune.config.trainer import TrainerConfig
from autotune.errors import AutotuneError, ConfigError, format_override

OF_BASE_MODELS = ("revision", "tokenizer_kwargs", "max_length", "trim_vocabulary", "allow_pickle")
"""Keys of `model` that say how a base model is read."""
KEYS_OF_METHODS = {"C": BaselineMethod.tfidf, "max_epochs": BaselineMethod.tagger}
"""Keys of `model` that one method without a neural network reads."""


def method_of_task(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that the task has a model of this kind."""
    method, methods = config.model.baseline, registry.task(config.task.name).cheap
    if method is not None and method not in methods:
        yield ConfigError(
            f"task={config.task.name} has no model of this kind",
            where="model.baseline",
            found=str(method),
            fix=" or ".join(format_override("model", name) for name in methods) or "model=tiny",
        )


def keys_of_base_models(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that nothing is asked of a model without a neural network that only a base model has, nor the reverse."""
    method, model = config.model.baseline, config.model
    for key, only in KEYS_OF_METHODS.items():
        value, default = getattr(model, key), getattr(ModelConfig, key)
        if method is not only and value != default:
            yield ConfigError(
                f"only model={only} reads it",
                where=f"model.{key}",
                found=f"{value:g}",
                fix=f"{format_override('model', only)}, or {format_override(f'model.{key}', default)}",
            )
    if method is None:
        return
    plain = ModelConfig()
    for key in OF_BASE_MODELS:
        if getattr(model, key) != getattr(plain, key):
            yield ConfigError(
                f"model={method} reads no base model",
                where=f"model.{key}",
                found=str(getattr(model, key)),
                fix=format_override(f"model.{key}", getattr(plain, key)),
            )
    refusals = (
        (config.peft is not None, f"model={method} has no layers for adapters", "peft", "peft=none"),
        (config.dataset.streaming, f"model={method} learns from all rows at once", "dataset.streaming",
         "dataset.streaming=false"),
        (config.search is not None, f"model={method} has no steps after which trials could be compared", "search",
         "search=none; to try values of model=tfidf: -m model.C=1,10,100"),
    )  # fmt: skip
    for refused, what, key, fix in refusals:
        if refused:
            yield ConfigError(what, where=key, fix=fix)


def keys_without_effect(config: RunConfig) -> list[str]:
    """Returns the keys that were changed and mean nothing to a model without a neural network, such as trainer.epochs."""
    if config.model.baseline is None:
        return []
    read = ("name", *registry.task(config.task.name).cheap[config.model.baseline].keys)
    # The learning rate was filled in when the configuration was resolved.
    plain = TrainerConfig(learning_rate=(config.peft or config.model).learning_rate)
    # Without steps there is nothing to pause.
    trainer = [key for key in _changed(config.trainer, plain) if not key.startswith("pause")]
    task = [key for key in _changed(config.task, type(config.task)()) if key not in read]
    snapshots = ["hub.every"] if config.hub.every is not None else []
    return [*(f"trainer.{key}" for key in trainer), *(f"task.{key}" for key in task), *snapshots]


def _changed(section: Any, plain: Any) -> list[str]:
    """Returns the keys of a section whose values differ from those of another."""
    names = [field.name for field in dataclasses.fields(section)]
    return [name for name in names if getattr(section, name) != getattr(plain, name)]
