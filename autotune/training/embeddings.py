"""Computes the gradient of large embedding tables once per step.

For every micro-batch, torch would allocate a gradient of the whole table, nearly all of it zeros, and add it to the
previous one. Here the gradients of the looked-up vectors are kept, and at the end of the step the same kernel makes
one gradient of all of them.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

LARGE = 1 << 20
"""Numbers in a table from which this is faster."""


class EmbeddingGradients:
    """Replaces the backward pass of a model's large embedding tables during training.

    Args:
        modules: modules of a model; the `forward` of its large tables is replaced until `leave`. Nothing changes where
            no gradient is computed.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._kept: dict[nn.Embedding, list[tuple[Tensor, Tensor]]] = {
            module: []
            for module in modules
            if type(module) is nn.Embedding and module.weight.requires_grad and module.weight.numel() >= LARGE
        }
        for table in self._kept:
            # `_look_up` and `add` do without these options.
            assert table.max_norm is None and not table.sparse and not table.scale_grad_by_freq
            table.forward = partial(self._look_up, table)

    def tables(self) -> list[nn.Parameter]:
        """Returns the weights whose gradient is complete only after `add`."""
        return [table.weight for table in self._kept]

    def add(self) -> None:
        """Adds the kept gradients to those of the tables."""
        for table, kept in self._kept.items():
            if not kept:
                continue
            ids, gradients = (torch.cat([pair[at] for pair in kept]) for at in (0, 1))
            padding = -1 if table.padding_idx is None else table.padding_idx
            # The operator that autograd itself calls; torch has no public function for it.
            gradient = torch.ops.aten.embedding_dense_backward(
                gradients, ids, table.num_embeddings, padding, False
            )
            if table.weight.grad is None:
                table.weight.grad = gradient
            else:
                table.weight.grad += gradient
        self.forget()

    def forget(self) -> None:
        """Discards the kept gradients."""
        for kept in self._kept.values():
            kept.clear()

    def leave(self) -> None:
        """Restores the `forward` of the tables."""
        for table in self._kept:
            del table.forward
        self._kept = {}

    def _look_up(self, table: nn.Embedding, ids: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return embedding(ids, table.weight, table.padding_idx)
        # Detached, so autograd ends at the vectors and makes no gradient of the table; the hook takes theirs.
        vectors = embedding(ids, table.weight.detach()).requires_grad_()
        vectors.register_post_accumulate_grad_hook(partial(self._keep, table, ids))
        return vectors

    def _keep(self, table: nn.Embedding, ids: Tensor, vectors: Tensor) -> None:
        assert vectors.grad is not None, "the hook runs after accumulation"
        self._kept[table].append((ids.flatten(), vectors.grad.flatten(0, -2)))
        vectors.grad = None
