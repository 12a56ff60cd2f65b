"""One gradient, however a step is cut: a padded batch, micro-batches, rows packed without padding."""

import pytest
import torch

from autotune.config.enums import Architecture, Batching
from autotune.config.schema import PeftConfig
from autotune.data.batches import MicroBatchCost
from autotune.errors import ConfigError
from tests.support.setting import make_trainer, prepare, weights, without_dropout

pytestmark = pytest.mark.slow

CELLS = [
    ("sentiment", "bert"),
    ("sentiment", "modernbert"),
    ("sentiment", "llama"),
    ("ner", "bert"),
    ("ner", "roberta"),
    ("ner", "llama"),
    ("summarization", "llama"),
    ("summarization", "gpt2"),
]
WAYS = {
    "one padded batch": {"micro_batch_tokens": 10**6},
    "micro-batches": {"micro_batch_tokens": 40},
    "a row at a time": {"micro_batch_tokens": 1},
    "packed": {"batching": Batching.packed, "micro_batch_tokens": 10**6},
    "packed micro-batches": {"batching": Batching.packed, "micro_batch_tokens": 40},
}


def gradient(trainer, step: int) -> dict[str, torch.Tensor]:
    """Of the mean loss of a step, by parameter."""
    divisor = len(trainer.plan.step_features(step))
    share = trainer.forward_backward(trainer.micro_batches(step), divisor)
    return {
        name: parameter.grad * divisor / share.count
        for name, parameter in trainer.bare_model.named_parameters()
        if parameter.grad is not None
    }


@pytest.mark.parametrize(("task_name", "architecture"), CELLS)
@pytest.mark.parametrize("peft", [None, PeftConfig(dropout=0.0)], ids=["full", "lora"])
def test_the_gradient_is_the_same_to_the_last_digits(tmp_path, task_name, architecture, peft):
    """To 12 digits in float64; full fine-tuning also to 6 digits in float32, in which it trains."""
    tolerances = {torch.float32: 1e-6, torch.float64: 1e-12} if peft is None else {torch.float64: 1e-12}
    gradients_of = {dtype: {} for dtype in tolerances}
    model = None  # shared by all ways, as no step changes it
    for way, options in WAYS.items():
        trainer = without_dropout(
            make_trainer(tmp_path, task_name, architecture=architecture, peft=peft, model=model, **options)
        )
        model = trainer.bare_model
        if way == "one padded batch":
            trainer.plan.cost = MicroBatchCost(overhead=1e9)
        one = way in ("one padded batch", "packed")
        assert (len(trainer.plan.micro_batches(0)) == 1) == one, way
        for dtype, found in gradients_of.items():
            model.to(dtype).zero_grad()
            found[way] = gradient(trainer, 0)
    for dtype, found in gradients_of.items():
        tolerance, expected = tolerances[dtype], found.pop("one padded batch")
        scale = max(1.0, max(float(one.abs().max()) for one in expected.values()))
        for way, gradients in found.items():
            assert gradients.keys() == expected.keys(), way
            for name, one in gradients.items():
                assert (one - expected[name]).abs().max() < tolerance * scale, (way, name)


@pytest.mark.parametrize(("task_name", "architecture"), [("ner", "bert"), ("summarization", "llama")])
def test_two_uneven_epochs_end_with_the_same_weights(tmp_path, task_name, architecture):
    found = []
    for options in WAYS.values():
        trainer = without_dropout(
            make_trainer(tmp_path, task_name, architecture=architecture, batch_size=5, epochs=2, **options)
        )
        assert len(trainer.plan.step_features(2)) < 5, "the last step of an epoch has fewer rows"
        list(trainer.steps())
        found.append(weights(trainer))
    for other in found[1:]:
        assert (other - found[0]).abs().max() < 1e-5


def test_nothing_is_padded_where_rows_are_packed(tmp_path):
    trainer = make_trainer(tmp_path, "ner", batching=Batching.packed, micro_batch_tokens=4096)
    seen = []
    layer = next(
        module for name, module in trainer.bare_model.named_modules() if name.endswith("layer.0.intermediate")
    )
    layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    for step in trainer.steps():
        real = int(trainer.plan.lengths[trainer.plan.step_features(step.step - 1)].sum())
        assert seen[-1][:2] == (1, real)


@pytest.mark.parametrize(("task_name", "architecture"), [("summarization", "t5"), ("sentiment", "deberta")])
def test_what_cannot_be_packed_is_refused_before_weights_are_read(tmp_path, task_name, architecture):
    with pytest.raises(ConfigError, match="cannot be trained packed") as caught:
        prepare(tmp_path, task_name, architecture=Architecture(architecture).value, batching=Batching.packed)
    assert "trainer.batching=exact" in str(caught.value)
