"""Slurm: the batch script of a job, and the calls of sbatch and squeue.

The script starts one process per rank with srun. Slurm signals them before the time limit and on preemption; they save and
exit with 75, and the script puts the job back into the queue under the same job id.
"""

import getpass
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from autotune.config.slurm import SlurmConfig
from autotune.errors import ClusterError, ConfigError, shell_words
from autotune.runtime.records import Record, read_record

FOLDER = "slurm"
"""Folder inside a run folder: the batch script, the job's output, and the job id."""
SCRIPT, JOB = "job.sbatch", "job.json"

BODY = r"""
# The first node runs this script and rank 0; the others reach it at the address that Slurm itself uses.
MASTER_ADDR=$(scontrol --oneliner show node "$SLURMD_NODENAME" | sed -n 's/.* NodeAddr=\([^ ]*\).*/\1/p')
export MASTER_ADDR
export MASTER_PORT=$((10000 + SLURM_JOB_ID % 20000))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # srun does not inherit it since Slurm 22.05

# Before the time limit and on preemption Slurm sends TERM to the ranks: they save and exit with 75. If it ends the whole job
# (scancel), this shell gets TERM too; it then waits for the ranks and does not queue the job again.
cancelled=
trap 'cancelled=yes' TERM

# One process per rank. Without --kill-on-bad-exit=0 the first rank to leave would kill those that are still saving.
as_rank='RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID LOCAL_WORLD_SIZE=$SLURM_NTASKS_PER_NODE exec "$@"'
srun --kill-on-bad-exit=0 bash -c "$as_rank" rank "${command[@]}"
code=$?

starts=$((${SLURM_RESTART_COUNT:-0} + 1))
# 143: a rank that was still starting when the signal came.
if { [ "$code" -eq 75 ] || [ "$code" -eq 143 ]; } && [ -z "$cancelled" ]; then
    if [ "$starts" -le "$max_requeues" ]; then
        echo "interrupted: back into the queue after start $starts (at most $max_requeues times)"
        scontrol requeue "$SLURM_JOB_ID"
    else
        echo "interrupted $starts times: not queued again; sbatch sends a new job, which resumes"
    fi
fi
exit "$code"
"""
"""What every job does, the same in scripts/slurm/train.sbatch; `command` is an array, and the exit code is that of the ranks."""


class Job(Record):
    """Schema of slurm/job.json."""

    job: str
    """Job id; of a task of an array ID_TASK."""


def batch_script(
    slurm: SlurmConfig, name: str, runs: Sequence[Path], script: Path, plugins: Sequence[str], setup: str
) -> str:
    """Returns the batch script that does some runs, several as tasks of an array.

    Args:
        slurm: what to ask for.
        name: of the job.
        runs: absolute paths of the run folders.
        script: where the script will be; the job's output goes beside it.
        plugins: files that register tasks.
        setup: shell commands to run first.

    Raises:
        ConfigError: a path cannot be written into a batch script.
    """
    directives = "\n".join(f"#SBATCH {directive}" for directive in _directives(slurm, name, runs, script))
    prepared = f"\n# From --setup:\n{setup.strip()}\n" if setup.strip() else ""
    folders = "".join(f"    {shell_words(run)}\n" for run in runs)
    loaded = [f"--plugin={Path(plugin).absolute()}" for plugin in plugins]
    command = shell_words(sys.executable, "-P", "-m", "autotune", "train", *loaded)
    return f"""#!/usr/bin/env bash
# Written by autotune submit. To send it again: sbatch {shell_words(script)}
{directives}
{prepared}
# The run folders; a task of an array does the one with its number. Each holds its whole configuration.
runs=(
{folders})
command=({command} resume="${{runs[${{SLURM_ARRAY_TASK_ID:-0}}]}}")
max_requeues={slurm.max_requeues}
{BODY}"""


def _directives(slurm: SlurmConfig, name: str, runs: Sequence[Path], script: Path) -> list[str]:
    tasks = slurm.tasks_per_node or max(1, slurm.gpus_per_node)
    output = "%A_%a.out" if len(runs) > 1 else "%j.out"
    parallel = f"%{slurm.max_parallel}" if slurm.max_parallel is not None else ""
    wanted: list[tuple[str, object]] = [
        ("--job-name", name),
        ("--chdir", Path.cwd()),
        ("--output", f"{str(script.parent).replace('%', '%%')}/{output}"),
        ("--open-mode", "append"),
        ("--signal", f"TERM@{slurm.signal_seconds}"),
        ("--partition", slurm.partition),
        ("--account", slurm.account),
        ("--qos", slurm.qos),
        ("--time", slurm.time),
        ("--nodes", slurm.nodes),
        ("--ntasks-per-node", tasks),
        ("--gpus-per-node", slurm.gpus_per_node or None),
        ("--cpus-per-task", slurm.cpus_per_task),
        ("--mem", slurm.mem),
        ("--constraint", slurm.constraint),
        ("--array", f"0-{len(runs) - 1}{parallel}" if len(runs) > 1 else None),
    ]
    options = [_escape(f"{option}={value}") for option, value in wanted if value is not None]
    return [*options, "--requeue", *map(_escape, slurm.options)]


def _escape(directive: str) -> str:
    """Returns an option as sbatch reads it from a script: a backslash before every character that could mean something."""
    if re.search(r"[\x00-\x1f\x7f\\]", directive):
        raise ConfigError(
            "a batch script cannot hold a name with backslashes or control characters",
            where=directive.partition("=")[0],
            found=repr(directive.partition("=")[2]),
            fix="runs=FOLDER name=NAME, in another working folder",
        )
    return re.sub(r"[^\w@%+=:,./-]", r"\\\g<0>", directive)


def send(script: Path) -> str:
    """Hands a batch script to sbatch; returns the job id.

    Raises:
        ClusterError: Slurm is not installed here, cannot be reached, or refuses the job.
    """
    return _ask("sbatch", "--parsable", script).strip().partition(";")[0]


def jobs() -> Mapping[str, str]:
    """Returns the states of the user's jobs in the queue by job id, with each task of an array.

    Raises:
        ClusterError: Slurm is not installed here, or cannot be reached.
    """
    answer = _ask("squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i %T")
    return dict(line.split(maxsplit=1) for line in answer.splitlines() if " " in line)


def job_of(run: Path) -> str | None:
    """Returns the id of the job that a run was sent as last; None if it never was.

    Raises:
        ModelError: slurm/job.json is damaged.
    """
    file = run / FOLDER / JOB
    record = read_record(file, Job, fix=f"rm {shell_words(file)}")
    return None if record is None else str(record["job"])


def _ask(program: str, *arguments: object) -> str:
    """Returns what a program of Slurm prints."""
    command = [program, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ClusterError(
            f"Slurm's command {program} is not installed here",
            where="PATH",
            fix="autotune submit on a login node of the cluster; --dry-run prints the batch script anywhere",
        ) from error
    if done.returncode:
        raise ClusterError(
            f"Slurm refused: {program} ended with exit code {done.returncode}",
            where=shell_words(*command),
            found=done.stderr.strip() or done.stdout.strip() or None,
        )
    return done.stdout
