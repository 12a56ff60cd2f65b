"""Greedy search that removes finished rows from the batch; everything else is left to `generate`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SHRINK_FROM = 1 / 8
"""Share of rows that must be finished before the batch shrinks: copying the cache costs about as much as reading it in
a few steps."""


def greedy(
    model: Any,
    input_ids: "Tensor",
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **kwargs: Any,
) -> "Tensor":
    """Runs the decoding loop of `generate(custom_generate=greedy)`.

    Each row gets the same tokens as it would alone. The model's own methods prepare each step. `generate` creates the
    processors and criteria; they must treat all rows alike, because the index of a row changes.

    Args:
        model: the generating model.
        input_ids: tokens so far, int64 (rows, length).
        logits_processor: changes the scores of the next token.
        stopping_criteria: decides which rows are finished.
        generation_config: settings of this call.
        kwargs: further arguments of the model's forward: masks, the encoder's output, the cache.

    Returns:
        int64 (rows, longest row), padded at the end.
    """
    import torch

    padding = generation_config._pad_token_tensor
    rows = torch.arange(len(input_ids), device=input_ids.device)
    done = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
    finished: list[tuple[Tensor, Tensor]] = []
    # Private methods of transformers, as in its own `_sample`: check them against it before raising its version.
    outputs = model._prefill(input_ids, generation_config, kwargs)
    while True:
        kwargs = model._update_model_kwargs_for_generation(
            outputs, kwargs, is_encoder_decoder=model.config.is_encoder_decoder
        )
        # A copy: a view would keep the logits of all positions alive, which `del` is there to free.
        logits = outputs.logits[:, -1].to(dtype=torch.float32, copy=True)
        del outputs
        tokens = logits_processor(input_ids, logits).argmax(dim=-1)
        input_ids = torch.cat([input_ids, torch.where(done, padding, tokens)[:, None]], dim=-1)
        done |= stopping_criteria(input_ids, None)
        count = int(done.sum())
        if count == len(done):
            finished.append((rows, input_ids))
            return _restore_order(finished, padding)
        if count >= SHRINK_FROM * len(done):
            finished.append((rows[done], input_ids[done]))
            remaining = (~done).nonzero().flatten()
            rows, input_ids, done = rows[remaining], input_ids[remaining], done[remaining]
            kwargs = {name: _select_rows(value, remaining) for name, value in kwargs.items()}
        inputs = model.prepare_inputs_for_generation(
            input_ids, next_sequence_length=1 if kwargs["use_cache"] else None, **kwargs
        )
        outputs = model(**inputs, return_dict=True)


def _select_rows(value: Any, indices: "Tensor") -> Any:
    """Selects rows of an argument of the model's forward; arguments without rows are returned as they are."""
    import torch
    from transformers.cache_utils import Cache
    from transformers.utils import ModelOutput

    if isinstance(value, torch.Tensor) and value.ndim > 1:
        return value[indices]
    if isinstance(value, ModelOutput):
        return type(value)(**{name: _select_rows(part, indices) for name, part in value.items()})
    if isinstance(value, Cache):
        # In place. Beam search selects rows with this method, so every kind of cache has it.
        value.reorder_cache(indices)
    return value


def _restore_order(finished: "list[tuple[Tensor, Tensor]]", padding: "Tensor") -> "Tensor":
    """Puts rows back in their original order, padded to the longest."""
    # The rows that finished last are the longest.
    longest = finished[-1][1].shape[1]
    count = sum(len(rows) for rows, _ in finished)
    out = padding.repeat(count, longest)
    for rows, tokens in finished:
        out[rows, : tokens.shape[1]] = tokens
    return out
