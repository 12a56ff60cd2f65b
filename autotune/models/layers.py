"""Finds the layers of a model, for learning rates that fall from layer to layer and for parts that stay frozen.

A layer is an entry of a list of modules that is as long as the config says the model is deep: BERT's encoder.layer, T5's
encoder.block, GPT-2's h. Parameters of the base model that are neither in a layer nor above all of them are its embeddings;
DeBERTa's relative positions, which every layer reads, are among them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn

from autotune.config.trainer import ALL, EMBEDDINGS
from autotune.errors import ConfigError, format_override
from autotune.models.adapters import has_adapters

DEPTHS = ("num_hidden_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers")
"""Attributes of a config with the number of layers; others (`n_layer`) are aliases of the first."""
ABOVE = frozenset(
    {"norm", "final_norm", "final_layer_norm", "final_layernorm", "layer_norm", "ln_f", "norm_f"}
)
"""Modules beside a list of layers that come after its top layer. DeBERTa's `LayerNorm` is one of relative positions."""


class Place(NamedTuple):
    """Where a parameter is."""

    height: int
    """Layers from the outputs down to it, its own included: 0 above all layers, their number + 1 for embeddings."""
    level: int | None
    """Number of frozen layers from which it is frozen: 0 for embeddings, 1 for the lowest layer. None: no number freezes it."""
    is_head: bool = False
    """Whether it belongs to the head."""


def places(model: nn.Module) -> dict[nn.Parameter, Place]:
    """Returns the place of every parameter; the layers of encoder and decoder are counted alike, each from its top.

    Args:
        model: with or without adapters; an adapter is in the layer that it adapts.

    Raises:
        ConfigError: the layers were not found.
    """
    plain: Any = model.get_base_model() if has_adapters(model) else model
    stacks = dict(_stacks(plain.base_model, plain.config))
    if not stacks:
        raise ConfigError(
            f"the layers of a {plain.config.model_type} model were not found",
            where="trainer.layer_decay, trainer.freeze",
            found=type(plain).__name__,
            fix="trainer.layer_decay=1 trainer.freeze=null",
        )
    prefix = "" if plain.base_model is plain else f"{plain.base_model_prefix}."
    depths = {f"{prefix}{name}.": depth for name, depth in stacks.items()}
    return {parameter: _place(plain, name, depths) for name, parameter in plain.named_parameters()}


def is_head(model: Any, name: str) -> bool:
    """Whether a parameter of a plain model belongs to its head: it is outside the base model, or in a pooler."""
    parts = name.split(".")
    is_outside = model.base_model is not model and parts[0] != model.base_model_prefix
    # T5 with the head for generation has no base model of its own.
    return is_outside or parts[0] == "lm_head" or "pooler" in parts


def freeze(model: nn.Module, part: str | None) -> None:
    """Freezes the lower part of a model without adapters, so that the backward pass ends above it.

    Args:
        model: changed in place.
        part: `trainer.freeze`.

    Raises:
        ConfigError: the model has fewer layers, they were not found, or nothing is left to train.
    """
    if part is None:
        return
    if part == ALL:
        frozen = [parameter for name, parameter in model.named_parameters() if not is_head(model, name)]
    else:
        count = 0 if part == EMBEDDINGS else int(part)
        levels = {parameter: place.level for parameter, place in places(model).items()}
        depth = max(level for level in levels.values() if level is not None)
        if count > depth:
            raise ConfigError(
                f"the model has {depth} layers that can be frozen",
                where="trainer.freeze",
                found=part,
                fix=format_override("trainer.freeze", depth),
            )
        frozen = [parameter for parameter, level in levels.items() if level is not None and level <= count]
    for parameter in frozen:
        parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            "nothing is left to train: this model has no head besides its embeddings",
            where="trainer.freeze",
            found=part,
            fix="trainer.freeze=embeddings, or a number of layers",
        )


def _place(model: Any, name: str, depths: Mapping[str, int]) -> Place:
    """Returns the place of a parameter.

    Args:
        model: plain.
        name: of the parameter.
        depths: number of layers by the beginning of the names of their parameters.
    """
    if is_head(model, name):
        return Place(0, None, is_head=True)
    parts = name.split(".")
    for prefix, depth in depths.items():
        if name.startswith(prefix):
            layer = int(name.removeprefix(prefix).partition(".")[0])
            # Freezing goes from the bottom up, and below a decoder is its encoder.
            is_decoder = model.config.is_encoder_decoder and "decoder" in parts
            return Place(depth - layer, None if is_decoder else layer + 1)
    *owner, module, _ = parts
    if module in ABOVE and any(prefix.split(".")[:-2] == owner for prefix in depths):
        return Place(0, None)
    return Place(max(depths.values()) + 1, 0)


def _stacks(module: nn.Module, config: Any, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yields name and length of the outermost lists of modules that are as long as the model is deep."""
    text_config = config.get_text_config()
    expected = {getattr(text_config, name, None) for name in DEPTHS}
    for name, child in module.named_children():
        if not isinstance(child, nn.ModuleList):
            yield from _stacks(child, config, f"{prefix}{name}.")
        elif len(child) in expected:
            yield f"{prefix}{name}", len(child)
