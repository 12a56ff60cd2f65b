"""The temperature goes into the last layer of every head that we have, with adapters and without."""

import pytest
import torch

from autotune.config.schema import PeftConfig
from autotune.models.adapters import merge_adapters
from autotune.models.saved_model import load_saved_model, save_adapter, save_model
from autotune.models.spec import Head
from autotune.models.weights import divide_output_layer, load_model
from tests.models.conftest import CELLS, LABELS

T = 1.7
ARCHITECTURES = [architecture for architecture, task in CELLS if task == "sentiment"]


@pytest.mark.parametrize("peft", [None, PeftConfig()], ids=["full", "lora"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_divided_whichever_head_computes_them(architecture, peft, opened, logits, shake):
    base = opened(architecture)
    model = load_model(base, Head.sequence, LABELS["sentiment"], peft, allow_pickle=False, seed=1)
    shake(model)
    before = logits(model, base, Head.sequence)
    divide_output_layer(model, T)
    assert (before - before / T).abs().max() > 1e-3
    torch.testing.assert_close(logits(model, base, Head.sequence), before / T, atol=1e-6, rtol=1e-5)
    merged = merge_adapters(model, base, peft)
    torch.testing.assert_close(logits(merged, base, Head.sequence), before / T, atol=1e-5, rtol=1e-4)


def test_the_adapter_alone_is_calibrated_too(opened, logits, shake, tmp_path):
    base, peft = opened("roberta"), PeftConfig(merge=False)
    model = load_model(base, Head.sequence, LABELS["sentiment"], peft, allow_pickle=False, seed=1)
    shake(model)
    before = logits(model, base, Head.sequence)
    divide_output_layer(model, T)
    save_adapter(model, base, tmp_path / "adapter")
    save_model(model, base, tmp_path / "model", {})
    loaded, again, _ = load_saved_model(tmp_path / "model")
    torch.testing.assert_close(logits(again, loaded, Head.sequence), before / T, atol=1e-6, rtol=1e-5)
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("adapter", "model")]
    assert weights[0] == weights[1]
