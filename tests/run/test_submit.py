"""`autotune submit`: the batch script as text, what it does in bash with stand-ins for Slurm, and what is refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.cli.main import main
from autotune.run.slurm import BODY
from tests.support import ROOT
from tests.support.forks import forks

WORDS = ("task=sentiment", "cluster=slurm", "slurm.gpus_per_node=0", "check=none", "name=run")
GOLDEN = r"""#!/usr/bin/env bash
# Written by autotune submit. To send it again: sbatch {folder}/runs/run/slurm/job.sbatch
#SBATCH --job-name=run
#SBATCH --chdir={folder}
#SBATCH --output={folder}/runs/run/slurm/%j.out
#SBATCH --open-mode=append
#SBATCH --signal=TERM@300
#SBATCH --partition=gpu,long
#SBATCH --account=lab
#SBATCH --qos=high
#SBATCH --time=1-12:00:00
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --constraint=a100\|h100
#SBATCH --requeue
#SBATCH --mail-type=END
#SBATCH --comment=first\ try

# From --setup:
module load cuda/12.4

# The run folders; a task of an array does the one with its number. Each holds its whole configuration.
runs=(
    {folder}/runs/run
)
command=({python} -P -m autotune train resume="${{runs[${{SLURM_ARRAY_TASK_ID:-0}}]}}")
max_requeues=3
"""


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of programs that comes first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def add(name: str, code: str) -> None:
        (folder / name).write_text(f"#!/usr/bin/env bash\n{code}\n")
        (folder / name).chmod(0o755)

    return add


def script(capsys, *words: str) -> str:
    """The script that --dry-run prints, which bash can read."""
    assert main(["submit", "--dry-run", *WORDS, *words]) == 0, capsys.readouterr().err
    text = capsys.readouterr().out
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    return text


def test_the_script_is_readable_and_has_all_that_was_asked_for(capsys, tmp_path):
    Path("cluster.sh").write_text("module load cuda/12.4\n")
    text = script(
        capsys, "--setup", "cluster.sh", "slurm.partition=gpu,long", "slurm.account=lab", "slurm.qos=high",
        "slurm.time=1-12:00:00", "slurm.nodes=2", "slurm.gpus_per_node=4", "slurm.cpus_per_task=8", "slurm.mem=64G",
        "slurm.constraint=a100|h100", "slurm.signal_seconds=300", "slurm.max_requeues=3",
        "slurm.options=[--mail-type=END, --comment=first try]",
    )  # fmt: skip
    assert text == GOLDEN.format(folder=tmp_path, python=sys.executable) + BODY
    assert not Path("runs").exists(), "a dry run writes nothing"


def test_a_sweep_is_one_array_job(capsys, tmp_path):
    text = script(capsys, "-m", "name=null", "seed=1,2,3", "slurm.max_parallel=2")
    assert "#SBATCH --array=0-2%2\n" in text
    (name,) = re.findall("--job-name=(sweep-[0-9a-f]{8})\n", text)
    assert f"#SBATCH --output={tmp_path}/runs/slurm-{name}/%A_%a.out\n" in text
    runs = re.findall(rf"^    ({tmp_path}/runs/sentiment-sample-tiny-\w+)$", text, re.MULTILINE)
    assert len(set(runs)) == 3


def test_what_people_copy_does_the_same():
    file = ROOT / "scripts" / "slurm" / "train.sbatch"
    subprocess.run(["bash", "-n", file], check=True)
    assert file.read_text().endswith(BODY)


def test_no_name_becomes_a_command_or_another_option(capsys, programs, tmp_path):
    hostile = "a'b #d $(touch pwned) `touch pwned` ;é|%j"
    comment = 'x "y" #d $(touch pwned)'
    words = [
        f"runs={tmp_path}/{hostile}",
        f"slurm.account={hostile}",
        f"slurm.options=['--comment={comment}']",
    ]
    text = script(capsys, *words)
    # sbatch takes a backslash for the next character being itself, ends a line at an unescaped # and a word at a blank.
    escaped, comment = (re.sub(r"([^\w@%+=:,./-])", r"\\\1", value) for value in (hostile, comment))
    assert f"#SBATCH --account={escaped}\n" in text
    assert f"#SBATCH --comment={comment}\n" in text
    assert escaped.replace("%j", "%%j") + "/run/slurm/%j.out\n" in text
    programs("scontrol", 'echo "x NodeAddr=node7 y"')
    programs("srun", 'while [ "$1" != rank ]; do shift; done; printf "%s\\n" "${@: -1}"')
    done = subprocess.run(
        ["bash"], input=text, capture_output=True, text=True, env={**os.environ, "SLURM_JOB_ID": "7"}
    )
    assert done.stdout == f"resume={tmp_path}/{hostile}/run\n", done.stderr
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    ("code", "cancelled", "count", "requeued", "says"),
    [
        (0, False, 0, False, ""),
        (65, False, 0, False, ""),
        (75, False, 0, True, "back into the queue after start 1 (at most 20 times)"),
        (143, False, 19, True, "back into the queue after start 20 (at most 20 times)"),
        (75, False, 20, False, "interrupted 21 times: not queued again"),
        (75, True, 0, False, ""),
    ],
)
def test_interrupted_jobs_go_back_into_the_queue_and_others_keep_their_code(
    code, cancelled, count, requeued, says, capsys, programs, tmp_path
):
    programs("scontrol", f'echo "$@" >> {tmp_path}/calls; echo "NodeName=n1 NodeAddr=10.0.0.7 Port=1"')
    programs(
        "srun",
        f'{"kill -TERM $PPID;" * cancelled} printf "%s\\n" "$MASTER_ADDR $MASTER_PORT" > {tmp_path}/seen; exit {code}',
    )
    env = {"SLURM_JOB_ID": "20007", "SLURMD_NODENAME": "n1"} | (
        {"SLURM_RESTART_COUNT": str(count)} if count else {}
    )
    done = subprocess.run(
        ["bash"], input=script(capsys), capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == code, done.stderr
    assert (tmp_path / "seen").read_text() == "10.0.0.7 10007\n"
    assert ("requeue 20007" in (tmp_path / "calls").read_text().splitlines()) is requeued
    assert says in done.stdout
    assert bool(done.stdout.strip()) is bool(says)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["slurm.time=240"], "slurm.time"),
        (["slurm.time=4:00"], "slurm.time"),
        (["slurm.time=0:00:00"], "slurm.time"),
        (["slurm.time=0:04:00"], "slurm.time"),
        (["slurm.time=1:00:00\n#SBATCH --wrap=x"], "slurm.time"),
        (["slurm.mem=32 GB"], "slurm.mem"),
        (["slurm.partition=a\nb"], "slurm.partition"),
        (["slurm.account=a\\"], "slurm.account"),
        (["slurm.nodes=0"], "slurm.nodes"),
        (["slurm.signal_seconds=1"], "slurm.signal_seconds"),
        (["slurm.options=[--export=LD_PRELOAD=/tmp/x.so]"], "slurm.options"),
        (["slurm.options=[--wrap=x]"], "slurm.options"),
        (["slurm.options=[--exclude n1]"], "slurm.options"),
        (["slurm.options=[--array=0-9]"], "slurm.options"),
        (["-m", "seed=1,2", "slurm.time=1:00:00,2:00:00"], "runs/run"),
        (["runs=a\\b"], "--output"),
        (["--setup", "missing.sh"], "--setup missing.sh"),
        (["--setup", "secret.sh"], "--setup secret.sh"),
    ],
    ids=str,
)
def test_what_slurm_would_refuse_or_run_is_refused_at_once(words, where, capsys, monkeypatch):
    monkeypatch.setenv("LAB_TOKEN", "7f9c2ba4e88f827d61604550")
    Path("secret.sh").write_text("export LAB_TOKEN=7f9c2ba4e88f827d61604550\n")
    assert main(["submit", "--dry-run", *WORDS, *words]) == 2
    out, err = capsys.readouterr()
    assert f"  where: {where}\n" in err
    assert out == ""


@pytest.mark.parametrize("word", ["seed=1", "slurm.nodes=2"])
def test_without_a_cluster_there_is_nowhere_to_send_to(word, capsys):
    assert main(["submit", "task=sentiment", word]) == 2
    assert "  fix:   cluster=slurm" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_the_launchers_of_hydra_lead_here(capsys):
    assert main(["train", "-m", "hydra/launcher=submitit_slurm", "seed=1,2"]) == 2
    assert "  fix:   autotune submit -m cluster=slurm" in capsys.readouterr().err


def test_where_the_job_went_is_printed_and_a_second_call_sends_nothing(capsys, programs, tmp_path):
    programs("sbatch", f'echo "$@" >> {tmp_path}/calls; echo "4711;cluster"')
    programs("squeue", 'echo "4711 PENDING"')
    assert main(["submit", *WORDS]) == 0
    out, err = capsys.readouterr()
    run = tmp_path / "runs" / "run"
    assert out == "4711\n"
    assert err.splitlines() == [
        "submitted job 4711: run",
        "  state:  squeue -j 4711",
        f"  output: tail -F {run}/slurm/4711.out",
        "  cancel: scancel 4711",
    ]
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["reason"]) == ("interrupted", "left to a Slurm job")
    assert main(["submit", *WORDS]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "run has a job already: 4711 (PENDING); scancel 4711 ends it\n")
    assert (tmp_path / "calls").read_text() == f"--parsable {run}/slurm/job.sbatch\n"


def test_a_sweep_sends_what_is_neither_finished_nor_queued(capsys, programs, tmp_path):
    programs("sbatch", f'cp "${{@: -1}}" {tmp_path}/sent; echo 12')
    programs("squeue", 'printf "12_0 RUNNING\\n12_2 PENDING\\n"')
    words = ["submit", "-m", *WORDS, "name=run-${seed}", "seed=1,2,3,4"]
    assert main(words) == 0
    err = capsys.readouterr().err
    assert "submitted job 12: sweep-" in err
    (folder,) = re.findall("^  table:  autotune sweep (.*)$", err, re.MULTILINE)
    assert main(["sweep", folder]) == 0 and "4 runs: 4 interrupted" in capsys.readouterr().out
    finished = tmp_path / "runs" / "run-4" / "status.json"
    finished.write_text(json.dumps({**json.loads(finished.read_text()), "state": "finished"}))
    assert main(words) == 0
    err = capsys.readouterr().err
    assert f"  table:  autotune sweep {folder}\n" in err
    assert "run-1 has a job already: 12_0 (RUNNING)" in err
    assert f"{finished.parent} is finished; nothing was submitted" in err
    assert re.findall(r"^    \S+/(run-\d)$", (tmp_path / "sent").read_text(), re.MULTILINE) == ["run-2"]


def test_slurm_that_is_missing_or_refuses_is_told_in_its_words(capsys, programs, tmp_path, monkeypatch):
    programs("sbatch", "echo 'sbatch: error: invalid partition specified: gqu' >&2; exit 1")
    assert main(["submit", *WORDS, "slurm.partition=gqu"]) == 69
    err = capsys.readouterr().err
    assert err.startswith("error: Slurm refused: sbatch ended with exit code 1\n")
    assert "  found: sbatch: error: invalid partition specified: gqu\n" in err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["submit", *WORDS]) == 69
    assert "Slurm's command sbatch is not installed here" in capsys.readouterr().err


def test_data_are_checked_before_the_job_waits_in_the_queue(programs, tmp_path):
    programs("sbatch", f"touch {tmp_path}/called")
    Path("rows.csv").write_text("texto,nota\nbom,1\nruim,0\n")
    words = ["dataset=csv", "dataset.path=rows.csv", "check=warn"]
    done = forks().start("submit", *WORDS, *words, cwd=tmp_path, PATH=os.environ["PATH"]).ended()
    assert done.returncode == 2
    assert "column" in done.stderr
    assert not (tmp_path / "called").exists()
    assert not (tmp_path / "runs" / "run").exists()
