"""A disk that is full: said with the file, the room and what stands; with room the same command ends with the same bytes."""

import logging
from pathlib import Path

import pytest

from autotune.run.log import RunLog
from tests.support.runs import checkpoints, result, status

TASK = "task=sentiment"
PLACES = {
    "feature cache": ("autotune.data.cache:_write", ".cache/"),
    "history": ("autotune.run.folder:RunFolder.append_history", "history.jsonl"),
    "checkpoint": ("autotune.run.checkpoints:Checkpoints.save@2", "weights.safetensors"),
    "best weights": ("autotune.run.folder:RunFolder.save_best@2", "best.safetensors"),
    "model": ("autotune.pipeline.train:save_model", "/model"),
    "predictions": ("autotune.run.folder:RunFolder.write_predictions@2", "predictions_"),
    "metrics": ("autotune.run.folder:RunFolder.write_json@5", "metrics.json"),
}


@pytest.mark.slow
def test_a_full_disk_loses_nothing(train, small_disk, reference):
    """It is full again at every place, of one run that goes on each time there is room."""
    runs = small_disk / "runs"
    standing: list[Path] = []
    for place, (at, file) in PLACES.items():
        code, said = train(runs, "full", TASK, at=at, event=f"full:{small_disk}")
        assert code == 74, f"{place}: {said}"
        assert place == "feature cache" or ("resuming after step" in said) == bool(standing), said
        refused = said[said.index("error: ") :]
        assert "No space left on device" in refused and file in refused and "0.0 MB free" in refused, said
        assert "Traceback" not in said and "run the same command again" in said
        standing = checkpoints(runs / "full")
        assert (
            f"the checkpoint {standing[-1]} is safe" in said if standing else "there is no checkpoint" in said
        )
        assert status(runs / "full")["state"] == "failed" or "could not be written to" in said
        assert not (runs / "full" / "model").exists() or place in ("predictions", "metrics")
        (small_disk / "ballast").unlink()
    assert standing
    code, said = train(runs, "full", TASK)
    assert code == 0 and "resuming after step" in said, said
    assert result(runs / "full") == reference


@pytest.mark.slow
def test_a_limit_on_file_sizes_is_told_like_a_full_disk(train, tmp_path, reference):
    """As quotas of a cluster: weights can be written, the moments of Adam, twice as much, cannot."""
    code, said = train(
        tmp_path / "runs", "limited", TASK, limits={"FSIZE": 3 * len(reference["weights"]) // 2}
    )
    assert code == 74, said
    assert "File too large" in said and "optimizer.safetensors" in said and "MB needed" in said
    assert status(tmp_path / "runs" / "limited")["state"] == "failed"
    code, said = train(tmp_path / "runs", "limited", TASK)
    assert code == 0, said
    assert result(tmp_path / "runs" / "limited") == reference


def test_a_log_that_cannot_be_written_is_told_once_and_ends_nothing(tmp_path, caplog):
    """/dev/full refuses every byte."""
    log = RunLog(tmp_path / "log.txt")
    logger = logging.getLogger("autotune.test")
    with Path("/dev/full").open("w", buffering=1) as full:
        log.setStream(full)
        for _ in range(3):
            logger.warning("a line")
    assert caplog.text.count("log.txt cannot be written any more") == 1
    assert caplog.text.count("a line") == 3


def test_folders_with_what_was_learned_and_read_are_private(train, tmp_path):
    code, said = train(tmp_path / "runs", "private", TASK, "debug=smoke", "trainer.max_hours=0.000001")
    assert code == 75, said
    for folder in ("private", ".cache"):
        assert (tmp_path / "runs" / folder).stat().st_mode & 0o777 == 0o700
