"""Coordinates the processes of one run: rank 0 goes first, the others follow, and all end together.

Processes wait for each other through a store and not through collectives of torch, so no time limit applies: rank 0
may tokenise for hours. A process that fails writes its error to the store and closes its connections; the others,
which then cannot continue either, read the reason there.
"""

import atexit
import itertools
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from accelerate import PartialState

from autotune.errors import AutotuneError, ConfigError, Findings, Interrupted
from autotune.runtime import launcher, signals
from autotune.runtime.language import local, word

T = TypeVar("T")

BUG = 70
"""Exit code for an error that is not an AutotuneError."""
WAIT_SECONDS = 0.05
"""Pause between two reads of the store."""
REASON_SECONDS = 5.0
"""Time that a process that lost its connections waits for the reason."""
PARTING_SECONDS = 20.0
"""Time that a failed process waits until rank 0 has recorded why: a launcher kills the others once one has exited."""

_runs = itertools.count()
"""Numbers of the runs: a script may train several in the same processes, and their keys in the store differ by it."""


class Ranks:
    """The processes of a run.

    Args:
        rank: rank of this process; 0 goes first, logs and writes.
        size: number of processes.
        store: key-value store that they share; None for a single process.
    """

    def __init__(self, rank: int, size: int, store: "torch.distributed.Store | None" = None) -> None:
        self.rank, self.size, self._store = rank, size, store
        self._failed = self._rank0_is_gone = False

    def rank0_first(self, name: str, on_rank0: Callable[[], T], on_others: Callable[[], T]) -> T:
        """Calls a function on rank 0, and when that is done another one on the other ranks.

        Args:
            name: key in the store, unique in a run.
            on_rank0: function for rank 0.
            on_others: function for the other ranks.

        Raises:
            AutotuneError: another process failed meanwhile.
        """
        if self.rank == 0:
            result = on_rank0()
            if self._store is not None:
                self._store.set(name, "done")
            return result
        self._wait_for_rank0(name)
        return on_others()

    def share_text(self, name: str, on_rank0: Callable[[], str]) -> str:
        """Returns on all ranks the text that a function returns on rank 0.

        Args:
            name: key in the store, unique in a run.
            on_rank0: function for rank 0.

        Raises:
            AutotuneError: another process failed meanwhile.
        """
        if self.rank == 0:
            text = on_rank0()
            if self._store is not None:
                self._store.set(name, text)
            return text
        self._wait_for_rank0(name)
        assert self._store is not None, "only where there are several"
        shared: bytes = self._store.get(name)
        return shared.decode()

    @contextmanager
    def share_errors(self) -> Iterator[None]:
        """Turns an error of one process inside the context into an error of all.

        Raises:
            AutotuneError: the error of the process that failed first, with its text and exit code.
        """
        try:
            yield
        except Exception as error:
            common = self._error_of_first_failure(error)
            if common is error:
                raise
            raise common from error

    def shutdown(self) -> None:
        """Shuts down. Rank 0 exits last because it may host the store; after an error the others wait until rank 0 has
        recorded it."""
        if self._store is None or self._rank0_is_gone:
            return
        if self.rank == 0:
            if self._failed:
                self._store.set("noted", "done")
            if not self._failed or not launcher.hosts_store():
                for rank in range(1, self.size):
                    self._wait_for_key(f"left {rank}", PARTING_SECONDS, rank)
            return
        with suppress(torch.distributed.DistError):  # rank 0 has recorded the error and exited
            if self._failed and not self._wait_for_key("noted", PARTING_SECONDS):
                sys.stderr.write(
                    local("error: process 0, which would have reported the reason, did not answer") + "\n"
                )
            self._store.set(f"left {self.rank}", "done")

    def _wait_for_rank0(self, name: str) -> None:
        assert self._store is not None, "only where there are several"
        while not self._store.check([name]):
            if self._store.check(["error"]):
                raise ConnectionAbortedError("another process failed")
            signals.raise_if_stopped()
            time.sleep(WAIT_SECONDS)

    def _wait_for_key(self, name: str, seconds: float, writer: int | None = None) -> bool:
        """Whether a key is in the store before the time is up; waits no longer for a `writer` that is known to be dead."""
        assert self._store is not None, "only where there are several"
        deadline = time.monotonic() + seconds
        while not (exists := self._store.check([name])) and time.monotonic() < deadline:
            if writer is not None and self._is_dead(writer):
                break
            time.sleep(WAIT_SECONDS)
        return bool(exists)

    def _is_dead(self, rank: int) -> bool:
        """Whether a process that autotune started has died; other launchers may start processes on other machines."""
        assert self._store is not None, "only where there are several"
        key = f"pid {rank}"
        if not launcher.is_worker() or not self._store.check([key]):
            return False
        try:
            os.kill(int(self._store.get(key)), 0)
        except ProcessLookupError:
            return True
        return False

    def _missing_ranks(self) -> str:
        """Names the processes that have neither failed nor noticed that another one is gone."""
        assert self._store is not None, "only where there are several"
        ranks = range(self.size)
        silent = [str(rank) for rank in ranks if not self._store.check([f"lost {rank}"])]
        self._rank0_is_gone = "0" in silent
        return " and ".join(silent)

    def _report_missing(self, ranks: str) -> Interrupted:
        """Returns the error for processes that are gone, and prints it where rank 0 cannot."""
        numbers = f"process {ranks} of {self.size}" if ranks else "another process"
        error = Interrupted(
            f"{numbers}, counted from 0, did not answer: it died, hangs, or trainer.rank_timeout is too short"
        )
        if self._rank0_is_gone:
            sys.stderr.write(f"{word('error')}: {local(str(error))}\n")
        return error

    def _error_of_first_failure(self, error: Exception) -> Exception:
        """Returns the error of the process that failed first, which may be this one."""
        if self._store is None or self._failed:
            return error
        self._failed = True
        # A launcher sends SIGTERM to the others as soon as one has exited; all must exit with the same code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            return self._common_error_of(error)
        except torch.distributed.DistError:  # rank 0 hosted the store
            self._rank0_is_gone = True
            _tear_down()
            return error if isinstance(error, AutotuneError) else self._report_missing("0")

    def _common_error_of(self, error: Exception) -> Exception:
        """Returns the error of the process that failed first, which this one agrees on with the others."""
        assert self._store is not None, "only where there are several"
        # A lost connection is the consequence of an error elsewhere: look for that one before reporting this.
        lost = isinstance(error, ConnectionError) or (
            isinstance(error, RuntimeError) and _is_connection_error(error)
        )
        if lost:
            self._store.set(f"lost {self.rank}", "done")
            if not self._wait_for_key("error", REASON_SECONDS):
                lost, error = False, self._report_missing(self._missing_ranks())
        # `add` is atomic: of several processes that fail at the same time, one is first.
        if not lost and self._store.add("errors", 1) == 1:
            is_ours = isinstance(error, AutotuneError)
            text = str(error) if is_ours else "".join(traceback.format_exception(error))
            code = error.exit_code if isinstance(error, AutotuneError) else BUG
            errors = _details(error) if isinstance(error, AutotuneError) else []
            self._store.set(
                "error", json.dumps({"rank": self.rank, "code": code, "text": text, "errors": errors})
            )
            failed_first = True
        else:
            failed_first = False
        # After the error is in the store: the others wake up when the connections break, and look for it there.
        _tear_down()
        if failed_first and self.rank == 0:
            return error
        self._wait_for_key("error", REASON_SECONDS)
        first_error = json.loads(self._store.get("error"))
        if not failed_first and isinstance(error, AutotuneError) and str(error) == first_error["text"]:
            return error
        common = _common_error(first_error)
        common.exit_code = first_error["code"]
        return common


