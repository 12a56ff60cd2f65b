"""The last layer of a regression: gives numbers in the unit of the data, and computes them in fp32."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

TOLERANCE = 0.02
"""By how much of the mean and the spread an output may differ from the expected one: outputs in bf16 have 8 bits."""


def fold_into_output(
    model: "nn.Module", scales: Sequence[float], means: Sequence[float], input_ids: Sequence[int]
) -> bool:
    """Multiplies each output of the last layer by a scale and adds a mean; returns whether the model's answers follow.

    Args:
        model: plain, or with adapters; it is left as it was where its answers do not follow.
        scales: one number for each output.
        means: one number for each output.
        input_ids: an input on which it is tried.
    """
    import torch

    from autotune.models.weights import last_layer

    layer = last_layer(model)
    if layer.bias is None:
        logger.warning(
            "the last layer of this model has no bias: transformers.pipeline gives standardized numbers, autotune predict "
            "those of the data"
        )
        return False
    before = [parameter.detach().clone() for parameter in (layer.weight, layer.bias)]
    factor, shift = (
        torch.tensor(values, dtype=torch.float64, device=layer.weight.device) for values in (scales, means)
    )
    standardized = _answer(model, input_ids)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.double() * factor[:, None])
        layer.bias.copy_(layer.bias.double() * factor + shift)
    expected, tolerance = standardized * factor + shift, TOLERANCE * (factor + shift.abs())
    if bool(((_answer(model, input_ids) - expected).abs() <= tolerance).all()):
        return True
    with torch.no_grad():
        layer.weight.copy_(before[0])
        layer.bias.copy_(before[1])
    logger.warning(
        "the last layer of this model does not compute its answers: transformers.pipeline gives standardized numbers, autotune "
        "predict those of the data"
    )
    return False


def _answer(model: Any, input_ids: Sequence[int]) -> Any:
    """Returns the outputs for one input: float64 (outputs,)."""
    import torch

    training = model.training
    model.eval()
    ids = torch.tensor([list(input_ids)], device=model.device)
    mixed = torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=model.device.type == "cuda")
    with torch.inference_mode(), mixed, output_in_fp32(model):
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].double()
    model.train(training)
    return logits


@contextmanager
def output_in_fp32(model: Any) -> Iterator[None]:
    """Computes the last layer in fp32 inside the context: 563.2 is 564 in bf16."""
    import torch
    from torch.nn.functional import linear

    from autotune.models.weights import last_layer

    layer = last_layer(model)

    def forward(hidden: Any) -> Any:
        with torch.autocast(hidden.device.type, enabled=False):
            return linear(
                hidden.float(), layer.weight.float(), None if layer.bias is None else layer.bias.float()
            )

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward
