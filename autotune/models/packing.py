"""Training without padding: the rows of a micro-batch stand one after another in a single sequence.

Inside `packed(model, head)` the base model takes a padded batch, leaves the padding out, gives every row positions
that begin anew and lets each row attend to itself alone. Matrix products see real tokens only, and attention is
computed for rows of equal length together, or on a GPU for all rows by one kernel: no mask of the whole sequence is
ever made. A head that reads whole rows gets them back padded, with zeros; one that reads tokens gets the sequence.
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
from torch.nn.attention.varlen import varlen_attn
from transformers import MODEL_MAPPING, AttentionInterface, PretrainedConfig
from transformers.masking_utils import (
    create_bidirectional_sliding_window_mask,
    create_sliding_window_causal_mask,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from autotune.errors import ConfigError
from autotune.models.base import POSITIONS_AFTER_PADDING, position_rows
from autotune.tasks.base import Head

NAME = "autotune_packed"
ROWS = "autotune_rows"
"""The keyword under which a base model hands the rows down to its attention, also when a layer is computed again
under gradient checkpointing."""
PROBE = (150, 3, 3, 1)
"""Lengths of the rows on which a model is tried before it is trusted: longer than the local windows of encoders,
two that stand in one run, and the shortest."""
EXACT, ROUNDED = 1e-4, 5e-2
"""How far results may be from those of padded rows, in shares of the largest number: in fp32, and where products are
rounded to 8 or 10 bits. Rows that see each other are off by more."""
KERNEL_OPTIONS = {"scale", "window_size", "enable_gqa"}
"""What torch's kernel for rows of different lengths must know; its first versions do not."""


@dataclass(frozen=True)
class PackedRows:
    """Where the rows of a padded batch stand in the sequence."""

    order: Tensor
    """Number in the flattened padded batch of each real token, the shorter rows first: int64 (tokens,)."""
    positions: Tensor
    """Of each token within its row: int64 (tokens,)."""
    runs: tuple[tuple[int, int], ...]
    """Neighbouring rows of equal length: how many, and their length."""
    borders: Tensor
    """Where the rows that are not empty begin, and behind the last one the number of tokens: int32 (rows + 1,)."""
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
        borders = torch.nn.functional.pad(lengths[lengths > 0].sort().values.cumsum(0), (1, 0)).int()
        return cls(
            numbers[sorted_mask], places[sorted_mask], runs, borders, (mask.shape[0], mask.shape[1])
        )

    def pack(self, padded: Tensor) -> Tensor:
        """The real tokens of (rows, length, …) as (1, tokens, …)."""
        return padded.flatten(0, 1)[self.order][None]

    def pad(self, sequence: Tensor) -> Tensor:
        """Back from (1, tokens, …) to (rows, length, …), zero where there was padding."""
        rows, length = self.shape
        empty = sequence.new_zeros((rows * length, *sequence.shape[2:]))
        return empty.index_copy(0, self.order, sequence[0]).unflatten(0, (rows, length))


