"""Greedy search in which rows that have ended leave the batch; everything else is `generate`'s own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SHRINK_FROM = 1 / 8
"""Share of rows that must have ended before the others are copied together: copying the cache costs about as
much as reading it in a few steps."""


def greedy(
    model: Any,
    input_ids: "Tensor",
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **kwargs: Any,
) -> "Tensor":
    """The decoding loop for `generate(custom_generate=greedy)`.

    A row gets the tokens that it gets alone. The model's own methods prepare each step, and the processors and
    criteria are those that `generate` has made; they must treat rows alike, for rows change their places.

    Args:
        model: that generates.
        input_ids: what has been written, int64 (rows, length).
        logits_processor: changes the scores of the next token.
        stopping_criteria: says which rows have ended.
        generation_config: of the call.
        kwargs: what the model's forward needs: masks, the encoder's output, the cache.

    Returns:
        int64 (rows, longest row), padded at the end.
    """
    import torch

    padding = generation_config._pad_token_tensor
    rows = torch.arange(len(input_ids), device=input_ids.device)
    done = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
    ended: list[tuple[Tensor, Tensor]] = []
    outputs = model._prefill(input_ids, generation_config, kwargs)
    while True:
        kwargs = model._update_model_kwargs_for_generation(
            outputs, kwargs, is_encoder_decoder=model.config.is_encoder_decoder
        )
        logits = outputs.logits[:, -1].to(dtype=torch.float32, copy=True)
        del outputs
        tokens = logits_processor(input_ids, logits).argmax(dim=-1)
        input_ids = torch.cat([input_ids, torch.where(done, padding, tokens)[:, None]], dim=-1)
        done |= stopping_criteria(input_ids, None)
        count = int(done.sum())
        if count == len(done):
            ended.append((rows, input_ids))
            return _in_order(ended, padding)
        if count >= SHRINK_FROM * len(done):
            ended.append((rows[done], input_ids[done]))
            kept = (~done).nonzero().flatten()
            rows, input_ids, done = rows[kept], input_ids[kept], done[kept]
            kwargs = {name: _rows_of(value, kept) for name, value in kwargs.items()}
        inputs = model.prepare_inputs_for_generation(
            input_ids, next_sequence_length=1 if kwargs["use_cache"] else None, **kwargs
        )
        outputs = model(**inputs, return_dict=True)


def _rows_of(value: Any, kept: "Tensor") -> Any:
    """Some rows of what a model is called with."""
    import torch
    from transformers.cache_utils import Cache
    from transformers.utils import ModelOutput

    if isinstance(value, torch.Tensor) and value.ndim > 1:
        return value[kept]
    if isinstance(value, ModelOutput):
        return type(value)(**{name: _rows_of(part, kept) for name, part in value.items()})
    if isinstance(value, Cache):
        # As beam search moves rows, which every kind of cache must allow.
        value.reorder_cache(kept)
    return value


def _in_order(ended: "list[tuple[Tensor, Tensor]]", padding: "Tensor") -> "Tensor":
    """Rows at their first places, padded to the longest."""
    longest = ended[-1][1].shape[1]
    count = sum(len(rows) for rows, _ in ended)
    out = padding.repeat(count, longest)
    for rows, written in ended:
        out[rows, : written.shape[1]] = written
    return out
