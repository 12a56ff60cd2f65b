"""Several processes that do one run: the first goes ahead, the others follow, and all end together.

Waiting goes through a store beside the collectives of torch, so that it knows no time limit: the first process
may tokenise for hours. Where one fails it leaves its error in the store and tears its connections down; the
others, who then cannot go on either, read there why.
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
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from accelerate import PartialState

from autotune.errors import AutotuneError, Findings, Interrupted
from autotune.runtime import launcher, signals
from autotune.runtime.language import local, word

T = TypeVar("T")

BUG = 70
WAIT_SECONDS = 0.05
REASON_SECONDS = 5.0
"""A process that lost its connections looks so long for the reason."""
PARTING_SECONDS = 20.0
"""One that failed waits so long until the first has noted why: a launcher kills the others when one has left."""

_runs = itertools.count()
"""A sweep does several runs in the same processes; their keys in the store differ by this number."""


class Ranks:
    """The processes of a run.

    Args:
        rank: of this process; 0 goes first, speaks and writes.
        size: how many there are.
        store: what they share; None for a single one.
    """

    def __init__(self, rank: int, size: int, store: "torch.distributed.Store | None" = None) -> None:
        self.rank, self.size, self._store = rank, size, store
        self._failed = self._first_is_gone = False

    def rank0_first(self, name: str, ahead: Callable[[], T], then: Callable[[], T]) -> T:
        """The first process does one thing; when that is done the others do another.

        Args:
            name: of the occasion, once a run.
            ahead: what the first process does.
            then: what the others do.

        Raises:
            AutotuneError: another process failed meanwhile.
        """
        if self.rank == 0:
            result = ahead()
            if self._store is not None:
                self._store.set(name, "done")
            return result
        self._wait(name)
        return then()

    @contextmanager
    def share_errors(self) -> Iterator[None]:
        """Inside, an error of one process becomes that of all.

        Raises:
            AutotuneError: with the text and the exit code of the process that failed first.
        """
        try:
            yield
        except Exception as error:
            common = self._error_of_first_failure(error)
            if common is error:
                raise
            raise common from error

    def shutdown(self) -> None:
        """The end. After an error the others leave when the first has noted it; else the first one leaves last,
        for the store may be its own."""
        if self._store is None or self._first_is_gone:
            return
        if self._failed and self.rank:
            if not self._wait_for_key("noted", PARTING_SECONDS):
                sys.stderr.write(local("error: process 0, which would have told why, did not answer") + "\n")
        elif self._failed:
            self._store.set("noted", "done")
        elif self.rank:
            self._store.set(f"left {self.rank}", "done")
        else:
            for rank in range(1, self.size):
                self._wait_for_key(f"left {rank}", PARTING_SECONDS)

    def _wait(self, name: str) -> None:
        assert self._store is not None, "only where there are several"
        while not self._store.check([name]):
            if self._store.check(["error"]):
                raise ConnectionAbortedError("another process failed")
            signals.raise_if_stopped()
            time.sleep(WAIT_SECONDS)

    def _wait_for_key(self, name: str, seconds: float) -> bool:
        """Whether something is in the store before the time is up."""
        assert self._store is not None, "only where there are several"
        until = time.monotonic() + seconds
        while not (there := self._store.check([name])) and time.monotonic() < until:
            time.sleep(WAIT_SECONDS)
        return bool(there)

    def _missing_ranks(self) -> str:
        """Which processes have neither failed nor noticed that another one is gone."""
        assert self._store is not None, "only where there are several"
        ranks = range(self.size)
        silent = [str(rank) for rank in ranks if not self._store.check([f"lost {rank}"])]
        self._first_is_gone = "0" in silent
        numbers = f"process {' and '.join(silent)} of {self.size}" if silent else "another process"
        return (
            f"{numbers}, counted from 0, did not answer: it died, hangs, or trainer.rank_timeout is too short"
        )

    def _error_of_first_failure(self, error: Exception) -> Exception:
        """The error of the process that failed first, which may be this one's own."""
        if self._store is None or self._failed:
            return error
        self._failed = True
        # A launcher ends the others as soon as one has left; they shall leave with the same exit code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        lost = isinstance(error, ConnectionError) or (
            isinstance(error, RuntimeError) and _is_connection_error(error)
        )
        if lost:
            self._store.set(f"lost {self.rank}", "done")
            if not self._wait_for_key("error", REASON_SECONDS):
                lost, error = False, Interrupted(self._missing_ranks())
                if self._first_is_gone:  # which would have told it
                    sys.stderr.write(f"{word('error')}: {local(str(error))}\n")
        if not lost and self._store.add("errors", 1) == 1:
            known = isinstance(error, AutotuneError)
            text = str(error) if known else "".join(traceback.format_exception(error))
            code = error.exit_code if isinstance(error, AutotuneError) else BUG
            errors = _details(error) if isinstance(error, AutotuneError) else []
            self._store.set(
                "error", json.dumps({"rank": self.rank, "code": code, "text": text, "errors": errors})
            )
            mine = True
        else:
            mine = False
        _tear_down()
        if mine and self.rank == 0:
            return error
        self._wait_for_key("error", REASON_SECONDS)
        found = json.loads(self._store.get("error"))
        if not mine and isinstance(error, AutotuneError) and str(error) == found["text"]:
            return error
        common = _common_error(found)
        common.exit_code = found["code"]
        return common


@contextmanager
def init_process_group(timeout: float) -> Iterator[Ranks]:
    """The processes that a launcher started, connected; a single one without a launcher.

    On a CPU they talk through gloo, on GPUs through NCCL.

    Args:
        timeout: minutes after which one that does not answer in a collective is given up.

    Raises:
        AutotuneError: see `Ranks.united`.
    """
    size = launcher.world_size()
    if size == 1:
        yield Ranks(0, 1)
        return
    PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(minutes=timeout))
    # Threads of the connections that outlive the interpreter would abort the process.
    atexit.register(_tear_down)
    client = torch.distributed.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        wait_for_workers=False,
        timeout=timedelta(minutes=5),
    )
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = torch.distributed.PrefixStore(f"autotune/{attempt}/{next(_runs)}", client)
    ranks = Ranks(launcher.rank(), size, store)
    try:
        with ranks.share_errors():
            yield ranks
            ranks.rank0_first("end", lambda: None, lambda: None)
    finally:
        ranks.shutdown()


def _is_connection_error(error: RuntimeError) -> bool:
    """Whether a collective failed because another process is gone."""
    signs = ("connection", "gloo", "nccl", "peer", "timed out", "process group", "socket")
    return isinstance(error, torch.distributed.DistError) or any(sign in str(error).lower() for sign in signs)


def _tear_down() -> None:
    """Ends this process's connections, which frees whoever waits for it in a collective."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _details(error: AutotuneError) -> list[dict[str, str | None]]:
    """What an error consists of, for another process to make the same of it."""
    return [
        {"what": one.what, "where": one.where, "found": one.found, "fix": one.fix} for one in error.errors
    ]


def _common_error(found: Mapping[str, Any]) -> AutotuneError:
    """The error of the process that failed first, for those that end with it."""
    if found["code"] == BUG:
        return AutotuneError(f"process {found['rank']} failed:\n{found['text']}")
    errors = [AutotuneError(**details) for details in found["errors"]]
    return errors[0] if len(errors) == 1 else Findings(errors)
