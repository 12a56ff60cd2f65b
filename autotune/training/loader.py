"""From numbers of features to batches on the device."""

from collections.abc import Sequence

import torch
from datasets import Dataset

from autotune.data.batches import Indices
from autotune.tasks.base import Batch, Task
from autotune.tasks.features import take
from autotune.training.compiling import mark_batch_dynamic


class BatchLoader:
    """Collates micro-batches and takes them to the device.

    On a GPU the tensors go through pinned memory while the GPU is busy, and the first micro-batch of the next
    step is made ready before the end of this one is waited for. Order and random state do not change: there
    is no other process or thread, and collating draws no numbers.

    Args:
        task: collates.
        device: where the batches are wanted.
    """

    multiple = 1
    """Of the lengths of batches; more than 1 where the model is compiled."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task, self.device = task, device
        self._ready: tuple[Dataset, Indices, Batch] | None = None

    def batch(self, table: Dataset, features: Indices) -> Batch:
        """The batch of some features of a table."""
        if self._ready is not None:
            (ready_table, ready_features, batch), self._ready = self._ready, None
            if ready_table is table and ready_features.tolist() == features.tolist():
                return batch
        return self._make(table, features)

    def prepare(self, table: Dataset, micro_batches: Sequence[Indices]) -> None:
        """Begins with the first of the micro-batches that will be asked for next; on a GPU alone."""
        if self.device.type == "cuda" and micro_batches:
            self._ready = table, micro_batches[0], self._make(table, micro_batches[0])

    def _make(self, table: Dataset, features: Indices) -> Batch:
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
