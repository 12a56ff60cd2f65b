"""Tensors of which every rank holds a part (DTensor of torch), as with `trainer.sharding=fsdp`.

Plain tensors stay as they are in all of these functions.
"""

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def is_divided(tensor: Tensor) -> bool:
    """Whether every rank holds a part of the tensor."""
    return isinstance(tensor, DTensor)


def own_part(tensor: Tensor) -> Tensor:
    """Returns what this rank holds of a tensor; it shares its memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """Returns all of a tensor, from all ranks; all of them must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def divided_like(tensor: Tensor, other: Tensor) -> Tensor:
    """Returns this rank's part of a whole tensor that every rank has.

    Args:
        tensor: whole.
        other: divided among the ranks in the same way, or not at all.
    """
    if not isinstance(other, DTensor):
        return tensor
    # `src_data_rank=None`: each rank cuts its part out of its own copy, and nothing is sent.
    return distribute_tensor(tensor, other.device_mesh, other.placements, src_data_rank=None)
