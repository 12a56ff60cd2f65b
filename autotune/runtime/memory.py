"""Detects that memory was not enough, and frees memory before the next attempt."""

import gc

import torch

OUT_OF_MEMORY_MESSAGES = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""Texts of torch's other errors for too little memory; the CPU allocator raises a plain RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory of the GPU or the machine was not enough."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(message in text for message in OUT_OF_MEMORY_MESSAGES)


def free_memory() -> None:
    """Frees objects that are no longer referenced, and on a GPU the memory that torch caches."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
