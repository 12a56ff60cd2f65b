"""Detects that memory was not enough, and frees memory before the next attempt."""

import gc
import resource
import sys

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


def peak_memory_gb() -> float:
    """Returns the most memory that tensors have taken on the GPU, or this process on a machine without one, in GB."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / 1e9
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if sys.platform == "darwin" else 1024) / 1e9


def free_memory() -> None:
    """Frees objects that are no longer referenced, and on a GPU the memory that torch caches."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
