"""Which arithmetic, how many threads, and what bf16 costs and leaves as it is."""

import json

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, T5Config

from autotune.config.enums import Precision
from autotune.config.schema import PeftConfig
from autotune.models.adapters import cast_frozen_to_bf16, merge_adapters
from autotune.models.saved_model import save_adapter
from autotune.models.weights import load_model
from autotune.training import device
from tests.support.forks import forks
from tests.support.setting import make_trainer, prepare, without_dropout


@pytest.mark.parametrize(
    ("unit", "config", "expected"),
    [
        (True, BertConfig(hidden_size=384), Precision.bf16),
        (True, T5Config(d_model=768), Precision.bf16),
        (True, BertConfig(hidden_size=64), Precision.fp32),
        (False, BertConfig(hidden_size=768), Precision.fp32),
    ],
)
def test_auto_is_bf16_where_matrix_units_pay(monkeypatch, unit, config, expected):
    monkeypatch.setattr(device, "cpu_has_matrix_unit", lambda: unit)
    assert device.resolve_precision(Precision.auto, config) is expected
    assert device.resolve_precision(Precision.bf16, config) is Precision.bf16
    assert device.inference_precision(Precision.bf16) is Precision.fp32, "on a CPU"


class Casts(TorchDispatchMode):
    """Counts the casts of some tensors to bf16."""

    def __init__(self, tensors):
        super().__init__()
        self.watched = {tensor.data_ptr() for tensor in tensors}
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._to_copy.default and (kwargs or {}).get("dtype") is torch.bfloat16:
            self.count += args[0].data_ptr() in self.watched
        return function(*args, **(kwargs or {}))


def bf16_trainer(tmp_path, folder, **options):
    trainer = make_trainer(tmp_path, "sentiment", precision=Precision.bf16, **options)
    assert trainer.accelerator.mixed_precision == "bf16"
    return without_dropout(trainer)


def test_a_weight_is_cast_once_per_step_whatever_the_micro_batches(tmp_path, folder):
    gradients, casts, pieces = [], [], []
    for tokens in (1, 4096):
        trainer = bf16_trainer(tmp_path, folder, micro_batch_tokens=tokens)
        pieces.append(len(trainer.micro_batches(0)))
        matrices = [
            layer.weight for layer in trainer.bare_model.modules() if isinstance(layer, torch.nn.Linear)
        ]
        with Casts(matrices) as counted:
            trainer.forward_backward(trainer.micro_batches(0), divisor=1)
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in trainer.parameters]))
        casts.append(counted.count)
    assert pieces[0] > 2 * pieces[1]
    assert casts == [len(matrices), len(matrices)]
    assert (gradients[0] - gradients[1]).norm() < 0.02 * gradients[1].norm(), "bf16's rounding apart"


def test_casts_do_not_outlive_the_step(tmp_path, folder):
    """The copies of a step are of its weights: the next step makes them again."""
    trainer = bf16_trainer(tmp_path, folder, learning_rate=0.05, micro_batch_tokens=16, epochs=4)
    losses = [step.loss for step in trainer.steps()]
    assert losses[-1] < 0.5 * losses[0]


def test_an_adapter_over_a_base_in_bf16_is_merged_into_the_base_in_fp32(tmp_path, folder):
    _, prepared = prepare(tmp_path, "sentiment", peft=PeftConfig())
    task = prepared.task
    arguments = prepared.base, task.heads[prepared.base.family], task.labels()
    merged = []
    for halved in (False, True):
        model = load_model(*arguments, PeftConfig(), allow_pickle=False, seed=1)
        with torch.no_grad():
            torch.manual_seed(0)
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        if halved:
            cast_frozen_to_bf16(model)
            save_adapter(model, prepared.base, tmp_path / "adapter")
        merged.append(merge_adapters(model, prepared.base, PeftConfig()).state_dict())
    assert all(torch.allclose(merged[0][name], tensor, atol=1e-6) for name, tensor in merged[1].items())


@pytest.mark.parametrize("peft", [[], ["peft=lora", "peft.merge=false"]], ids=["full", "adapter"])
def test_a_plain_load_gives_the_scores_of_a_run_in_bf16(tmp_path, peft):
    few = [f"dataset.splits.{split}={split}[:16]" for split in ("train", "validation", "test")]
    words = [
        "task=sentiment",
        "debug=smoke",
        "report=none",
        "trainer.precision=bf16",
        f"runs={tmp_path}",
        "name=r",
        *few,
        *peft,
    ]
    done = forks().start(*words, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    run = tmp_path / "r"
    assert json.loads((run / "metrics.json").read_text())["precision"] == {
        "training": "bf16",
        "scores": "fp32",
    }
    assert "in fp32" in (run / "log.txt").read_text()
    predictions = [
        json.loads(line) for line in (run / "predictions_test.jsonl").read_text("utf-8").splitlines()
    ]
    kind = AutoPeftModelForSequenceClassification if peft else AutoModelForSequenceClassification
    model, tokenizer = (
        kind.from_pretrained(run / "model", num_labels=3),
        AutoTokenizer.from_pretrained(run / "model"),
    )
    texts = [prediction["text"] for prediction in predictions]
    with torch.inference_mode():
        scores = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits.softmax(
            -1
        )
    expected = torch.tensor([list(prediction["probabilities"].values()) for prediction in predictions])
    assert (scores - expected).abs().max() < 1e-5
