"""Training without padding: the rows of a micro-batch stand one after another in a single sequence.

Inside `packed(model)` the base model takes a padded batch, leaves the padding out, gives every row positions that
begin anew, lets each row attend to itself alone, and hands back the padded shape, so that heads and tasks notice
nothing. Matrix products see real tokens only, and attention is computed for rows of equal length together: no
mask of the whole sequence is ever made. What stands at padded positions of the result is zero.
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

NAME = "autotune_packed"
ROWS = "autotune_rows"
"""The keyword under which a base model hands the rows down to its attention, also when a layer is computed again
under gradient checkpointing."""
PROBE = (7, 3, 3, 1)
"""Lengths of the rows on which a model is tried before it is trusted."""
TOLERANCE = 1e-4


@dataclass(frozen=True)
class PackedRows:
    """Where the rows of a padded batch stand in the sequence."""

    order: Tensor
    """Number in the flattened padded batch of each real token, the shorter rows first: int64 (tokens,)."""
    positions: Tensor
    """Of each token within its row: int64 (tokens,)."""
    runs: tuple[tuple[int, int], ...]
    """Neighbouring rows of equal length: how many, and their length."""
    shape: tuple[int, int]
    """Of the padded batch."""

    @classmethod
    def of(cls, mask: Tensor) -> "PackedRows":
        """Reads them off an attention mask, (rows, length), with any kind of padding."""
        real = mask.bool()
        lengths = real.sum(dim=1)
        by_length = torch.argsort(lengths, stable=True)
        numbers = torch.arange(real.numel(), device=mask.device).view_as(real)[by_length]
        places = (real.cumsum(dim=1) - 1)[by_length]
        sorted_mask = real[by_length]
        runs = tuple(
            (len(list(group)), length) for length, group in groupby(lengths[by_length].tolist()) if length
        )
        return cls(numbers[sorted_mask], places[sorted_mask], runs, (mask.shape[0], mask.shape[1]))

    def pack(self, padded: Tensor) -> Tensor:
        """The real tokens of (rows, length, …) as (1, tokens, …)."""
        return padded.flatten(0, 1)[self.order][None]

    def pad(self, sequence: Tensor) -> Tensor:
        """Back from (1, tokens, …) to (rows, length, …), zero where there was padding."""
        rows, length = self.shape
        empty = sequence.new_zeros((rows * length, *sequence.shape[2:]))
        return empty.index_copy(0, self.order, sequence[0]).unflatten(0, (rows, length))


@contextmanager
def packed(model: nn.Module) -> Iterator[None]:
    """The model computes without padding while this is open; backward passes belong inside.

    Args:
        model: one that `refuse_packing` lets through, perhaps with adapters.
    """
    base = _base(model)
    AttentionInterface.register(NAME, _attention)
    configs = {id(config): config for config in map(_config, base.modules()) if config is not None}
    before = {key: config._attn_implementation for key, config in configs.items()}
    batch: list[PackedRows] = []

    def unpad(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        named = _by_name(base, arguments, named)
        batch[:] = [_rows(named)]
        return (), _packed_inputs(base.config, named, batch[0])

    def pad(_: nn.Module, __: Any, output: Any) -> Any:
        output["last_hidden_state"] = batch[0].pad(output["last_hidden_state"])
        batch.clear()
        return output

    def pad_for_pooler(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (batch[0].pad(arguments[0]), *arguments[1:]) if batch else arguments

    with ExitStack() as stack:
        for key, config in configs.items():
            stack.callback(setattr, config, "_attn_implementation", before[key])
            config._attn_implementation = NAME
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
    """Tries packing on a few random tokens; a model without weights is only asked what it is.

    Raises:
        ConfigError: the architecture cannot be packed, or its results would differ from those of padded rows.
    """
    base = _base(model)
    reason = _obstacle(base)
    if reason is None and base.device.type != "meta":
        try:
            difference = _difference(base)
        except (TypeError, KeyError, ValueError, RuntimeError, AttributeError) as error:
            reason = f"its attention does not take packed rows ({type(error).__name__}: {error})"
        else:
            if not difference <= TOLERANCE:
                reason = f"its results would differ by {difference:.1g} from those of padded rows"
    if reason is not None:
        raise ConfigError(
            f"models of the kind {base.config.model_type} cannot be trained packed: {reason}",
            where="trainer.batching",
            found="packed",
            fix="trainer.batching=exact, which pads little: rows of nearly equal length stand together",
        )


def _obstacle(base: Any) -> str | None:
    """What is known without trying."""
    config = base.config
    if config.is_encoder_decoder:
        return (
            "encoder and decoder rows would have to be packed together, and relative positions (T5) are a table "
            "over the whole sequence"
        )
    if "position_ids" not in inspect.signature(base.forward).parameters:
        return "positions that begin anew with each row cannot be given to it"
    if not base._supports_sdpa:
        return (
            "it computes attention in its own way (as DeBERTa does), through which rows cannot be kept apart"
        )
    if getattr(base, "_is_stateful", False):
        return "it carries a state from token to token, through which rows would see each other"
    return None


def _difference(base: Any) -> float:
    """The largest difference between packed and padded results on the probe."""
    device = base.get_input_embeddings().weight.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ids = torch.randint(5, base.config.get_text_config().vocab_size, (len(PROBE), max(PROBE)))
    mask = torch.arange(max(PROBE)) < torch.tensor(PROBE)[:, None]
    padding = base.config.get_text_config().pad_token_id
    inputs = {
        "input_ids": torch.where(mask, ids, padding or 0).to(device),
        "attention_mask": mask.long().to(device),
    }
    training = base.training
    base.eval()
    try:
        with torch.no_grad():
            plain = base(**inputs)["last_hidden_state"]
            with packed(base):
                other = base(**inputs)["last_hidden_state"]
    finally:
        base.train(training)
    difference = (plain - other)[mask.to(device)].abs().max()
    return float(difference / plain.abs().max().clamp(min=1.0))


def _base(model: Any) -> Any:
    """The model without adapters' wrapper and without its head."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return plain.base_model


