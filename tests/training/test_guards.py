"""Training that goes wrong without an error is told with advice, stopped where that was asked for, and resumed."""

import json
import math

import pytest
import torch

from autotune.config.enums import Guard
from autotune.config.schema import CheckpointConfig
from autotune.errors import ConfigError, Interrupted, TrainingError
from autotune.tasks.base import Scores
from autotune.training.fit import Fit
from autotune.training.guards import GUESSING, TrainingMonitor
from autotune.training.trainer import StepResult
from tests.support.setting import make_fit, make_trainer, weights


def history(folder) -> list[dict]:
    return [json.loads(line, parse_constant=pytest.fail) for line in folder.history.read_text().splitlines()]


def poisoned(tmp_path, task_name="sentiment", word="três", **options):
    """A trainer whose model has no number for a word; the rows with that word have no finite loss."""
    trainer = make_trainer(tmp_path, task_name, **options)
    (piece,) = trainer.task.tokenizer(word, add_special_tokens=False)["input_ids"][:1]
    with torch.no_grad():
        trainer.bare_model.get_input_embeddings().weight[piece] = math.nan
    trainer.row_ids = [f"line-{number + 1}" for number in range(13)]
    return trainer


def test_a_step_that_is_not_finite_is_not_done_and_its_rows_are_named(tmp_path, folder, caplog):
    trainer = poisoned(tmp_path, batch_size=2, epochs=1, weight_decay=0.0)
    names = [name for name, _ in trainer.bare_model.named_parameters()]
    steps, last = [], weights(trainer)
    for step in trainer.steps():
        steps.append(step)
        unchanged = torch.equal(weights(trainer).nan_to_num(), last.nan_to_num())
        assert unchanged == (not step.applied or step.learning_rate == 0)
        last = weights(trainer)
    assert names
    bad = {row for step in steps for row in step.rows}
    texts = [json.loads(line)["text"] for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert bad == {f"line-{number + 1}" for number, text in enumerate(texts) if "três" in text.split()}
    assert 0 < len(bad) < 13
    assert [step.applied for step in steps] == [not step.rows for step in steps]


@pytest.mark.parametrize(("guard", "count"), [(Guard.warn, 3), (Guard.stop, 1), (Guard.none, 6)])
def test_training_stops_after_some_of_them(tmp_path, folder, guard, count, caplog):
    trainer = poisoned(tmp_path, batch_size=13, epochs=6)
    fit = Fit(trainer, folder, guard=guard, checkpoint=CheckpointConfig(every="1st"))
    before = weights(trainer)
    if guard is Guard.none:
        assert fit.run().troubles == []
    else:
        with pytest.raises(TrainingError, match=f"rows line-.*{count} in a row"):
            fit.run()
        assert (folder.path / "checkpoints" / f"step-{count:08}").exists(), "what was done is safe"
    assert torch.equal(before.nan_to_num(), weights(trainer).nan_to_num())
    lines = [line for line in history(folder) if "loss" in line]
    assert [line["applied"] for line in lines] == [False] * count
    assert all(line["loss"] is None for line in lines)
    assert ("is not finite" in caplog.text) == (guard is Guard.warn)


def test_a_run_that_goes_on_knows_what_it_knew(tmp_path, folder, monkeypatch):
    """Two steps, then the same ones in another process: the third in a row ends it."""
    for goes_on in (False, True):
        trainer = poisoned(tmp_path, batch_size=13, epochs=6)
        fit = Fit(trainer, folder, checkpoint=CheckpointConfig(every="1st"))
        if not goes_on:
            monkeypatch.setattr(
                fit, "_stop_reason", lambda state=trainer.state: "test" if state.step == 2 else None
            )
            with pytest.raises(Interrupted, match="interrupted"):
                fit.run()
        else:
            with pytest.raises(TrainingError, match="step 3"):
                fit.run()
    troubles = [line for line in history(folder) if "trouble" in line]
    assert [line["step"] for line in troubles] == [1, 3]


OF_GUESSING = math.log(3)


def guards(level=Guard.warn, guessing_loss=OF_GUESSING, per_epoch=10) -> TrainingMonitor:
    return TrainingMonitor(level, guessing_loss=guessing_loss, per_epoch=per_epoch, scaled=False)


def result(step: int, loss=0.5, norm=1.0, rate=1e-4, **others) -> StepResult:
    return StepResult(step, step / 10, loss, rate, norm, 100, 0.1, **others)


def test_gradients_that_explode_are_told_once():
    watch = guards()
    found = [
        one.trouble
        for step in range(1, 60)
        for one in watch.step(result(step, norm=500.0 if step in (5, 40, 50) else 1.0))
    ]
    assert found == ["exploding gradient"], "not before there is a usual norm, and not twice"


def test_a_loss_of_guessing_is_told_when_there_was_time_to_learn():
    flat = [one for step in range(1, 200) for one in (guards_flat.step(result(step, loss=math.log(3))))]
    assert [(one.trouble, one.step) for one in flat] == [("flat loss", 50)]
    learning = guards()
    assert not [one for u in range(1, 200) for one in learning.step(result(u, loss=math.log(3) * 0.99**u))]
    writing = guards(guessing_loss=math.inf)
    assert not [one for u in range(1, 200) for one in writing.step(result(u, loss=math.log(3)))]


guards_flat = guards(per_epoch=30)


def test_a_rate_of_zero_is_told_but_not_that_of_the_first_step():
    watch = guards()
    assert not watch.step(result(1, rate=0.0)) and not watch.step(result(2))
    found = [one.trouble for step in range(3, 9) for one in watch.step(result(step, rate=0.0))]
    assert found == ["learning rate of zero"]


@pytest.mark.parametrize(
    ("scores", "trouble"),
    [
        (Scores("f", {}, confusion={"a": {"a": 9, "b": 0}, "b": {"a": 4, "b": 0}}), "one class"),
        (Scores("f", {}, confusion={"a": {"a": 9, "b": 1}, "b": {"a": 4, "b": 0}}), None),
        (Scores("f", {}, confusion={"a": {"a": 9, "b": 0}, "b": {"a": 0, "b": 0}}), None),
        (Scores("f", {}, counts={"rows": 9, "entities": 7, "predicted": 0}), "no entity"),
        (Scores("f", {}, counts={"rows": 9, "entities": 0, "predicted": 0}), None),
        (Scores("f", {}, counts={"rows": 10, "cut": 6, "empty": 2}), "summaries without end"),
        (Scores("f", {}, counts={"rows": 10, "cut": 5, "empty": 3}), "empty summaries"),
        (Scores("f", {}, counts={"rows": 10, "cut": 5, "empty": 2}), None),
    ],
)
def test_figures_tell_of_collapse(scores, trouble):
    watch = guards()
    if trouble in GUESSING:
        assert watch.validated(2, scores) == [], "it may pass"
    assert [one.trouble for one in watch.validated(4, scores)] == ([trouble] if trouble else [])
    assert watch.validated(8, scores) == [], "once"
    assert guards(Guard.none).validated(4, scores) == []


def test_other_labels_than_those_of_the_checkpoint_are_refused(tmp_path, folder):
    make_fit(tmp_path, "sentiment", folder, checkpoint=CheckpointConfig(every="1st")).run()
    second = make_fit(tmp_path, "sentiment", folder, checkpoint=CheckpointConfig(), guard=Guard.none)
    task = second.trainer.task
    task.facts = {**task.facts, "labels": task.facts["labels"][::-1]}
    with pytest.raises(ConfigError, match="labels or their order") as caught:
        second.run()
    assert "bom, mau; now mau, bom" in str(caught.value) or "mau, bom; now bom, mau" in str(caught.value)
