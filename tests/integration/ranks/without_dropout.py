"""A plug-in without dropout, whose random numbers differ with the number of processes."""

import torch

from autotune.pipeline import prepare

load = prepare.load_model


def without_dropout(*args, **kwargs):
    """The model, with every dropout at 0."""
    model = load(*args, **kwargs)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


prepare.load_model = without_dropout