@contextmanager
def init_process_group(timeout: float) -> Iterator[Ranks]:
    """Connects the processes that a launcher started; without a launcher, there is a single one.

    They communicate through gloo on a CPU and through NCCL on GPUs.

    Args:
        timeout: minutes after which a collective fails if a process does not answer.

    Raises:
        AutotuneError: the processes cannot be connected, or see `Ranks.share_errors`.
    """
    size = launcher.world_size()
    if size == 1:
        yield Ranks(0, 1)
        return
    client = _connect(size, timedelta(minutes=timeout))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = torch.distributed.PrefixStore(f"autotune/{attempt}/{next(_runs)}", client)
    ranks = Ranks(launcher.rank(), size, store)
    store.set(f"pid {ranks.rank}", str(os.getpid()))
    try:
        with ranks.share_errors():
            yield ranks
            ranks.rank0_first("end", lambda: None, lambda: None)
    finally:
        ranks.shutdown()


def _connect(size: int, timeout: timedelta) -> "torch.distributed.Store":
    """Connects all processes; returns the store that they share, which rank 0 hosts if the launcher does not.

    Args:
        size: number of processes.
        timeout: time after which a collective fails if a process does not answer.

    Raises:
        AutotuneError: there are too few GPUs, rank 0 cannot use the port, or not all processes have joined.
    """
    gpus = torch.cuda.device_count()
    if gpus and launcher.local_world_size() > gpus:
        raise ConfigError(
            "each process needs a GPU of its own",
            where="launcher.num_processes",
            found=f"{launcher.local_world_size()} processes on this machine, GPUs: {gpus}",
            fix="launcher.num_processes=auto, or as many processes as GPUs",
        )
    rank, attempt = launcher.rank(), os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        # Not left to torch, whose store would end with the connections: after an error, the others read the reason in it.
        store = torch.distributed.TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=rank == 0 and not launcher.hosts_store(),
            wait_for_workers=False,
            timeout=timeout,
        )
        group_store = torch.distributed.PrefixStore(f"group/{attempt}", store)
        PartialState(cpu=not gpus, timeout=timeout, store=group_store, rank=rank, world_size=size)
    except torch.distributed.DistError as error:
        raise _connection_refused(error, timeout) from error
    # Threads of the connections that still run when the interpreter ends would abort the process.
    atexit.register(_tear_down)
    joined = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    if joined != size:
        raise ConfigError(
            "not all processes that the launcher announces have joined; the others would train runs of their own",
            where="WORLD_SIZE",
            found=f"{size}, and {joined} joined",
            fix="launcher.num_processes=N on one machine; torchrun or srun on several",
        )
    return store


