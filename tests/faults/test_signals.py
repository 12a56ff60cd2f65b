"""A signal at any time of a run: it leaves at once with 75, and the same command ends with the same bytes."""

import pytest

from tests.test_checkpoints import result, status

PLACES = {
    "validation": ("sentiment", "autotune.evaluation.evaluate:Evaluator._said@3"),
    "a checkpoint": ("sentiment", "autotune.checkpoints:Checkpoints.save@2"),
    "export": ("sentiment", "autotune.models.artefact:put_folder"),
    "final scoring": ("sentiment", "autotune.runs:RunFolder.write_predictions@2"),
    "proof": ("sentiment", "autotune.commands:prove"),
    "generation": ("summarization", "autotune.tasks.summarization:Summarization.predict@2"),
}
SMALL = {"sentiment": [], "summarization": ["dataset.limit=24", "trainer.epochs=1", "checkpoint.every=1up"]}


@pytest.fixture(scope="module")
def references(train, tmp_path_factory):
    """Of each task, made when first asked for."""
    made: dict[str, dict[str, object]] = {}

    def reference(task: str) -> dict[str, object]:
        if task not in made:
            runs = tmp_path_factory.mktemp(task) / "runs"
            code, said = train(runs, "reference", f"task={task}", *SMALL[task])
            assert code == 0, said
            made[task] = result(runs / "reference")
        return made[task]

    return reference


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_signal_at_any_time_loses_nothing(train, tmp_path, references, place):
    task, at = PLACES[place]
    words = [f"task={task}", *SMALL[task]]
    runs = tmp_path / "runs"
    code, said = train(runs, "left", *words, at=at, event="SIGTERM")
    assert code == 75 and "the same command goes on" in said, said
    assert status(runs / "left")["state"] == "interrupted" and "SIGTERM" in status(runs / "left")["reason"]
    code, said = train(runs, "left", *words)
    assert code == 0, said
    assert result(runs / "left") == references(task)


@pytest.mark.slow
@pytest.mark.parametrize(("event", "left"), [("SIGINT SIGINT", 130), ("SIGTERM SIGTERM", 143)])
def test_a_second_signal_leaves_at_once_and_damages_nothing(train, tmp_path, references, event, left):
    """In the middle of writing a checkpoint."""
    runs = tmp_path / "runs"
    code, said = train(runs, "left", "task=sentiment", at="autotune.checkpoints:write_tensors@4", event=event)
    assert code == left, said
    code, said = train(runs, "left", "task=sentiment")
    assert code == 0 and "going on after update" in said and "damaged" not in said, said
    assert result(runs / "left") == references("sentiment")
