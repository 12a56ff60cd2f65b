"""A signal at any time of a run: it leaves at once with 75, and the same command ends with the same bytes."""

from pathlib import Path

import pytest

from tests.support.runs import result, status

PLACES = {
    "a checkpoint": ("autotune.run.checkpoints:Checkpoints.save@2", "SIGTERM"),
    "validation": ("autotune.evaluation.evaluator:Evaluator._predict_batch@3", "SIGINT"),
    "export": ("autotune.models.saved_model:replace_folder", "SIGUSR1"),
    "final scoring": ("autotune.run.folder:RunFolder.write_predictions@2", "SIGINT"),
    "proof": ("autotune.pipeline.finish:verify_round_trip", "SIGTERM"),
}
"""In the order in which a resumed run reaches them, each with one of the signals that stop a run."""

GENERATION = "autotune.tasks.summarization:Summarization.predict@2"
SUMMARIES = [
    "task=summarization", "dataset.limit=8", "trainer.epochs=1", "trainer.batch_size=4", "checkpoint.every=1st",
    "task.max_length=64", "task.max_new_tokens=8",
]  # fmt: skip


def left(train, runs: Path, at: str, *words: str, name: str = "SIGTERM") -> str:
    """A run leaves when a signal comes at a place; what was said."""
    code, said = train(runs, "left", *words, at=at, event=name)
    assert code == 75 and "the same command resumes" in said, f"{at}: {said}"
    assert status(runs / "left")["state"] == "interrupted" and name in status(runs / "left")["reason"]
    return said


@pytest.mark.slow
def test_a_signal_at_any_time_loses_nothing(train, tmp_path, reference):
    """At one place after the other of the same run."""
    runs = tmp_path / "runs"
    for life, (at, name) in enumerate(PLACES.values()):
        said = left(train, runs, at, "task=sentiment", name=name)
        assert ("resuming after step" in said) == (life > 0), said
    code, said = train(runs, "left", "task=sentiment")
    assert code == 0 and "resuming after step" in said, said
    assert result(runs / "left") == reference


@pytest.mark.slow
def test_a_signal_while_summaries_are_written_loses_nothing(train, tmp_path):
    runs = tmp_path / "runs"
    code, said = train(runs, "reference", *SUMMARIES)
    assert code == 0, said
    left(train, runs, GENERATION, *SUMMARIES)
    code, said = train(runs, "left", *SUMMARIES)
    assert code == 0, said
    assert result(runs / "left") == result(runs / "reference")


@pytest.mark.slow
def test_a_second_signal_leaves_at_once_and_damages_nothing(train, tmp_path, reference):
    """In the middle of writing a checkpoint."""
    runs = tmp_path / "runs"
    for event, code_of_it in (("SIGINT SIGINT", 130), ("SIGTERM SIGTERM", 143)):
        code, said = train(
            runs, "left", "task=sentiment", at="autotune.run.checkpoints:write_tensors@4", event=event
        )
        assert code == code_of_it and "damaged" not in said, said
    code, said = train(runs, "left", "task=sentiment")
    assert code == 0 and "resuming after step" in said and "damaged" not in said, said
    assert result(runs / "left") == reference
