"""Starts the processes of one run on this machine and ends them together.

Each process is `python -m autotune` with the words of the run and the variables that torchrun sets. It composes nothing:
it reads the resolved configuration from its standard input. Stop signals reach all of them; if one fails, or this
process dies, all end.
"""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from subprocess import PIPE, Popen

from autotune.errors import AutotuneError, Interrupted
from autotune.runtime import launcher, signals

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
PORTS = 5
"""Number of ports to try: another process may take the port between the look for a free one and its use."""
PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl: a signal for when the parent dies."""


def run(words: Sequence[str], config: str, count: int, grace_seconds: float) -> int:
    """Trains one run in several processes of this machine.

    Args:
        words: command-line words after `autotune` that start this run.
        config: resolved configuration, as YAML.
        count: number of processes.
        grace_seconds: time for the processes to exit after a stop signal or a failure; then they are killed.

    Returns:
        The exit code of the process that failed first, 128 + the number of the signal that killed it; 75 if all were
        stopped and have saved; 0.

    Raises:
        AutotuneError: there is no free port.
    """
    with signals.handle_signals(several=True):
        for _ in range(PORTS):
            processes = _start(words, config, count, free_port())
            try:
                code = _wait(processes, grace_seconds)
            finally:
                _kill(processes)
            if processes[0].returncode != launcher.PORT_TAKEN:
                return code
    raise AutotuneError("the processes of the run found no free port to connect through", where="MASTER_PORT")


def read_config() -> str:
    """Returns the resolved configuration, in a process that `run` has started; the process ends when its parent dies.

    Raises:
        Interrupted: the parent is dead already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(os.environ[launcher.PARENT]):
        raise Interrupted("the process that started this one has ended")
    return sys.stdin.buffer.read().decode()  # UTF-8, whatever the locale's encoding is


def free_port() -> int:
    """Returns the number of a port on which no process listens."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def _start(words: Sequence[str], config: str, count: int, port: int) -> "list[Popen[bytes]]":
    common = {
        "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": ADDRESS, "MASTER_PORT": str(port),
        launcher.PARENT: str(os.getpid()),
    }  # fmt: skip
    processes: list[Popen[bytes]] = []
    try:
        # A signal during their imports must neither kill them nor be lost.
        with signals.blocked():
            for rank in range(count):
                processes.append(
                    Popen(
                        [sys.executable, "-P", "-m", "autotune", *words],
                        stdin=PIPE,
                        env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                    )
                )
        for process in processes:
            assert process.stdin is not None, "it is a pipe"
            with suppress(BrokenPipeError), process.stdin:  # it has died; `_wait` sees that
                process.stdin.write(config.encode())
    except BaseException:
        _kill(processes)
        raise
    return processes


def _wait(processes: "Sequence[Popen[bytes]]", grace_seconds: float) -> int:
    """Waits until all processes have exited; returns the exit code of the run."""
    deadline: float | None = None
    first_failure: int | None = None
    is_reported = False
    while running := [process for process in processes if process.poll() is None]:
        if deadline is None:
            first_failure = _failure(processes)
            if first_failure is not None or signals.stop_requested():
                deadline = time.monotonic() + grace_seconds
                for process in running:
                    process.terminate()
                if launcher.PORT_TAKEN in (process.returncode for process in processes):
                    deadline = 0.0  # the others wait for a rank 0 that is gone, and have done nothing yet
        elif time.monotonic() > deadline:
            if deadline:
                _report_killed(processes, running, grace_seconds)
                is_reported = True
            _kill(running)
        with suppress(subprocess.TimeoutExpired):
            running[0].wait(signals.PAUSE)
    if first_failure is None:
        first_failure = _failure(processes)
    if first_failure is None:
        return 0
    code = processes[first_failure].returncode
    if _was_stopped(processes[first_failure]):
        return Interrupted.exit_code
    if code > 0:
        return int(code)  # it has said why
    if not is_reported:
        name = signal.Signals(-code).name
        logger.error(
            "process %d of %d, counted from 0, was killed by %s", first_failure, len(processes), name
        )
    return 128 - int(code)


def _failure(processes: "Sequence[Popen[bytes]]") -> int | None:
    """Returns the rank of a process that has failed; one that failed by itself comes before one that was stopped."""
    failed = [rank for rank, process in enumerate(processes) if process.returncode]
    return min(failed, key=lambda rank: _was_stopped(processes[rank]), default=None)


def _was_stopped(process: "Popen[bytes]") -> bool:
    """Whether a process has ended as a stop signal asked it to."""
    return process.returncode in (Interrupted.exit_code, -signal.SIGTERM)


def _report_killed(
    processes: "Sequence[Popen[bytes]]", running: "Sequence[Popen[bytes]]", grace_seconds: float
) -> None:
    ranks = ", ".join(str(rank) for rank, process in enumerate(processes) if process in running)
    logger.warning(
        "process %s of %d, counted from 0, did not end within %g seconds (launcher.grace_seconds), and is killed",
        ranks, len(processes), grace_seconds,
    )  # fmt: skip


def _kill(processes: "Sequence[Popen[bytes]]") -> None:
    for process in processes:
        process.kill()  # does nothing to one that has exited
        process.wait()