def _config(module: nn.Module) -> PretrainedConfig | None:
    config = getattr(module, "config", None)
    return config if isinstance(config, PretrainedConfig) else None


def _by_name(base: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the base model, those that heads give by position included."""
    names = list(inspect.signature(base.forward).parameters)
    return dict(zip(names, arguments, strict=False)) | named


def _rows(named: dict[str, Any]) -> PackedRows:
    mask = named.get("attention_mask")
    if mask is None:
        tokens = named["input_ids"] if named.get("input_ids") is not None else named["inputs_embeds"]
        mask = tokens.new_ones(tokens.shape[:2], dtype=torch.long)
    return PackedRows.of(mask)


def _packed_inputs(config: Any, named: dict[str, Any], rows: PackedRows) -> dict[str, Any]:
    """Arguments of the base model for the sequence."""
    text_config = config.get_text_config()
    first = text_config.pad_token_id + 1 if text_config.model_type in OFFSET_POSITION_TYPES else 0
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
            "position_ids": (rows.positions + first)[None],
            **(
                {"use_cache": False}
                if "use_cache" in named or getattr(text_config, "use_cache", False)
                else {}
            ),
            ROWS: rows,
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
    """Attention of each row to itself; tensors are (1, heads, tokens, size), the result (1, tokens, heads, size)."""
    rows: PackedRows = options.pop(ROWS)
    if attention_mask is not None:
        raise ValueError("the model made a mask of its own")
    options.pop("position_ids", None)
    plain = ALL_ATTENTION_FUNCTIONS["sdpa"]
    window = options.get("sliding_window")
    sizes = [count * length for count, length in rows.runs]
    parts = zip(rows.runs, *(tensor.split(sizes, dim=2) for tensor in (query, key, value)), strict=True)
    outputs = []
    for (count, length), *run in parts:
        # (1, heads, rows x length, size) as (rows, heads, length, size), without a copy.
        q, k, v = (part[0].unflatten(1, (count, length)).transpose(0, 1) for part in run)
        mask = None if window is None else _window_mask(module, q)
        outputs.append(plain(module, q, k, v, mask, **options)[0].flatten(0, 1))
    return torch.cat(outputs)[None], None


def _window_mask(module: Any, query: Tensor) -> Tensor | None:
    """What transformers lets a row see in a layer whose attention is local: (1, 1, length, length) or None for all."""
    config = copy.copy(module.config)
    config._attn_implementation = "sdpa"
    make = (
        create_sliding_window_causal_mask
        if getattr(module, "is_causal", False)
        else create_bidirectional_sliding_window_mask
    )
    row = query.new_zeros((1, query.shape[2], 1))
    arguments = {"config": config, "inputs_embeds": row, "attention_mask": None, "past_key_values": None}
    wanted = inspect.signature(make).parameters
    return make(**{name: argument for name, argument in arguments.items() if name in wanted})
