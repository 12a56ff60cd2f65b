"""Folders that cannot be written, few file handles, data that change or vanish while a run waits to go on."""

import os
from pathlib import Path

import pytest

from tests.support.forks import strangers
from tests.support.runs import status

SMOKE = ["task=sentiment", "debug=smoke"]
NOWHERE = "/proc/nonexistent"
"""Where not even root makes a folder."""


@pytest.mark.slow
def test_no_home_and_no_cache_of_the_hub_are_needed(tmp_path):
    """As in a container without a user."""
    absent = {"HOME": "/nonexistent", "HF_HOME": NOWHERE, "XDG_CACHE_HOME": NOWHERE, "TMPDIR": str(tmp_path)}
    only = {**os.environ, **absent, "OMP_NUM_THREADS": "1"}
    done = strangers().start(*SMOKE, f"runs={tmp_path}/runs", cwd=tmp_path, only=only).ended()
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that root cannot write")
def test_runs_where_nothing_can_be_written_are_refused_at_once(train, tmp_path):
    code, said = train(tmp_path / "runs", "nowhere", *SMOKE, f"runs={NOWHERE}")
    assert code == 74 and f"where: {NOWHERE}" in said and "runs=FOLDER" in said, said


@pytest.mark.slow
def test_few_file_handles_are_enough(train, tmp_path):
    code, said = train(tmp_path / "runs", "few", *SMOKE, limits={"NOFILE": 64})
    assert code == 0, said


@pytest.fixture
def reviews(tmp_path):
    """Rows of a person's own, and the words that train on them and leave in the middle."""
    file = tmp_path / "rows.csv"
    rows = "".join(f"linha {number} {'boa' if number % 2 else 'ruim'},{number % 2}\n" for number in range(80))
    file.write_text("text,label\n" + rows)
    return file, ["task=sentiment", "dataset=csv", f"dataset.path={file}", "trainer.batch_size=8"]


@pytest.mark.slow
def test_data_that_changed_or_vanished_are_refused_and_nothing_is_lost(train, tmp_path, reviews):
    file, words = reviews
    runs = tmp_path / "runs"
    code, said = train(
        runs, "left", *words, at="autotune.run.folder:RunFolder.append_history@9", event="SIGTERM"
    )
    assert code == 75, said
    rows = file.read_text()
    file.write_text(rows.replace("linha 7 ", "Linha 7 "))
    code, said = train(runs, "left", *words)
    assert code == 2 and "the data have changed since the checkpoint" in said and "resume=never" in said, said
    fingerprints = (
        said[said.index("fingerprint ") :].splitlines()[0].removeprefix("fingerprint ").split(", now ")
    )
    assert len(set(fingerprints)) == 2
    file.unlink()
    code, said = train(runs, "left", *words)
    assert code == 2 and str(file) in said and status(runs / "left")["state"] == "failed", said
    file.write_text(rows)
    code, said = train(runs, "left", *words)
    assert code == 0 and "resuming after step" in said, said
