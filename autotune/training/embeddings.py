"""The gradient of large embedding tables, made once a step.

For every micro-batch torch would make a gradient of the table's whole size, nearly all of it zeros, and add it to
the one before. Here what reaches the looked-up vectors is kept, and at the end of the step the same kernel makes
one gradient of all of it.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

LARGE = 1 << 20
"""Numbers of a table from which this is worth while."""


class EmbeddingGradients:
    """Stands in for the backward pass of a model's large tables while they are learned.

    Args:
        modules: of a model; the `forward` of its tables is replaced until `leave`. Where no gradient is wanted nothing
            changes.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._kept: dict[nn.Embedding, list[tuple[Tensor, Tensor]]] = {
            module: []
            for module in modules
            if type(module) is nn.Embedding and module.weight.requires_grad and module.weight.numel() >= LARGE
        }
        for table in self._kept:
            assert table.max_norm is None and not table.sparse and not table.scale_grad_by_freq
            table.forward = partial(self._look_up, table)

    def add(self) -> None:
        """Adds what has been kept to the tables' gradients."""
        for table, kept in self._kept.items():
            if not kept:
                continue
            ids, gradients = (torch.cat([pair[at] for pair in kept]) for at in (0, 1))
            padding = -1 if table.padding_idx is None else table.padding_idx
            gradient = torch.ops.aten.embedding_dense_backward(
                gradients, ids, table.num_embeddings, padding, False
            )
            if table.weight.grad is None:
                table.weight.grad = gradient
            else:
                table.weight.grad += gradient
        self.forget()

    def forget(self) -> None:
        """Throws away what has been kept."""
        for kept in self._kept.values():
            kept.clear()

    def leave(self) -> None:
        """Gives the tables their own `forward` back."""
        for table in self._kept:
            del table.forward
        self._kept = {}

    def _look_up(self, table: nn.Embedding, ids: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return embedding(ids, table.weight, table.padding_idx)
        vectors = embedding(ids, table.weight.detach()).requires_grad_()
        vectors.register_post_accumulate_grad_hook(partial(self._keep, table, ids))
        return vectors

    def _keep(self, table: nn.Embedding, ids: Tensor, vectors: Tensor) -> None:
        assert vectors.grad is not None, "the hook runs when it has been made"
        self._kept[table].append((ids.flatten(), vectors.grad.flatten(0, -2)))
        vectors.grad = None
