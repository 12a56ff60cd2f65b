"""Learning rates of head and layers, and frozen layers: which parameters, in which model, and what it costs."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AlbertConfig, AutoModelForSequenceClassification

from autotune.checks.machine import static_bytes
from autotune.config.compose import compose
from autotune.config.schema import CheckpointConfig, PeftConfig
from autotune.errors import ConfigError
from autotune.models.adapters import count_parameters
from autotune.models.layers import freeze, places
from autotune.training.optimizer import peak_rates
from tests.support.forks import forks
from tests.support.setting import make_fit, make_trainer, prepare, weights

RATE, HEAD = 1e-3, 2e-3
OF_LAYERS = {
    # Ends of the names of the head, of a parameter in each layer from the top, and of the embeddings.
    "bert": (("classifier.weight", "pooler.dense.bias"), ("layer.1.output.dense.weight", "layer.0.attention.self.key.bias"),
             ("word_embeddings.weight", "embeddings.LayerNorm.bias")),
    "roberta": (("classifier.dense.bias", "out_proj.weight"), ("layer.1.output.dense.bias", "layer.0.output.LayerNorm.weight"),
                ("position_embeddings.weight",)),
    "deberta": (("classifier.bias", "pooler.dense.weight"), ("layer.1.output.dense.bias", "layer.0.intermediate.dense.bias"),
                ("rel_embeddings.weight", "encoder.LayerNorm.bias", "embeddings.LayerNorm.bias")),
    "modernbert": (("head.dense.weight", "classifier.bias"), ("layers.1.attn_norm.weight", "layers.0.mlp.Wo.weight"),
                   ("tok_embeddings.weight", "embeddings.norm.weight")),
    "t5": (("classification_head.dense.bias",),
           ("encoder.block.1.layer.1.layer_norm.weight", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"),
           ("shared.weight",)),
    "bart": (("classification_head.out_proj.bias",), ("encoder.layers.1.fc1.weight", "encoder.layers.0.fc2.bias"),
             ("shared.weight", "decoder.embed_positions.weight", "encoder.layernorm_embedding.bias")),
    "gpt2": (("score.weight",), ("h.1.mlp.c_proj.bias", "h.0.ln_1.weight"), ("wte.weight", "wpe.weight")),
    "llama": (("score.weight",), ("layers.1.self_attn.q_proj.weight", "layers.0.post_attention_layernorm.weight"),
              ("embed_tokens.weight",)),
}  # fmt: skip
NORMS = {"modernbert": "final_norm.weight", "t5": "encoder.final_layer_norm.weight", "gpt2": "ln_f.bias",
         "llama": "model.norm.weight"}  # fmt: skip
"""Norms after the top layer: pretrained, with the learning rate of no layer."""


def rates_by_name(trainer) -> dict[str, float]:
    """The learning rates that the optimizer has, at their peak."""
    of_parameter = {
        parameter: group["initial_lr"]
        for group in trainer.optimizer.param_groups
        for parameter in group["params"]
    }
    return {name: of_parameter[parameter] for name, parameter in trainer.bare_model.named_parameters()
            if parameter in of_parameter}  # fmt: skip


def rate_of(rates: dict[str, float], end: str) -> float:
    (rate,) = {rate for name, rate in rates.items() if name.endswith(end)}
    return rate


@pytest.mark.parametrize("architecture", OF_LAYERS)
def test_each_layer_has_its_rate_and_frozen_ones_take_no_part(tmp_path, folder, architecture):
    trainer = make_trainer(
        tmp_path,
        "sentiment",
        architecture=architecture,
        layer_decay=0.5,
        head_learning_rate=HEAD,
        max_steps=2,
    )
    rates = rates_by_name(trainer)
    assert len(rates) == len(list(trainer.bare_model.parameters()))
    head, layers, embeddings = OF_LAYERS[architecture]
    assert {rate_of(rates, end) for end in head} == {HEAD}
    assert [rate_of(rates, end) for end in layers] == [RATE / 2, RATE / 4]
    assert {rate_of(rates, end) for end in embeddings} == {RATE / 8}
    if architecture in NORMS:
        assert rate_of(rates, NORMS[architecture]) == RATE
    if architecture in ("t5", "bart"):
        assert rate_of(rates, "decoder.block.1.layer.2.layer_norm.weight" if architecture == "t5"
                       else "decoder.layers.1.fc1.bias") == RATE / 2  # fmt: skip

    frozen = make_trainer(tmp_path, "sentiment", architecture=architecture, freeze="1", max_steps=2)
    model = frozen.bare_model
    assert backward_ends_above_layer(frozen, 0)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    list(frozen.steps())
    unchanged = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    of_parameter = places(model)
    expected = {
        name for name, parameter in model.named_parameters() if of_parameter[parameter].level in (0, 1)
    }
    assert unchanged == expected and all(any(name.endswith(end) for name in unchanged) for end in embeddings)
    assert any(name.endswith(layers[1]) for name in unchanged) and not any(
        name.endswith(layers[0]) for name in unchanged
    )


def backward_ends_above_layer(trainer, number: int) -> bool:
    """Whether no output up to the layer with a number (of the encoder) has a gradient, and the one above it has."""
    lists = [module for name, module in trainer.bare_model.named_modules()
             if isinstance(module, nn.ModuleList) and len(module) == 2 and "decoder" not in name]  # fmt: skip
    layers = max(lists, key=lambda entries: sum(parameter.numel() for parameter in entries.parameters()))
    needs: list[bool] = []
    hooks = [
        layer.register_forward_hook(
            lambda _, __, output: needs.append(
                (output if torch.is_tensor(output) else output[0]).requires_grad
            )
        )
        for layer in layers
    ]
    trainer.forward_backward(trainer.micro_batches(0)[:1], divisor=1)
    for hook in hooks:
        hook.remove()
    trainer.optimizer.zero_grad()
    return needs[:2] == [False] * (number + 1) + [True] * (1 - number)


def test_without_options_the_optimizer_is_what_it_was(tmp_path, folder):
    """The groups of earlier versions, whose checkpoints number parameters by them."""
    plain, before = make_trainer(tmp_path, "sentiment"), make_trainer(tmp_path, "sentiment")
    parameters = list(before.bare_model.parameters())
    groups = [
        {"params": [one for one in parameters if one.ndim >= 2 and 1 not in one.shape], "weight_decay": 0.01},
        {"params": [one for one in parameters if one.ndim < 2 or 1 in one.shape], "weight_decay": 0.0},
    ]
    before.optimizer = before.accelerator.prepare_optimizer(
        torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-5, fused=True)
    )
    before.schedule = type(plain.schedule)(before.optimizer, plain.schedule.lr_lambdas)
    # The rate of the head that it has anyway makes another group, and the same numbers.
    grouped = make_trainer(tmp_path, "sentiment", head_learning_rate=RATE)
    for trainer in (plain, before, grouped):
        list(trainer.steps())
    assert torch.equal(weights(plain), weights(before)) and torch.equal(weights(plain), weights(grouped))
    assert len(plain.optimizer.param_groups) == 2


def test_the_schedule_moves_all_rates_in_proportion(tmp_path, folder):
    options = {"epochs": 4, "warmup_ratio": 0.25}
    plain = [step.learning_rate for step in make_trainer(tmp_path, "ner", **options).steps()]
    trainer = make_trainer(tmp_path, "ner", **options, layer_decay=0.5, head_learning_rate=HEAD)
    peaks = peak_rates(trainer.bare_model, trainer.config)
    for step, rate in zip(trainer.steps(), plain, strict=True):
        assert step.learning_rate == pytest.approx(rate)
        for group, now in zip(trainer.optimizer.param_groups, trainer.schedule.get_last_lr(), strict=True):
            peak = peaks[group["params"][0]]
            assert now == pytest.approx(peak * trainer.schedule.lr_lambdas[0](step.step))


def test_adapters_have_the_rate_of_their_layer(tmp_path):
    trainer = make_trainer(tmp_path, "sentiment", peft=PeftConfig(), layer_decay=0.5, head_learning_rate=HEAD)
    rates = rates_by_name(trainer)
    for name, rate in rates.items():
        expected = RATE / 2 if "layer.1." in name else RATE / 4 if "layer.0." in name else HEAD
        assert rate == expected, name


def test_a_resumed_run_keeps_frozen_weights_and_ends_with_the_same(tmp_path, folder):
    options = {"freeze": "1", "layer_decay": 0.5, "head_learning_rate": HEAD, "epochs": 2}
    whole = make_trainer(tmp_path, "sentiment", **options)
    start = {name: parameter.detach().clone() for name, parameter in whole.bare_model.named_parameters()}
    list(whole.steps())
    checkpoint = CheckpointConfig(every="2st")
    interrupted = make_fit(tmp_path, "sentiment", folder, checkpoint=checkpoint, **options)
    for step in interrupted.trainer.steps():
        folder.append_history(step.record())
        if step.step == 2:
            break
    interrupted._save_checkpoint()
    interrupted._wait_for_checkpoint()
    saved = next((folder.path / "checkpoints").rglob("weights.safetensors"))
    assert not any("embeddings" in name or "layer.0." in name for name in load_file(saved))
    resumed = make_fit(tmp_path, "sentiment", folder, checkpoint=checkpoint, **options)
    assert resumed.run().steps == whole.total_steps > 2
    assert torch.equal(weights(resumed.trainer), weights(whole))
    for name, parameter in resumed.trainer.bare_model.named_parameters():
        is_frozen = "embeddings" in name or "layer.0." in name
        assert torch.equal(parameter, start[name]) == is_frozen, name


@pytest.mark.parametrize(
    ("task_name", "architecture"), [("sentiment", "bert"), ("ner", "llama"), ("sentiment", "t5")]
)
def test_only_the_head_is_trained_if_all_is_frozen(tmp_path, folder, task_name, architecture):
    trainer = make_trainer(
        tmp_path, task_name, architecture=architecture, freeze="all", head_learning_rate=HEAD
    )
    trained = {name for name, one in trainer.bare_model.named_parameters() if one.requires_grad}
    assert trained and all(name.startswith(("classif", "score", "bert.pooler")) for name in trained)
    losses = [step.loss for step in trainer.steps()]
    assert len(losses) == trainer.total_steps and {*rates_by_name(trainer).values()} == {HEAD}


def test_frozen_weights_need_neither_gradients_nor_moments(tmp_path):
    config, _ = prepare(tmp_path, "sentiment")
    trainer = make_trainer(tmp_path, "sentiment", freeze="embeddings")
    trainable, total = count_parameters(trainer.bare_model)
    table = trainer.bare_model.get_input_embeddings().weight
    assert total - trainable > table.numel() and not table.requires_grad
    assert static_bytes(trainer.bare_model, config) == 16 * trainable + 4 * (total - trainable)


def test_what_cannot_be_frozen_is_refused_before_weights_are_read(tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)2 layers that can be frozen.*trainer\.freeze=2"):
        prepare(tmp_path, "sentiment", freeze="3")
    (tmp_path / "rows.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"(?s)nothing is left to train.*trainer\.freeze=embeddings"):
        prepare(tmp_path, "summarization", freeze="all")
    shape = {"hidden_size": 8, "embedding_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    with torch.device("meta"):  # ALBERT has one layer, which it passes twelve times.
        shared = AutoModelForSequenceClassification.from_config(AlbertConfig(**shape, vocab_size=9))
    with pytest.raises(ConfigError, match="layers of a albert model were not found"):
        freeze(shared, "2")
    freeze(shared, "all")
    assert [name for name, one in shared.named_parameters() if one.requires_grad][-1] == "classifier.bias"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["task=sentiment", "peft=lora", "trainer.freeze=2"], "trainer.freeze"),
        (["task=summarization", "trainer.head_learning_rate=1e-3"], "trainer.head_learning_rate"),
        (["task=sentiment", "trainer.head_learning_rate=3"], "trainer.head_learning_rate"),
        (["task=sentiment", "trainer.freeze=0"], "trainer.freeze"),
        (["task=sentiment", "trainer.freeze=false"], "trainer.freeze"),
        (["task=sentiment", "trainer.layer_decay=0"], "trainer.layer_decay"),
        (["task=sentiment", "llrd=0.9"], "llrd"),
        (["task=sentiment", "freeze_layers=6"], "freeze_layers"),
        (["task=sentiment", "freeze_bert=true"], "freeze_bert"),
    ],
)
def test_what_means_nothing_is_refused_with_what_does(words, key):
    with pytest.raises(ConfigError) as caught:
        compose(words)
    assert key in str(caught.value)
    fix = str(caught.value).partition("fix: ")[2].strip().partition(", or ")[0].split()
    kept = [word for word in words if not word.startswith(key)]
    compose([*kept, *fix])


def test_a_whole_run_says_its_rates_and_leaves_frozen_weights_as_they_were(tmp_path):
    words = ["task=ner", "debug=smoke", "check=none", "report=none", "guard=none", "trainer.freeze=1", "task.o_weight=0.1",
             "trainer.layer_decay=0.5", "trainer.learning_rate=1e-3", "trainer.head_learning_rate=2e-3",
             f"runs={tmp_path}", "name=run"]  # fmt: skip
    done = forks().start(*words, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "highest learning rates, by layer: 0.0005, 0.002" in said
    saved = load_file(tmp_path / "run" / "model" / "model.safetensors")
    (base,) = tmp_path.rglob(".cache/tiny-bert-*/model.safetensors")
    for name, tensor in load_file(base).items():
        if name in saved:
            is_frozen = "embeddings" in name or "layer.0." in name
            assert torch.equal(tensor, saved[name]) == is_frozen, name
    facts = json.loads((tmp_path / "run" / "model" / "autotune.json").read_text())["facts"]
    assert facts["tags"]["O"] > sum(count for tag, count in facts["tags"].items() if tag != "O") > 0
