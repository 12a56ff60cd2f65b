"""Processes that an external launcher has started: makes srun's tasks ranks, and refuses what would train apart.

A launcher that starts several processes without telling them so, or one process instead of several, would otherwise go
unnoticed: each process would be a run of its own.
"""

import os
import re
from collections.abc import Mapping

from autotune.errors import ConfigError
from autotune.runtime import launcher

MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""Variables with the number of processes that mpirun has started."""
FIRST_PORT, PORTS = 10_000, 20_000
"""Range of the ports for jobs of Slurm; systems take the ports of outgoing connections from above it."""


def recognize() -> None:
    """Sets the variables of torchrun where srun has started this process as one of several, and checks them.

    Raises:
        ConfigError: the variables are incomplete, or a launcher has started other processes than it was asked for.
    """
    if launcher.is_worker():
        return
    if not os.environ.get("WORLD_SIZE"):
        if _is_slurm_task(os.environ):
            os.environ.update(slurm_ranks(os.environ))
        else:
            _refuse_lost_processes(os.environ)
    if launcher.world_size() > 1:
        _refuse_incomplete(os.environ)
        # Kubernetes' operators for PyTorch start one process per container, and leave these away.
        os.environ.setdefault("LOCAL_RANK", "0")
        os.environ.setdefault("LOCAL_WORLD_SIZE", "1")


def slurm_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of torchrun for a task of srun; MASTER_ADDR and MASTER_PORT are kept where they are set.

    Args:
        environment: variables that srun has set.
    """
    tasks = re.findall(r"(\d+)(?:\(x(\d+)\))?", environment.get("SLURM_STEP_TASKS_PER_NODE", "1"))
    per_node = [int(count) for count, nodes in tasks for _ in range(int(nodes or 1))]
    node = int(environment.get("SLURM_NODEID", "0"))
    # With --gpus-per-task every task sees one GPU, its own, as number 0, as if it were alone on the machine.
    is_alone = re.fullmatch(r"[^,]+", environment.get("CUDA_VISIBLE_DEVICES", "")) is not None
    job, step = (int(environment.get(name, "0")) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    ranks = {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": environment["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": "0" if is_alone else environment.get("SLURM_LOCALID", "0"),
        "LOCAL_WORLD_SIZE": "1" if is_alone else str(per_node[node]),
        "MASTER_ADDR": _address_of_rank0(environment, len(per_node)),
        # The same on all nodes without asking them, and another one for jobs and steps that share a node.
        "MASTER_PORT": str(FIRST_PORT + (job + 997 * step) % PORTS),
    }
    return ranks | {
        name: value for name in ("MASTER_ADDR", "MASTER_PORT") if (value := environment.get(name))
    }


def first_host(nodes: str) -> str:
    """Returns the first name in Slurm's notation for names of nodes: gpu07 for gpu[07-09,12],login1."""
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", nodes).split(",")[0]


def _is_slurm_task(environment: Mapping[str, str]) -> bool:
    """Whether srun has started this process as one of several; not for a batch script, nor a shell on a terminal."""
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "")
    return tasks.isdecimal() and int(tasks) > 1 and "SLURM_PROCID" in environment \
        and "SLURM_PTY_PORT" not in environment  # fmt: skip


def _address_of_rank0(environment: Mapping[str, str], nodes: int) -> str:
    """Returns the name of the first node; srun may itself run on another machine."""
    if nodes == 1:
        return "127.0.0.1"
    names = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    return first_host(names) or environment.get("SLURM_LAUNCH_NODE_IPADDR", "")


def _refuse_incomplete(environment: Mapping[str, str]) -> None:
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not environment.get(name)]
    if missing or launcher.rank() >= launcher.world_size():
        names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        raise ConfigError(
            "the variables of a launcher are incomplete, so the processes cannot find each other",
            where=", ".join(missing) or "RANK",
            found=" ".join(f"{name}={environment.get(name, '')}" for name in names),
            fix="torchrun, srun or launcher.num_processes=N, which set them; without several processes: unset WORLD_SIZE",
        )


def _refuse_lost_processes(environment: Mapping[str, str]) -> None:
    """Raises ConfigError where a launcher has started several processes that do not know of each other, or only one."""
    for name in MPI_SIZES:
        if environment.get(name, "1") not in ("", "0", "1"):
            raise ConfigError(
                "mpirun has started several processes, and each would train the whole run",
                where=name,
                found=environment[name],
                fix="launcher.num_processes=N on one machine; torchrun or srun on several",
            )
    if "ACCELERATE_DYNAMO_BACKEND" in environment and "MASTER_PORT" in environment:
        raise ConfigError(
            "accelerate launch was asked for several processes and has started one: on a CPU it needs --multi_gpu",
            where="accelerate launch",
            found="MASTER_PORT without WORLD_SIZE",
            fix="autotune … launcher.num_processes=N without accelerate launch; or "
            "ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes N …",
        )
