"""The loss of labels: weights, focal loss, and what the step is divided by."""

import numpy as np
import pytest
import torch

from autotune.config.compose import compose
from autotune.config.enums import ClassWeights, Loss
from autotune.errors import ConfigError
from autotune.registry import task as find
from autotune.runtime.records import checked
from autotune.tasks.losses import LossConfig, class_weights, guessing_loss, loss_sum
from tests.support.setting import make_trainer, weights, without_dropout
from tests.tasks.conftest import words_row

GENERATOR = np.random.default_rng(0)
LOGITS, LABELS = GENERATOR.normal(size=(12, 5), scale=3), GENERATOR.integers(0, 5, 12)
WEIGHTS = GENERATOR.uniform(0.1, 3, 12)
ROWS = [
    words_row(
        0, ["Ana", "vive", "em", "São", "Luís", "."], ["B-PESSOA", "O", "O", "B-LOCAL", "I-LOCAL", "O"]
    ),
    words_row(1, ["Choveu", "muito"], ["O", "O"]),
]


def focal(logits, labels, weights, gamma):
    """Equation 5 of Lin et al. 2017, with a weight of each example for alpha."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = (exponentials / exponentials.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]
    return float((-weights * (1 - p) ** gamma * np.log(p)).sum())


class Fixed(torch.nn.Module):
    """A model that answers with the same scores at every position."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, input_ids, attention_mask):
        logits = self.scores.expand(*input_ids.shape, len(self.scores))
        return type("Output", (), {"logits": logits})


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_the_focal_loss_and_its_gradient_are_those_of_the_paper(gamma):
    config = LossConfig(name="x", loss=Loss.focal, focal_gamma=gamma)
    logits = torch.tensor(LOGITS, requires_grad=True)
    loss = loss_sum(logits, torch.tensor(LABELS), torch.tensor(WEIGHTS), config)
    loss.backward()
    assert loss.item() == pytest.approx(focal(LOGITS, LABELS, WEIGHTS, gamma), rel=1e-10)
    for at in np.ndindex(LOGITS.shape):
        step = np.zeros_like(LOGITS)
        step[at] = 1e-6
        rise = focal(LOGITS + step, LABELS, WEIGHTS, gamma) - focal(LOGITS - step, LABELS, WEIGHTS, gamma)
        assert logits.grad[at].item() == pytest.approx(rise / 2e-6, abs=1e-7)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_examples_without_any_doubt_have_a_finite_gradient(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    config = LossConfig(name="x", loss=Loss.focal, focal_gamma=gamma)
    loss_sum(logits, torch.tensor([0, 0]), None, config).backward()
    assert logits.grad.isfinite().all() and not logits.grad[0].any() and logits.grad[1].any()


def test_balanced_weights_are_those_of_scikit_learn():
    # compute_class_weight("balanced", classes=["c", "a", "b"], y=3 * ["c"] + 40 * ["a"] + 7 * ["b"])
    expected = [5.55555556, 0.41666667, 2.38095238]
    counts = {"c": 3, "a": 40, "b": 7}
    assert class_weights(ClassWeights.balanced, counts, list(counts)) == pytest.approx(expected)
    assert class_weights(ClassWeights.none, counts, list(counts)) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_words_of_rare_tags_count_more_and_those_outside_of_entities_less(make_task, loss):
    task = make_task("ner", ROWS, class_weights="balanced", o_weight=0.5, loss=loss)
    tags = [tag for row in ROWS for tag in row["tags"]]
    counts = {tag: tags.count(tag) for tag in set(tags)}
    assert task.facts["tags"] == {"O": 5, "B-LOCAL": 1, "I-LOCAL": 1, "B-PESSOA": 1, "I-PESSOA": 0}
    expected = np.array([8 / 5 / counts[tag] * (0.5 if tag == "O" else 1) for tag in tags])
    scores = [0.5, 1.0, -1.0, 2.0, 0.0]
    batch = task.collate(list(task.prepare(ROWS)))
    ids = np.array([task.ids[tag] for tag in tags])
    found = task.loss(Fixed(scores), batch)
    gamma = 2.0 if loss == "focal" else 0.0
    assert float(found.sum) == pytest.approx(focal(np.tile(scores, (8, 1)), ids, expected, gamma), rel=1e-5)
    # The factor of the focal loss is no weight: all ranks know the divisor before the forward pass.
    assert found.count == batch.num_targets == pytest.approx(expected.sum())


@pytest.mark.parametrize(("name", "rows"), [("ner", ROWS), ("sentiment", [
    {"id": "a", "text": "Não gostei", "label": "negativo"}, {"id": "b", "text": "Ótima praça", "label": "positivo"},
])])  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"loss": "focal", "focal_gamma": 3.0}])
def test_the_guards_know_the_loss_of_equal_probabilities(make_task, name, rows, options):
    task = make_task(name, rows, class_weights="balanced", **options)
    labels = len(task.labels())
    model = Fixed([0.0] * labels)
    batch = task.collate(list(task.prepare(rows)))
    if name == "sentiment":
        model.forward = lambda **inputs: type("Output", (), {"logits": torch.zeros(len(rows), labels)})
    found = task.loss(model, batch)
    assert float(found.sum) / found.count == pytest.approx(task.guessing_loss())
    assert (task.guessing_loss() < np.log(labels)) == bool(options)
    assert guessing_loss(0) == guessing_loss(1) == float("inf")


def test_models_saved_before_tags_were_counted_load(make_task, tmp_path):
    kind = find("ner")
    facts = checked({"labels": ["O", "B-X", "I-X"], "counts": {"X": 2}}, kind.Facts, tmp_path, fix="")
    task = make_task("ner", ROWS)
    assert kind(task.config, task.base, facts).labels() == ["O", "B-X", "I-X"]


@pytest.mark.parametrize("task_name", ["ner", "sentiment"])
def test_focal_steps_are_the_same_however_they_are_cut(tmp_path, task_name):
    options = {"loss": "focal", "class_weights": "balanced"} | (
        {"o_weight": 0.1} if task_name == "ner" else {}
    )
    found = []
    for budget in (10**6, 1):
        trainer = make_trainer(
            tmp_path, task_name, task_options=options, micro_batch_tokens=budget, max_steps=3
        )
        losses = [step.loss for step in without_dropout(trainer).steps()]
        found.append((weights(trainer), losses))
    assert (found[0][0] - found[1][0]).abs().max() < 1e-5
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-5)


@pytest.mark.parametrize(
    ("words", "key", "fix"),
    [
        (["task.loss=focal", "task.label_smoothing=0.1"], "task.label_smoothing", "task.label_smoothing=0"),
        (["task.focal_gamma=1"], "task.focal_gamma", "task.loss=focal"),
        (["task=ner", "task.o_weight=0"], "task.o_weight", None),
        (["task=summarization", "task.o_weight=0.1"], "task.o_weight", None),
        (["task=sentiment", "weight_o=0.1"], "weight_o", "task.o_weight=0.1"),
        (["task=sentiment", "focal_loss=true"], "focal_loss", "task.loss=focal"),
    ],
)
def test_keys_that_mean_nothing_are_refused(words, key, fix):
    words = words if words[0].startswith("task=") else ["task=sentiment", *words]
    with pytest.raises(ConfigError) as caught:
        compose(words)
    assert key in str(caught.value) and (fix or "") in str(caught.value)
    if key.startswith("task.") and fix:
        compose([*words, fix])