def _connection_refused(error: Exception, timeout: timedelta) -> AutotuneError:
    """Returns the error for processes that cannot be connected; where autotune has started them, it tries another port."""
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    if "EADDRINUSE" in str(error):
        if launcher.is_worker():
            raise SystemExit(launcher.PORT_TAKEN)
        return ConfigError(
            "another process listens on the port through which the processes of the run connect",
            where="MASTER_PORT",
            found=address,
            fix="another MASTER_PORT; torchrun --standalone chooses a free one",
        )
    return Interrupted(
        f"the processes were not all connected through {address} within {timeout}: {str(error).splitlines()[0]}"
    )


def _is_connection_error(error: RuntimeError) -> bool:
    """Whether an error says that a collective failed because another process is gone."""
    signs = ("connection", "gloo", "nccl", "pair closure", "peer", "timed out", "process group", "socket")
    return isinstance(error, torch.distributed.DistError) or any(sign in str(error).lower() for sign in signs)


def _tear_down() -> None:
    """Closes this process's connections, which frees the processes that wait for it in a collective."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _details(error: AutotuneError) -> list[dict[str, str | None]]:
    """Returns the parts of an error, from which another process builds the same error."""
    return [
        {"what": part.what, "where": part.where, "found": part.found, "fix": part.fix}
        for part in error.errors
    ]


def _common_error(record: Mapping[str, Any]) -> AutotuneError:
    """Returns the error of the process that failed first, for the processes that end with it."""
    if record["code"] == BUG:
        return AutotuneError(f"process {record['rank']} failed:\n{record['text']}")
    errors = [AutotuneError(**details) for details in record["errors"]]
    return errors[0] if len(errors) == 1 else Findings(errors)
