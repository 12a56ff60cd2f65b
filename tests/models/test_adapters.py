"""Adapters: where they sit, what is learned beside them, and that nothing is lost on the way back."""

import importlib.util

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.pytorch_utils import Conv1D

from autotune.config.enums import PeftMethod, Quantization
from autotune.config.schema import PeftConfig
from autotune.errors import ConfigError
from autotune.models.adapters import (
    count_parameters,
    linear_layers,
    load_trainable_state,
    merge_adapters,
    trainable_state,
)
from autotune.models.saved_model import load_saved_model, save_model
from autotune.models.spec import Head
from autotune.models.weights import build_meta_model, load_model
from tests.models.conftest import CELLS, HEADS, LABELS


def adapted(base, head, labels, **peft):
    return load_model(base, head, labels, PeftConfig(**peft), allow_pickle=False, seed=1)


def pairwise(*methods):
    """Every architecture and every task with every method, each method with one task of an architecture in turns."""
    for number, architecture in enumerate(dict.fromkeys(architecture for architecture, _ in CELLS)):
        tasks = [task for other, task in CELLS if other == architecture]
        for turn, method in enumerate(methods, start=number):
            yield architecture, tasks[turn % len(tasks)], method


def pairwise_merged(*methods):
    """The same, merged and not in turns: every architecture and every method both ways.

    rsLoRA is LoRA with another factor, whatever the architecture, so one architecture of each family has it.
    """
    for number, cell in enumerate(pairwise(*methods)):
        architecture, method = divmod(number, len(methods))
        if cell[2] is not PeftMethod.rslora or cell[0] in ("bert", "bart", "gpt2"):
            yield *cell, (architecture + method) % 2 == 0


@pytest.mark.parametrize(("architecture", "task", "method", "merge"), pairwise_merged(*PeftMethod))
def test_merged_or_adapter_alone_it_comes_back_as_it_was(
    opened, logits, shake, tmp_path, architecture, task, method, merge
):
    base = opened(architecture, task)
    head, labels = HEADS[task][base.family], LABELS[task]
    config = PeftConfig(method=method, merge=merge)
    model = load_model(base, head, labels, config, allow_pickle=False, seed=1)
    before = logits(model, base, head)
    shake(model)
    trained = logits(model, base, head)
    assert (trained - before).abs().max() > 1e-3
    finished = merge_adapters(model, base, config)
    torch.testing.assert_close(logits(finished, base, head), trained, atol=1e-4, rtol=1e-4)
    save_model(finished, base, tmp_path / "model", {})
    loaded, again, _ = load_saved_model(tmp_path / "model")
    assert torch.equal(logits(again, loaded, head), logits(finished, base, head))


def test_an_adapter_alone_replaces_a_merged_model(opened, logits, shake, tmp_path):
    base = opened("bert")
    for merge in (True, False):
        config = PeftConfig(merge=merge)
        model = load_model(base, Head.sequence, ["a", "b"], config, allow_pickle=False, seed=1)
        shake(model)
        save_model(merge_adapters(model, base, config), base, tmp_path / "model", {})
    loaded, again, _ = load_saved_model(tmp_path / "model")
    assert torch.equal(logits(again, loaded, Head.sequence), logits(model, base, Head.sequence))


