"""Training without padding: the rows of a micro-batch are concatenated into a single sequence.

Inside `packed(model)` the base model takes a padded batch and removes the padding. Positions start at the first position
in every row, and each row attends only to itself. The result has the padded shape again, zero at padded positions, so
heads and tasks need no change. Matrix products see only real tokens, and attention is computed together for rows of
equal length: a mask of the whole sequence is never built.
"""

import copy
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PretrainedConfig
from transformers.masking_utils import (
    create_bidirectional_sliding_window_mask,
    create_sliding_window_causal_mask,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from autotune.errors import ConfigError
from autotune.models.base import OFFSET_POSITION_TYPES

ATTENTION_NAME = "autotune_packed"
"""Name under which the packed attention is registered in transformers."""
ROWS_KEYWORD = "autotune_rows"
"""Keyword argument that a base model passes down to its attention. An argument, not a global, because gradient
checkpointing runs a layer again after the forward pass."""
PROBE_LENGTHS = (7, 3, 3, 1)
"""Lengths of the rows with which a model is tested before it is trained packed."""
TOLERANCE = 1e-4
"""Largest accepted difference between packed and padded results, relative to the largest result (at least 1)."""


@dataclass(frozen=True)
class PackedRows:
    """Positions of the rows of a padded batch in the packed sequence."""

    order: Tensor
    """Index of each real token in the flattened padded batch, the shorter rows first: int64 (tokens,)."""
    positions: Tensor
    """Position of each token in its row: int64 (tokens,)."""
    runs: tuple[tuple[int, int], ...]
    """Number and length of neighbouring rows of equal length."""
    shape: tuple[int, int]
    """Shape of the padded batch."""

    @classmethod
    def from_mask(cls, mask: Tensor) -> "PackedRows":
        """Builds it from an attention mask, (rows, length), with padding at any position."""
        real = mask.bool()
        lengths = real.sum(dim=1)
        # By length, so that rows of equal length are neighbours: attention takes each run of them as one batch.
        by_length = torch.argsort(lengths, stable=True)
        indices = torch.arange(real.numel(), device=mask.device).view_as(real)[by_length]
        positions = (real.cumsum(dim=1) - 1)[by_length]
        sorted_mask = real[by_length]
        runs = tuple(
            (len(list(group)), length) for length, group in groupby(lengths[by_length].tolist()) if length
        )
        return cls(indices[sorted_mask], positions[sorted_mask], runs, (mask.shape[0], mask.shape[1]))

    def pack(self, padded: Tensor) -> Tensor:
        """Returns the real tokens of (rows, length, …) as (1, tokens, …)."""
        return padded.flatten(0, 1)[self.order][None]

    def pad(self, sequence: Tensor) -> Tensor:
        """Returns (1, tokens, …) as (rows, length, …), zero at padded positions."""
        rows, length = self.shape
        zeros = sequence.new_zeros((rows * length, *sequence.shape[2:]))
        return zeros.index_copy(0, self.order, sequence[0]).unflatten(0, (rows, length))


@contextmanager
def packed(model: nn.Module) -> Iterator[None]:
    """Makes the model compute without padding inside the block; backward passes belong inside, too.

    Args:
        model: model that `refuse_packing` accepts, with or without adapters.
    """
    base = _base_model(model)
    AttentionInterface.register(ATTENTION_NAME, _attention)
    # Submodules may have configs of their own, and each reads its attention from its own config.
    configs = {id(config): config for config in map(_config, base.modules()) if config is not None}
    original = {key: config._attn_implementation for key, config in configs.items()}
    # The rows of the current forward pass, set by `unpad` and empty between passes.
    current: list[PackedRows] = []

    def unpad(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        named = _bind_arguments(base, arguments, named)
        current[:] = [_packed_rows(named)]
        return (), _packed_inputs(base.config, named, current[0])

    def pad(_: nn.Module, __: Any, output: Any) -> Any:
        output["last_hidden_state"] = current[0].pad(output["last_hidden_state"])
        current.clear()
        return output

    # The pooler runs inside the base model, before `pad`, and takes the first token of every row.
    def pad_for_pooler(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (current[0].pad(arguments[0]), *arguments[1:]) if current else arguments

    with ExitStack() as stack:
        for key, config in configs.items():
            stack.callback(setattr, config, "_attn_implementation", original[key])
            config._attn_implementation = ATTENTION_NAME
        hooks = [
            base.register_forward_pre_hook(unpad, with_kwargs=True),
            base.register_forward_hook(pad),
            *(
                module.register_forward_pre_hook(pad_for_pooler)
                for name, module in base.named_children()
                if name == "pooler"
            ),
        ]
        for hook in hooks:
            stack.callback(hook.remove)
        yield


def refuse_packing(model: nn.Module) -> None:
    """Checks that a model can be trained packed, with a few random tokens; without weights, only its architecture.

    Raises:
        ConfigError: the architecture cannot be packed, or its results would differ from those of padded rows.
    """
    base = _base_model(model)
    reason = _unsupported_architecture(base)
    if reason is None and base.device.type != "meta":
        try:
            difference = _max_difference(base)
        except (TypeError, KeyError, ValueError, RuntimeError, AttributeError) as error:
            reason = f"its attention does not take packed rows ({type(error).__name__}: {error})"
        else:
            if not difference <= TOLERANCE:  # Not `>`: a difference of NaN must be refused, too.
                reason = f"its results would differ by {difference:.1g} from those of padded rows"
    if reason is not None:
        raise ConfigError(
            f"models of the kind {base.config.model_type} cannot be trained packed: {reason}",
            where="trainer.batching",
            found="packed",
            fix="trainer.batching=exact, which pads little, as rows of similar length are batched together",
        )


def _unsupported_architecture(base: Any) -> str | None:
    """Describes why an architecture cannot be packed; None if nothing in its code or config prevents it."""
    config = base.config
    if config.is_encoder_decoder:
        return (
            "encoder and decoder rows would have to be packed together, and relative positions (T5) are a table "
            "over the whole sequence"
        )
    if "position_ids" not in inspect.signature(base.forward).parameters:
        return "it does not accept positions that restart with each row"
    if not base._supports_sdpa:
        return (
            "it computes attention in its own way (as DeBERTa does), through which rows cannot be kept apart"
        )
    if getattr(base, "_is_stateful", False):
        return "it carries a state from token to token, through which rows would see each other"
    return None


def _max_difference(base: Any) -> float:
    """Returns the largest difference between packed and padded results for random rows, relative to the results."""
    device = base.get_input_embeddings().weight.device
    rows, length = len(PROBE_LENGTHS), max(PROBE_LENGTHS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ids = torch.randint(5, base.config.get_text_config().vocab_size, (rows, length))
    mask = torch.arange(length) < torch.tensor(PROBE_LENGTHS)[:, None]
    pad_id = base.config.get_text_config().pad_token_id
    inputs = {
        "input_ids": torch.where(mask, ids, pad_id or 0).to(device),
        "attention_mask": mask.long().to(device),
    }
    training = base.training
    base.eval()
    try:
        with torch.no_grad():
            padded_result = base(**inputs)["last_hidden_state"]
            with packed(base):
                packed_result = base(**inputs)["last_hidden_state"]
    finally:
        base.train(training)
    difference = (padded_result - packed_result)[mask.to(device)].abs().max()
    return float(difference / padded_result.abs().max().clamp(min=1.0))


def _base_model(model: Any) -> Any:
    """Returns the model without the wrapper of its adapters and without its head."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return plain.base_model


def _config(module: nn.Module) -> PretrainedConfig | None:
    """Returns the config of a module; None if it has none."""
    config = getattr(module, "config", None)
    return config if isinstance(config, PretrainedConfig) else None


def _bind_arguments(base: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Returns all arguments of the base model by name; some heads pass them by position."""
    names = list(inspect.signature(base.forward).parameters)
    return dict(zip(names, arguments, strict=False)) | named


def _packed_rows(named: dict[str, Any]) -> PackedRows:
    """Returns the rows of a batch; without an attention mask, every token is real."""
    mask = named.get("attention_mask")
    if mask is None:
        tokens = named["input_ids"] if named.get("input_ids") is not None else named["inputs_embeds"]
        mask = tokens.new_ones(tokens.shape[:2], dtype=torch.long)
    return PackedRows.from_mask(mask)


def _packed_inputs(config: Any, named: dict[str, Any], rows: PackedRows) -> dict[str, Any]:
    """Returns the arguments of the base model for the packed sequence."""
    text_config = config.get_text_config()
    first_position = text_config.pad_token_id + 1 if text_config.model_type in OFFSET_POSITION_TYPES else 0
    tensors = {
        name: rows.pack(named[name])
        for name in ("input_ids", "inputs_embeds", "token_type_ids")
        if named.get(name) is not None
    }
    return (
        named
        | tensors
        | {
            "attention_mask": None,
            "position_ids": (rows.positions + first_position)[None],
            **(
                {"use_cache": False}
                if "use_cache" in named or getattr(text_config, "use_cache", False)
                else {}
            ),
            ROWS_KEYWORD: rows,
        }
    )


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Computes the attention of each row to itself.

    Args:
        module: attention layer.
        query: (1, heads, tokens, size), like key and value; key and value may have fewer heads.
        key: keys.
        value: values.
        attention_mask: must be None.
        options: further arguments of attention functions of transformers, and the rows.

    Returns:
        (1, tokens, heads, size), and None instead of the weights.
    """
    rows: PackedRows = options.pop(ROWS_KEYWORD)
    # A mask would span the whole sequence. `refuse_packing` turns this error into a message.
    if attention_mask is not None:
        raise ValueError("the model made a mask of its own")
    options.pop("position_ids", None)
    sdpa = ALL_ATTENTION_FUNCTIONS["sdpa"]
    window = options.get("sliding_window")
    sizes = [count * length for count, length in rows.runs]
    parts = zip(rows.runs, *(tensor.split(sizes, dim=2) for tensor in (query, key, value)), strict=True)
    outputs = []
    for (count, length), *run in parts:
        # (1, heads, rows x length, size) as (rows, heads, length, size), without a copy.
        q, k, v = (part[0].unflatten(1, (count, length)).transpose(0, 1) for part in run)
        mask = None if window is None else _window_mask(module, q)
        outputs.append(sdpa(module, q, k, v, mask, **options)[0].flatten(0, 1))
    return torch.cat(outputs)[None], None


def _window_mask(module: Any, query: Tensor) -> Tensor | None:
    """Returns transformers' mask of a layer with local attention: (1, 1, length, length), or None if a row sees all."""
    # With our own name of the attention in the config, transformers would build no mask.
    config = copy.copy(module.config)
    config._attn_implementation = "sdpa"
    make_mask = (
        create_sliding_window_causal_mask
        if getattr(module, "is_causal", False)
        else create_bidirectional_sliding_window_mask
    )
    row = query.new_zeros((1, query.shape[2], 1))
    arguments = {
        "config": config,
        "inputs_embeds": row,
        "attention_mask": None,
        "cache": None,
        "past_key_values": None,
    }
    # The parameters differ between the two functions and between versions of transformers.
    parameters = inspect.signature(make_mask).parameters
    return make_mask(**{name: argument for name, argument in arguments.items() if name in parameters})