@contextmanager
def packed(model: nn.Module, head: Head) -> Iterator[None]:
    """The model computes without padding while this is open; backward passes belong inside.

    Args:
        model: one whose kind `refuse_packing` lets through, perhaps with adapters.
        head: what is on top. For whole rows its results are those of a padded batch; for tokens they have the shape
            (1, tokens, …), in the order of `PackedRows.of` of the attention mask.
    """
    base = _base(model)
    configs = {id(config): config for config in map(_config, base.modules()) if config is not None}
    before = {key: config._attn_implementation for key, config in configs.items()}
    batch: list[PackedRows] = []

    def unpad(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        named = _by_name(base, arguments, named)
        batch[:] = [_rows(named)]
        return (), _packed_inputs(base.config, named, batch[0])

    def pad(_: nn.Module, __: Any, output: Any) -> Any:
        if head is Head.sequence:
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


def refuse_packing(config: PretrainedConfig) -> None:
    """Raises ConfigError where it is known, before weights are read, that a kind of model cannot be packed exactly."""
    reason = _obstacle(config)
    if reason is not None:
        raise _refusal(config, reason)


def refuse_difference(model: nn.Module) -> None:
    """Tries packing on a few random tokens, on the device and in the precision that are set.

    Raises:
        ConfigError: the model cannot be packed after all, or its results would differ from those of padded rows.
    """
    base = _base(model)
    try:
        difference, allowed = _difference(base), _tolerance(base)
    except (TypeError, KeyError, ValueError, RuntimeError, AttributeError) as error:
        raise _refusal(
            base.config, f"its attention does not take packed rows ({type(error).__name__}: {error})"
        ) from error
    if not difference <= allowed:
        raise _refusal(
            base.config, f"its results would differ by {difference:.1g} from those of padded rows"
        )


def _refusal(config: PretrainedConfig, reason: str) -> ConfigError:
    return ConfigError(
        f"models of the kind {config.model_type} cannot be trained packed: {reason}",
        where="trainer.batching",
        found="packed",
        fix="trainer.batching=exact",
    )


def _obstacle(config: PretrainedConfig) -> str | None:
    """What is known without trying."""
    if config.is_encoder_decoder:
        return (
            "encoder and decoder rows would have to be packed together, and relative positions (T5) are a table "
            "over the whole sequence"
        )
    base = MODEL_MAPPING.get(type(config), None)
    if base is None or isinstance(base, tuple):
        return None  # it is found by trying
    if not base._supports_sdpa:
        return (
            "it computes attention in its own way (as DeBERTa does), through which rows cannot be kept apart"
        )
    if base._is_stateful:
        return "it carries a state from token to token, through which rows would see each other"
    if "position_ids" not in inspect.signature(base.forward).parameters:
        return "positions that begin anew with each row cannot be given to it"
    return None


def _difference(base: Any) -> float:
    """The largest difference between packed and padded results on the probe, as a share of the largest number."""
    device = base.get_input_embeddings().weight.device
    longest = min(max(PROBE), position_rows(base.config) or max(PROBE))
    lengths = torch.tensor(PROBE).clamp(max=longest)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ids = torch.randint(5, base.config.get_text_config().vocab_size, (len(PROBE), longest))
    mask = torch.arange(longest) < lengths[:, None]
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
            with packed(base, Head.sequence):
                other = base(**inputs)["last_hidden_state"]
    finally:
        base.train(training)
    difference = (plain - other)[mask.to(device)].abs().max()
    return float(difference / plain.abs().max().clamp(min=1.0))


def _tolerance(base: Any) -> float:
    """EXACT where all arithmetic is that of fp32."""
    exact = (
        torch.get_float32_matmul_precision() == "highest"
        and not torch.is_autocast_enabled(base.get_input_embeddings().weight.device.type)
        and all(parameter.dtype is torch.float32 for parameter in base.parameters())
    )
    return EXACT if exact else ROUNDED


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
    first = text_config.pad_token_id + 1 if text_config.model_type in POSITIONS_AFTER_PADDING else 0
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
    if _has_kernel(query, options):
        return _by_kernel(module, query, key, value, rows, options), None
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


AttentionInterface.register(NAME, _attention)


def _has_kernel(query: Tensor, options: dict[str, Any]) -> bool:
    """Whether one kernel computes all rows: on a GPU, in half precision, without dropout of attention."""
    known = inspect.signature(varlen_attn).parameters.keys()
    half = query.dtype in (torch.float16, torch.bfloat16)
    return query.is_cuda and half and not options.get("dropout") and known >= KERNEL_OPTIONS


def _by_kernel(
    module: Any, query: Tensor, key: Tensor, value: Tensor, rows: PackedRows, options: dict[str, Any]
) -> Tensor:
    """Attention by torch's kernel for rows of different lengths; shapes as in `_attention`."""
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    window = options.get("sliding_window")
    back = -1 if window is None else window - 1
    longest = rows.runs[-1][1]
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    output = varlen_attn(
        q, k, v, rows.borders, rows.borders, longest, longest,
        scale=options.get("scaling"), window_size=(back, 0 if causal else back), enable_gqa=q.shape[1] != k.shape[1],
    )  # fmt: skip
    assert isinstance(output, Tensor), "nothing else was asked for"
    return output[None]


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
