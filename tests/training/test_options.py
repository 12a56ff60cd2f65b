"""Options that change what a run costs, and not what it learns."""

import pytest
import torch

from autotune.config.enums import PeftMethod
from autotune.config.schema import PeftConfig
from autotune.errors import ConfigError
from autotune.models.adapters import (
    cast_frozen_to_bf16,
    load_trainable_state,
    merge_adapters,
    refuse_without_checkpointing,
    trainable_state,
)
from autotune.training.compiling import SIZES, length_multiple, pad_to_multiple
from autotune.training.trainer import Trainer
from tests.support.setting import make_trainer, prepare, weights, without_dropout

KINDS = [("sentiment", "bert"), ("ner", "modernbert"), ("summarization", "t5"), ("summarization", "llama")]


@pytest.mark.parametrize(("task_name", "architecture"), KINDS)
@pytest.mark.parametrize("peft", [None, PeftConfig(dropout=0.1)], ids=["full", "lora"])
def test_activations_that_are_computed_twice_give_the_same_weights_with_dropout(
    tmp_path, task_name, architecture, peft
):
    found = []
    for twice in (False, True):
        trainer = make_trainer(
            tmp_path, task_name, architecture=architecture, peft=peft, gradient_checkpointing=twice, epochs=1
        )
        calls = count_layer_calls(trainer)
        list(trainer.steps())
        found.append((weights(trainer), sum(calls)))
    (once_weights, once), (twice_weights, twice_calls) = found
    # T5 does without its cache then, and attends with another kernel.
    assert (once_weights - twice_weights).abs().max() < (1e-5 if architecture == "t5" else 1e-30)
    assert twice_calls >= 2 * once > 0


def count_layer_calls(trainer) -> list[int]:
    """A 1 for every time that the activation inside a layer is computed."""
    calls: list[int] = []
    inner = [
        module
        for name, module in trainer.bare_model.named_modules()
        if name.endswith((".intermediate", ".DenseReluDense", ".mlp"))
    ]
    for module in inner:
        module.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


def test_a_model_that_cannot_compute_twice_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, "sentiment")
    refuse_without_checkpointing(trainer.bare_model)
    type(trainer.bare_model).supports_gradient_checkpointing = False
    try:
        with pytest.raises(ConfigError, match="gradient checkpointing") as caught:
            prepare(tmp_path, "sentiment", gradient_checkpointing=True)
    finally:
        type(trainer.bare_model).supports_gradient_checkpointing = True
    assert "trainer.gradient_checkpointing=false" in str(caught.value)


def with_one_layer(trainer: Trainer) -> Trainer:
    """A trainer without dropout whose model is as shallow as can be: tracing takes its time for every layer."""
    for module in list(trainer.bare_model.modules()):
        for name in ("block", "layers"):
            if isinstance(stack := getattr(module, name, None), torch.nn.ModuleList):
                del stack[1:]
    return without_dropout(trainer)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "epochs", "least"), [("t5", 1, 1), ("llama", 2, 2)])
def test_compiled_kernels_give_the_same_weights_with_few_compilations(
    tmp_path, monkeypatch, architecture, epochs, least
):
    """Of an encoder and a decoder in batches of one shape, of a decoder in several; an encoder: the rehearsal of scripts/gpu."""
    from torch._dynamo.utils import counters

    # The graphs and their number are torch.compile's own; making machine code of them would take minutes.
    eager = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: eager(model, backend="eager"))
    options = {"architecture": architecture, "micro_batch_tokens": 10**6, "epochs": epochs}
    plain = with_one_layer(make_trainer(tmp_path, "summarization", **options))
    losses = [step.loss for step in plain.steps()]
    counters.clear()
    trainer = with_one_layer(make_trainer(tmp_path, "summarization", compile=True, **options))
    assert [step.loss for step in trainer.steps()] == pytest.approx(losses, abs=1e-4)
    assert least <= counters["stats"]["unique_graphs"] <= 8
    assert trainer.bare_model is not trainer.model and not any(
        name.startswith("_orig_mod") for name in trainer.bare_model.state_dict()
    )


def test_lengths_become_few():
    import numpy as np

    lengths = np.arange(1, 513)[:, None]
    multiple = length_multiple(lengths)
    wide = pad_to_multiple(lengths, multiple)
    assert (wide >= lengths).all() and (wide - lengths < multiple).all()
    assert len(np.unique(wide)) <= SIZES
    assert length_multiple(np.asarray([[3, 5]])) == 16


@pytest.mark.parametrize("architecture", ["bert", "llama", "t5"])
@pytest.mark.parametrize("method", [PeftMethod.lora, PeftMethod.ia3, PeftMethod.dora])
def test_frozen_parts_cost_no_gradients(tmp_path, architecture, method):
    trainer = make_trainer(
        tmp_path,
        "sentiment",
        architecture=architecture,
        peft=PeftConfig(method=method, dropout=0.0),
        max_steps=1,
    )
    model = trainer.bare_model
    below: list[bool] = []
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.register_forward_hook(lambda _, __, output: below.append(output.requires_grad))
    list(trainer.steps())
    assert below and not any(below), "nothing below the lowest adapter takes part in the backward pass"
    trainer.forward_backward(trainer.micro_batches(0), divisor=1)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    held = sum(state["exp_avg"].numel() for state in trainer.optimizer.state.values())
    assert held == learned


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_adapters_stay_in_fp32_over_a_base_in_bf16(tmp_path, architecture):
    trainer = make_trainer(tmp_path, "sentiment", architecture=architecture, peft=PeftConfig(), max_steps=2)
    model = trainer.bare_model
    whole = {name: parameter.dtype for name, parameter in model.named_parameters()}
    assert set(whole.values()) == {torch.float32}
    cast_frozen_to_bf16(model)
    for name, parameter in model.named_parameters():
        frozen_matrix = parameter.ndim >= 2 and not parameter.requires_grad and "modules_to_save" not in name
        assert parameter.dtype is (torch.bfloat16 if frozen_matrix else torch.float32), name
    state = trainable_state(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert len(list(trainer.steps())) == trainer.total_steps
    assert any(not torch.equal(tensor, state[name]) for name, tensor in trainable_state(model).items())
    assert all(tensor.dtype is torch.float32 for tensor in trainable_state(model).values())
    load_trainable_state(model, state)
    merged = merge_adapters(model, trainer.task.base, PeftConfig())
    assert {parameter.dtype for parameter in merged.parameters()} == {torch.float32}


def test_a_plain_model_is_not_halved(tmp_path):
    trainer = make_trainer(tmp_path, "sentiment")
    trainer.bare_model.requires_grad_(False)
    cast_frozen_to_bf16(trainer.bare_model)
    assert {parameter.dtype for parameter in trainer.bare_model.parameters()} == {torch.float32}


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_scores_of_the_vocabulary_are_made_for_summaries_alone(tmp_path, architecture):
    """The loss is that of all positions, of which most are ignored."""
    from torch.nn.functional import cross_entropy

    trainer = without_dropout(make_trainer(tmp_path, "summarization", architecture=architecture))
    task, model = trainer.task, trainer.bare_model
    batch = trainer.loader.batch(trainer.features, trainer.plan.step_features(0))
    shapes: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda _, __, output: shapes.append(output.shape[1]))
    found = task.loss(model, batch).sum
    logits = model(**batch.inputs).logits
    assert shapes[0] < shapes[1] == batch.inputs["input_ids"].shape[1]
    labels = batch.targets["labels"]
    expected = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
