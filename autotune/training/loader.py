"""Turns indices of features into batches on the device."""

from collections.abc import Sequence

import torch
from datasets import Dataset

from autotune.data.batches import Indices
from autotune.tasks.base import Batch, Task
from autotune.training.compiling import mark_batch_dynamic
from autotune.training.features import take


class BatchLoader:
    """Collates micro-batches and moves them to the device.

    On a GPU the tensors go through pinned memory while the GPU is busy, and the first micro-batch of the next step is
    loaded before waiting for the end of this one. Order and random state do not change: there is no other process or
    thread, and collating draws no random numbers.

    Args:
        task: collates the features.
        device: target device of the batches.
    """

    multiple = 1
    """Multiple to which the lengths of batches are padded; above 1 if the model is compiled."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task, self.device = task, device
        self._prefetched: tuple[Dataset, Indices, Batch] | None = None

    def batch(self, table: Dataset, features: Indices) -> Batch:
        """Returns the batch of some features of a table."""
        # After running out of memory, the step is cut differently, and the prefetched batch is not the one asked for.
        if self._prefetched is not None:
            (prefetched_table, prefetched_features, batch), self._prefetched = self._prefetched, None
            if prefetched_table is table and prefetched_features.tolist() == features.tolist():
                return batch
        return self._load(table, features)

    def prepare(self, table: Dataset, micro_batches: Sequence[Indices]) -> None:
        """Loads the first of the micro-batches that are needed next; only on a GPU."""
        if self.device.type == "cuda" and micro_batches:
            self._prefetched = table, micro_batches[0], self._load(table, micro_batches[0])

    def _load(self, table: Dataset, features: Indices) -> Batch:
        batch = self.task.collate(take(table, features))
        if self.multiple > 1:
            batch = batch.pad_to_multiple(self.multiple, self.task.tokenizer.pad_token_id)
            mark_batch_dynamic(batch.inputs)
        if self.device.type != "cuda":
            return batch.to(self.device)
        for tensors in (batch.inputs, batch.targets):
            for name, tensor in tensors.items():
                tensors[name] = tensor.pin_memory().to(self.device, non_blocking=True)
        return batch
