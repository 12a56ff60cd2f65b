"""Jobs on a real Slurm: two nodes, preemption, the time limit, arrays, exit codes.

The quick one runs wherever Slurm is installed; AUTOTUNE_SLURM=1 runs all, in some minutes.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.slurm.lab import Lab, lines
from tests.support import ROOT
from tests.support.runs import result, status

long = pytest.mark.skipif(
    "AUTOTUNE_SLURM" not in os.environ, reason="takes minutes; AUTOTUNE_SLURM=1 runs it"
)
WORDS = (
    "task=sentiment",
    "model=tiny_bert",
    "dataset.limit=24",
    "trainer.batch_size=8",
    "check=none",
    "guard=none",
)
STEPS = (
    *WORDS,
    "trainer.max_steps=400",
    "trainer.epochs=1000",
    "trainer.evaluate_every=100st",
    "checkpoint.every=50st",
)
"""A run that takes some seconds."""


def preempt(lab: Lab) -> None:
    """Runs a job of a higher priority on all nodes."""
    words = ("--partition=main", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=true")
    other = lab.run("sbatch", "--parsable", *words).strip()
    lab.until(lambda: lab.job(other)["JobState"] == "COMPLETED", other)


def output(run: Path, job: str) -> str:
    return (run / "slurm" / f"{job}.out").read_text()


def test_one_job_on_two_nodes(lab, tmp_path):
    job = lab.submit(
        tmp_path, *WORDS, "trainer.max_steps=6", "slurm.nodes=2", "slurm.time=0:10:00", "name=run"
    )
    known = lab.ended(job)
    run = tmp_path / "runs" / "run"
    assert (known["JobState"], known["ExitCode"], known["NumNodes"]) == ("COMPLETED", "0:0", "2"), output(
        run, job
    )
    assert status(run)["state"] == "finished"
    assert status(run)["command"].startswith(
        "autotune submit cluster=slurm slurm.gpus_per_node=0 task=sentiment"
    )
    assert output(run, job).count("result on test (6 steps, ") == 1, "one voice"
    lab.submit(tmp_path, *WORDS, "trainer.max_steps=6", "slurm.nodes=2", "slurm.time=0:10:00", "name=run")
    assert lab.run("squeue", "--noheader") == ""


@pytest.fixture(scope="module")
def undisturbed(lab, tmp_path_factory):
    """What two ranks learn that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = lab.submit(folder, *STEPS, "slurm.tasks_per_node=2", "name=run")
    assert lab.ended(job)["JobState"] == "COMPLETED", output(folder / "runs" / "run", job)
    return result(folder / "runs" / "run")


@long
def test_a_job_that_is_preempted_three_times_ends_with_the_same_bytes(lab, tmp_path, undisturbed):
    job = lab.submit(tmp_path, *STEPS, "slurm.tasks_per_node=2", "slurm.partition=cheap", "name=run")
    run = tmp_path / "runs" / "run"
    for count, step in enumerate((60, 160, 260), 1):
        lab.reaches(job, run, step)
        preempt(lab)
        assert lab.job(job)["Restarts"] == str(count)
    assert lab.ended(job)["ExitCode"] == "0:0", output(run, job)
    assert output(run, job).count("back into the queue after start") == 3
    assert result(run) == undisturbed


@long
def test_the_time_limit_ends_in_a_checkpoint_and_another_start(lab, tmp_path, undisturbed):
    job = lab.submit(tmp_path, *STEPS, "slurm.tasks_per_node=2", "slurm.time=0:10:00", "name=run")
    run = tmp_path / "runs" / "run"
    lab.reaches(job, run, 60)
    # Less is left then than slurm.signal_seconds, so Slurm signals at its next look.
    minutes = int(lab.job(job)["RunTime"].split(":")[1])
    lab.run("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes + 2}")
    lab.until(lambda: "back into the queue after start 1" in output(run, job), job)
    lab.until(lambda: lab.job(job)["JobState"] == "PENDING", job)
    lab.run("scontrol", "update", f"JobId={job}", "TimeLimit=10")
    assert lab.ended(job)["ExitCode"] == "0:0", output(run, job)
    assert result(run) == undisturbed


