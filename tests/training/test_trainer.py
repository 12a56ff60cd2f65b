"""The loop: the same gradient however a step is cut, the same weights for the same seed, the best kept."""

import pytest
import torch
from transformers import T5Config

from autotune.config.enums import Precision
from autotune.errors import ConfigError
from autotune.tasks.base import Scores
from autotune.training import device
from autotune.training.optimizer import interval
from tests.support.setting import make_fit, make_trainer, weights, without_dropout


@pytest.mark.parametrize(
    ("task_name", "task_options"),
    [
        ("sentiment", {"class_weights": "balanced", "label_smoothing": 0.1}),
        ("sentiment", {"max_length": 12}),
        ("ner", {}),
        ("ner", {"max_length": 12}),
        ("summarization", {"label_smoothing": 0.1}),
    ],
)
def test_micro_batches_of_any_size_give_the_same_weights(tmp_path, folder, task_name, task_options):
    results = []
    for budget in (10**6, 64, 1):
        trainer = without_dropout(
            make_trainer(tmp_path, task_name, task_options=task_options, micro_batch_tokens=budget)
        )
        losses = [step.loss for step in trainer.steps()]
        results.append((weights(trainer), losses))
    for other, losses in results[1:]:
        assert (other - results[0][0]).abs().max() < 1e-5
        assert losses == pytest.approx(results[0][1], abs=1e-5)


def test_the_gradient_is_that_of_the_plain_padded_batch(tmp_path, folder):
    """Against transformers' own loss over one padded batch, in float64."""
    trainer = without_dropout(make_trainer(tmp_path, "ner", micro_batch_tokens=20))
    model = trainer.bare_model.double()
    features = [trainer.features[int(index)] for index in trainer.plan.step_features(0)]
    whole = trainer.task.collate(features)
    model(**whole.inputs, labels=whole.targets["labels"]).loss.backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    batches = [trainer.loader.batch(trainer.features, features) for features in trainer.plan.micro_batches(0)]
    assert len(batches) > 1
    count = sum(batch.num_targets for batch in batches)
    for batch in batches:
        labels = batch.targets["labels"]
        logits = model(**batch.inputs).logits
        sum_ = torch.nn.functional.cross_entropy(
            logits[labels != -100], labels[labels != -100], reduction="sum"
        )
        (sum_ / count).backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert (parameter.grad - gradient).abs().max() < 1e-12


def test_two_runs_have_the_same_weights_to_the_bit_with_dropout(tmp_path, folder):
    pairs = []
    for _ in range(2):
        trainer = make_trainer(tmp_path, "sentiment")
        list(trainer.steps())
        pairs.append(weights(trainer))
        torch.rand(7)
    assert torch.equal(*pairs)


def test_the_best_checkpoint_is_kept_and_the_earliest_wins_a_tie(tmp_path, folder):
    seen = []
    figures = iter([0.2, 0.9, 0.9, 0.1])

    def evaluate(model):
        seen.append(torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()]))
        return Scores("macro_f1", {"macro_f1": next(figures)})

    fit = make_fit(tmp_path, "sentiment", folder, evaluate, epochs=4)
    result = fit.run()
    assert (result.best, result.best_step) == (0.9, 6)
    assert torch.equal(weights(fit.trainer), seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_early_stopping_waits_for_patience_evaluations(tmp_path, folder):
    figures = iter([0.5, 0.4, 0.501, 0.3, 0.2])
    fit = make_fit(
        tmp_path,
        "sentiment",
        folder,
        lambda model: Scores("macro_f1", {"macro_f1": next(figures)}),
        epochs=20,
        patience=3,
        min_delta=0.01,
    )
    result = fit.run()
    assert result.stopped_early
    # Six steps of 60 are warm-up: what is scored after the sixth does not count.
    assert (result.steps, result.best_step) == (15, 3)


def test_weight_decay_spares_biases_and_norms(tmp_path, folder):
    trainer = make_trainer(tmp_path, "sentiment", weight_decay=0.1)
    decayed, spared = trainer.optimizer.param_groups
    assert decayed["weight_decay"] == 0.1 and all(parameter.ndim >= 2 for parameter in decayed["params"])
    assert spared["weight_decay"] == 0.0 and all(parameter.ndim == 1 for parameter in spared["params"])


def test_the_learning_rate_rises_and_falls(tmp_path, folder):
    trainer = make_trainer(tmp_path, "sentiment", epochs=4, warmup_ratio=0.25)
    rates = [step.learning_rate for step in trainer.steps()]
    assert rates[0] == 0.0 and max(rates) == rates[3] == pytest.approx(1e-3) and rates[-1] < 2e-4


def test_intervals():
    assert (interval("1ep", 7), interval("0.5ep", 7), interval("200st", 7), interval("0.01ep", 7)) == (
        7,
        4,
        200,
        1,
    )


def test_fp16_is_refused_for_t5_kinds_with_the_reason():
    with pytest.raises(ConfigError, match="bfloat16"):
        device.resolve_precision(Precision.fp16, T5Config())