@pytest.mark.parametrize(
    ("model_type", "more", "fresh"),
    [
        ("bert", {}, {"bert.pooler", "classifier"}),
        ("albert", {"embedding_size": 16}, {"albert.pooler", "classifier"}),
        ("electra", {"embedding_size": 16}, {"classifier"}),
        ("deberta-v2", {"pooler_hidden_size": 32}, {"pooler", "classifier"}),
        (
            "distilbert",
            {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
            {"pre_classifier", "classifier"},
        ),
    ],
)
@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_modules_that_the_checkpoint_lacked_are_learned_and_saved(
    opened, kind, logits, shake, tmp_path, model_type, more, fresh, method
):
    base = opened(kind(model_type, **more))
    config = PeftConfig(method=PeftMethod(method), merge=False)
    model = load_model(base, Head.sequence, ["a", "b"], config, allow_pickle=False, seed=1)
    assert fresh <= set(model.peft_config["default"].modules_to_save)
    learned = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(any(f".{module}." in name for name in learned) for module in fresh)
    shake(model)
    save_model(model, base, tmp_path / "artefact", {})
    loaded, again, _ = load_saved_model(tmp_path / "artefact")
    assert torch.equal(logits(again, loaded, Head.sequence), logits(model, base, Head.sequence))


@pytest.mark.parametrize(("architecture", "task", "method"), pairwise("lora", "dora"))
def test_auto_covers_every_linear_layer_but_the_new_ones(opened, architecture, task, method):
    base = opened(architecture, task)
    model = adapted(base, HEADS[task][base.family], LABELS[task], method=PeftMethod(method)).get_base_model()
    covered = {name for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}
    inside = (nn.Linear, Conv1D)
    plain = build_meta_model(base, HEADS[task][base.family], LABELS[task], None)
    expected = {
        name
        for name in linear_layers(plain)
        if name.split(".")[0] not in ("classifier", "score", "classification_head", "pooler", "lm_head")
        and "pooler" not in name
    }
    assert covered == expected and len(expected) >= 8
    assert all(isinstance(plain.get_submodule(name), inside) for name in covered)


def test_the_base_stays_frozen(opened):
    model = adapted(opened("bert"), Head.sequence, ["a", "b"])
    learned = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all("lora_" in name or "modules_to_save" in name for name in learned)
    trainable, total = count_parameters(model)
    assert 0 < trainable < total / 5


def test_own_targets_are_used(opened):
    model = adapted(opened("bert"), Head.sequence, ["a", "b"], target_modules=["query", "value"])
    covered = {name for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}
    assert len(covered) == 4 and all(name.endswith(("query", "value")) for name in covered)


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_targets_that_match_nothing_are_listed_with_what_there_is(opened, method):
    with pytest.raises(ConfigError, match="no linear layer") as caught:
        adapted(
            opened("bert"),
            Head.sequence,
            ["a", "b"],
            method=PeftMethod(method),
            target_modules=["query", "q_proj"],
        )
    assert caught.value.found == "q_proj"
    assert "query" in caught.value.fix and "classifier" not in caught.value.fix


def test_adapters_and_seed_decide_new_weights(opened):
    first, second = (adapted(opened("t5"), Head.sequence, ["a", "b"]).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("peft", [None, PeftConfig()])
def test_a_snapshot_brings_the_best_model_back(opened, shake, logits, peft):
    base = opened("roberta")
    model = load_model(base, Head.sequence, ["a", "b"], peft, allow_pickle=False, seed=1)
    shake(model)
    best, said = trainable_state(model), logits(model, base, Head.sequence)
    shake(model)
    assert not torch.equal(logits(model, base, Head.sequence), said)
    load_trainable_state(model, best)
    assert torch.equal(logits(model, base, Head.sequence), said)
    assert sum(tensor.numel() for tensor in best.values()) == count_parameters(model)[0]


def test_a_snapshot_of_another_model_is_refused(opened):
    model = adapted(opened("bert"), Head.sequence, ["a", "b"])
    state = trainable_state(model)
    state.popitem()
    with pytest.raises(KeyError, match="another model"):
        load_trainable_state(model, state)


def test_without_adapters_everything_is_trained(opened):
    model = load_model(opened("bert"), Head.sequence, ["a", "b"], None, allow_pickle=False, seed=1)
    trainable, total = count_parameters(model)
    assert trainable == total == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_quantization_without_bitsandbytes_names_the_extra(opened):
    with pytest.raises(ConfigError, match="bitsandbytes") as caught:
        adapted(opened("bert"), Head.sequence, ["a", "b"], quantization=Quantization.nf4)
    assert "autotune[quant]" in caught.value.fix


@pytest.mark.parametrize("quantization", [Quantization.int8, Quantization.nf4])
@pytest.mark.parametrize("merge", [True, False])
def test_a_quantized_base_is_merged_in_full_precision(opened, logits, shake, tmp_path, quantization, merge):
    pytest.importorskip("bitsandbytes")
    base = opened("deberta")
    config = PeftConfig(quantization=quantization, merge=merge)
    model = load_model(base, Head.sequence, ["a", "b"], config, allow_pickle=False, seed=1)
    assert type(model.get_base_model().classifier.modules_to_save["default"]) is nn.Linear
    assert any(
        "8bit" in type(module).__name__ or "4bit" in type(module).__name__ for module in model.modules()
    )
    shake(model)
    trained = logits(model, base, Head.sequence)
    finished = merge_adapters(model, base, config)
    said = logits(finished, base, Head.sequence)
    torch.testing.assert_close(said, trained, atol=0.05, rtol=0.05)
    save_model(finished, base, tmp_path / "model", {})
    loaded, again, _ = load_saved_model(tmp_path / "model")
    assert torch.equal(logits(again, loaded, Head.sequence), said)