@long
def test_a_cancelled_job_saves_and_does_not_come_back(lab, tmp_path, undisturbed):
    words = (*STEPS, "slurm.tasks_per_node=2", "name=run")
    job = lab.submit(tmp_path, *words)
    run = tmp_path / "runs" / "run"
    lab.reaches(job, run, 60)
    lab.run("scancel", job)
    assert lab.ended(job)["JobState"] == "CANCELLED"
    lab.until(lambda: lab.run("squeue", "--noheader") == "", job)
    assert status(run)["state"] == "interrupted"
    again = lab.submit(tmp_path, *words)
    assert lab.ended(again)["ExitCode"] == "0:0", output(run, again)
    assert result(run) == undisturbed


@long
def test_a_sweep_of_two_rank_jobs_is_preempted_and_ends_as_if_it_were_not(lab, tmp_path):
    words = ("-m", *STEPS, "seed=1,2", "slurm.tasks_per_node=2")
    for name, partition in (("plain", "main"), ("preempted", "cheap")):
        job = lab.submit(tmp_path, *words, f"runs={name}", f"slurm.partition={partition}", "name=run-${seed}")
        if name == "preempted":
            for seed in (1, 2):
                lab.reaches(f"{job}_{seed - 1}", tmp_path / name / f"run-{seed}", 60)
            preempt(lab)
        for task in (0, 1):
            assert lab.ended(f"{job}_{task}")["ExitCode"] == "0:0"
    for seed in (1, 2):
        assert result(tmp_path / "preempted" / f"run-{seed}") == result(tmp_path / "plain" / f"run-{seed}")
    (folder,) = (tmp_path / "preempted").glob("slurm-sweep-*")
    assert all("back into the queue after start 1" in file.read_text() for file in folder.glob("*.out"))


@long
def test_a_job_that_fails_has_the_exit_code_of_the_run(lab, tmp_path):
    rows = tmp_path / "rows.jsonl"
    shutil.copy(ROOT / "autotune" / "assets" / "samples" / "sentiment" / "train.jsonl", rows)
    words = (
        "task=sentiment",
        "dataset=jsonl",
        "dataset.path=rows.jsonl",
        "check=none",
        "slurm.tasks_per_node=2",
        "name=run",
    )
    # Held until the data are gone, as on a cluster that is busy.
    job = lab.submit(tmp_path, *words, "slurm.options=[--hold]")
    rows.write_text("")
    lab.run("scontrol", "release", job)
    known = lab.ended(job)
    assert (known["JobState"], known["ExitCode"], known["Restarts"]) == ("FAILED", "2:0", "0")
    run = tmp_path / "runs" / "run"
    assert output(run, job).count("the file is empty") == 1
    assert status(run)["state"] == "failed"


@long
def test_the_script_that_people_copy(lab, tmp_path):
    script = tmp_path / "train.sbatch"
    text = (ROOT / "scripts" / "slurm" / "train.sbatch").read_text()
    script.write_text(
        text.replace("#SBATCH --gpus-per-node=1\n", "").replace("--ntasks-per-node=1", "--ntasks-per-node=2")
    )
    words = [*WORDS, "trainer.max_steps=6", f"runs={tmp_path}/runs", "name=run"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "autotune").write_text(
        f'#!/usr/bin/env bash\nexec {ROOT}/.venv/bin/python -P -m autotune "$@"\n'
    )
    (tmp_path / "bin" / "autotune").chmod(0o755)
    sent = subprocess.run(
        ["sbatch", "--parsable", "--time=0:05:00", script, *words], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**lab.environment, "PATH": f"{tmp_path}/bin:{lab.environment['PATH']}"},
    )  # fmt: skip
    job = sent.stdout.strip()
    assert lab.ended(job)["ExitCode"] == "0:0", lines(tmp_path / f"autotune-{job}.out")
    assert status(tmp_path / "runs" / "run")["state"] == "finished"
